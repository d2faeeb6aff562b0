/** Go's times (`1h30m`, `500ms`, and Caddy's `2d`) and sizes (`10MB`, `1MiB`). */

const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Whole milliseconds; undefined where the text is no time. */
export function caddyTime(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/.test(text)) return undefined;
  let timeMs = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)) {
    timeMs += Number(count) * MILLISECONDS[unit!]!;
  }
  return Math.max(1, Math.round(timeMs));
}

const BYTES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1000,
  m: 1000 ** 2,
  mb: 1000 ** 2,
  g: 1000 ** 3,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** Bytes; undefined where the text is no size. */
export function caddySize(text: string): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
  const bytes = count === undefined ? undefined : BYTES[unit!.toLowerCase()];
  return bytes === undefined ? undefined : Math.round(Number(count) * bytes);
}
