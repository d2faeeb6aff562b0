/**
 * php-fpm's status page (`pm.status_path`) as its JSON has it, read with suspicion: a page of another
 * program is none, and a process whose entry cannot be read is left out. Names are php-fpm's own.
 */

/** The pool's numbers; those that a version does not tell are 0. */
export interface FpmStatus {
  readonly pool: string;
  readonly processManager: string;
  readonly acceptedConnections: number;
  /** Connections that wait now, and the most that ever did. */
  readonly listenQueue: number;
  readonly listenQueueMax: number;
  /** Room for those that wait; 0 where it is not known, as for unix sockets. */
  readonly listenQueueLength: number;
  readonly idleProcesses: number;
  /** The one that answers with the page among them. */
  readonly activeProcesses: number;
  readonly totalProcesses: number;
  readonly activeProcessesMax: number;
  /** How often another child was wanted and `pm.max_children` did not allow it. */
  readonly maxChildrenReached: number;
  readonly slowRequests: number;
  /** Empty without `full`. */
  readonly processes: readonly FpmProcess[];
}

export interface FpmProcess {
  readonly state: string;
  /** Of the request that runs, or of the last one, in milliseconds. */
  readonly requestMs: number;
  readonly requestMethod: string;
  readonly requestUri: string;
  readonly script: string;
  /** Bytes that the last request took at most; 0 while one runs. */
  readonly lastRequestMemory: number;
}

/** Undefined for what is no status page. */
export function parseFpmStatus(text: string): FpmStatus | undefined {
  const page = parseObject(text);
  if (page === undefined) return undefined;
  const pool = page["pool"];
  const processManager = page["process manager"];
  if (typeof pool !== "string" || typeof processManager !== "string") return undefined;
  const number = (name: string) => count(page[name]);
  const processes = Array.isArray(page["processes"]) ? page["processes"].flatMap(readProcess) : [];
  const idleProcesses = processes.filter(({ state }) => state === "Idle").length;
  // Its sums are wrong for up to a second after a connection that only asked FCGI_GET_VALUES, which
  // it counts as active and never as done; the list of processes is right.
  const counts = processes.length === 0
    ? {
      idleProcesses: number("idle processes"),
      activeProcesses: number("active processes"),
      totalProcesses: number("total processes"),
    }
    : {
      idleProcesses,
      activeProcesses: processes.length - idleProcesses,
      totalProcesses: processes.length,
    };
  return {
    pool,
    processManager,
    acceptedConnections: number("accepted conn"),
    listenQueue: number("listen queue"),
    listenQueueMax: number("max listen queue"),
    listenQueueLength: number("listen queue len"),
    ...counts,
    activeProcessesMax: number("max active processes"),
    maxChildrenReached: number("max children reached"),
    slowRequests: number("slow requests"),
    processes,
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

function readProcess(value: unknown): FpmProcess[] {
  if (!isObject(value)) return [];
  const text = (name: string): string => {
    const field = value[name];
    return typeof field === "string" ? field : "";
  };
  return [{
    state: text("state"),
    // Told in microseconds.
    requestMs: count(value["request duration"]) / 1000,
    requestMethod: text("request method"),
    requestUri: text("request uri"),
    script: text("script"),
    lastRequestMemory: count(value["last request memory"]),
  }];
}
