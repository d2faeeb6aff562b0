/** What a spawned application can be told: the configuration's `upstreams.NAME.spawn`, read. */

export interface SpawnOptions {
  /** The upstream that the application belongs to. */
  readonly upstream: string;
  /**
   * The program and its arguments. `{socket}` in an argument stands for the path at which it is to
   * listen; without one its descriptor 0 listens already.
   */
  readonly command: readonly string[];
  /** Processes; of php-fpm: children. `auto` goes by the machine's processors. */
  readonly workers: number | "auto";
  /** Variables that it gets beside those of {@link clearEnv}. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether it gets only the few of our variables that every program wants; left out: yes. */
  readonly clearEnv?: boolean;
  /** Absolute; undefined: ours. */
  readonly cwd: string | undefined;
  /** Undefined: as we do, but php-fpm's children as {@link FPM_USER} where we are root. */
  readonly user: string | undefined;
  /** Requests after which a worker makes way for a new one; 0: no limit. */
  readonly maxRequests: number;
  /** Most connections to each worker; undefined: as many as it takes requests at once. */
  readonly connectionsMax: number | undefined;
  readonly restart: { readonly backoffMs: number; readonly backoffMaxMs: number };
  /** For a worker to listen once it was started. */
  readonly startTimeoutMs: number;
  /** For a worker to end once it was told to; then it is killed. */
  readonly stopTimeoutMs: number;
}

export const SPAWN_DEFAULTS: Omit<SpawnOptions, "upstream" | "command"> = {
  workers: "auto",
  env: {},
  cwd: undefined,
  user: undefined,
  maxRequests: 0,
  connectionsMax: undefined,
  restart: { backoffMs: 250, backoffMaxMs: 30_000 },
  startTimeoutMs: 30_000,
  stopTimeoutMs: 10_000,
};

export const WORKERS_MAX = 1024;

/** Whom php-fpm's children run as where nobody says: the user of web servers on Debian and Alpine. */
export const FPM_USER = "www-data";

/** A program of PHP waits for databases more than it computes. */
const PHP_WORKERS_PER_CPU = 4;

/** How a command takes its socket, and how it is told to stop. */
export type CommandKind = "php-fpm" | "php-cgi" | "other";

/** By the program's name, as Debian writes it too (`php-fpm8.2`). */
export function commandKind(command: readonly string[]): CommandKind {
  const name = command[0]?.split("/").at(-1) ?? "";
  if (/^php-fpm[\d.]*$/.test(name)) return "php-fpm";
  return /^php-cgi[\d.]*$/.test(name) ? "php-cgi" : "other";
}

/** How many workers an application has. */
export function workerCount(options: SpawnOptions, cpuCount: number): number {
  if (options.workers !== "auto") return options.workers;
  return commandKind(options.command) === "other" ? cpuCount : cpuCount * PHP_WORKERS_PER_CPU;
}

/** Most connections to each worker: where none are configured, as many as it takes requests. */
export function connectionsMax(options: SpawnOptions, cpuCount: number): number {
  const isFpm = commandKind(options.command) === "php-fpm";
  return options.connectionsMax ?? (isFpm ? workerCount(options, cpuCount) : 1);
}
