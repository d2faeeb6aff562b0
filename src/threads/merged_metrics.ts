/**
 * One text for Prometheus out of those of all threads: what each has counted is added up, by family
 * and labels. What says something of the process, and not of a thread, is the main thread's.
 */

/** Families whose numbers are not added up: those of the first text count. */
const OF_PROCESS: ReadonlySet<string> = new Set([
  "afcgi_buffer_memory_bytes",
  "afcgi_build_info",
  "afcgi_certificate_expiry_seconds",
  "afcgi_client_connections_max",
  "afcgi_config_generation",
  "afcgi_config_last_reload_successful",
  "afcgi_config_last_reload_success_timestamp_seconds",
  "afcgi_reloads_total",
  "afcgi_spawn_workers",
  "afcgi_spill_space_bytes",
  "afcgi_upstream_capacity",
]);
const OF_PROCESS_PREFIX = "process_";

/** Families of which the least number counts: what one thread knows to be down is down. */
const LEAST: ReadonlySet<string> = new Set(["afcgi_upstream_server_up"]);

interface Family {
  /** Its lines of HELP and TYPE. */
  readonly head: string[];
  /** By name and labels. */
  readonly samples: Map<string, number>;
}

/** `texts`: the main thread's first. */
export function mergeMetrics(texts: readonly string[]): string {
  const merged = new Map<string, Family>();
  for (const [index, text] of texts.entries()) {
    for (const [name, family] of readFamilies(text)) {
      const known = merged.get(name);
      if (known === undefined) merged.set(name, family);
      else if (index > 0) addFamily(name, known, family);
    }
  }
  return [...merged.values()].map(writeFamily).join("");
}

/** The families of a text that only go up: counters and histograms. */
export function countsOf(text: string): string {
  return [...readFamilies(text).values()].filter(({ head }) =>
    head.some((line) => /^# TYPE \S+ (counter|histogram)$/.test(line))
  ).map(writeFamily).join("");
}

/** The sum of a family's samples in a text. */
export function totalOfFamily(text: string, name: string): number {
  let total = 0;
  for (const value of readFamilies(text).get(name)?.samples.values() ?? []) total += value;
  return total;
}

function addFamily(name: string, known: Family, more: Family): void {
  if (OF_PROCESS.has(name) || name.startsWith(OF_PROCESS_PREFIX)) return;
  for (const [key, value] of more.samples) {
    const before = known.samples.get(key);
    if (before === undefined) known.samples.set(key, value);
    else known.samples.set(key, LEAST.has(name) ? Math.min(before, value) : before + value);
  }
}

function readFamilies(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current: Family | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("# HELP ")) {
      current = { head: [line], samples: new Map() };
      families.set(line.split(" ", 3)[2]!, current);
    } else if (line.startsWith("#")) current?.head.push(line);
    else if (line !== "") {
      const end = line.lastIndexOf(" ");
      current?.samples.set(line.slice(0, end), Number(line.slice(end + 1)));
    }
  }
  return families;
}

function writeFamily({ head, samples }: Family): string {
  return [...head, ...[...samples].map(([key, value]) => `${key} ${value}`)]
    .map((line) => `${line}\n`).join("");
}
