/** The schema of an upstream's `spawn`: the application that afcgi starts itself. */
import * as v from "valibot";
import { SPAWN_DEFAULTS as SPAWN, type SpawnOptions, WORKERS_MAX } from "../spawn/options.ts";
import { resolvePath } from "./paths.ts";
import {
  asYaml,
  described,
  filePath,
  flag,
  list,
  oneOf,
  optional,
  section,
  TEXT_REMEDY,
  textLike,
  time,
  wholeNumber,
  wordsOf,
} from "./schema_parts.ts";
import { formatTime } from "./units.ts";

const REQUESTS_MAX = 1_000_000_000;
const WORKERS_REMEDY = `use auto, or a whole number from 1 to ${WORKERS_MAX}`;

const restart = section({
  backoff: optional(
    time(1),
    "Delay before a worker is started again, doubled each time it ends at once",
    formatTime(SPAWN.restart.backoffMs),
  ),
  backoff_max: optional(
    time(1),
    "Maximum delay before a worker is started again",
    formatTime(SPAWN.restart.backoffMaxMs),
  ),
});

export const spawnSchema = section({
  command: described(
    list(textLike(/^[^\0]+$/, TEXT_REMEDY), "use a list, such as [php-fpm]"),
    "Program and arguments; its listening socket is descriptor 0, or {socket} is replaced by the socket's path",
  ),
  workers: optional(
    v.union([oneOf(["auto"]), wholeNumber(1, WORKERS_MAX)], WORKERS_REMEDY),
    "Number of processes (of php-fpm: children); auto: one for each processor, for PHP four",
    SPAWN.workers,
  ),
  env: optional(
    v.record(
      textLike(/^[A-Za-z_][A-Za-z0-9_]*$/, "use a name such as APP_ENV"),
      v.string(TEXT_REMEDY),
      "use a map of names and texts",
    ),
    "Environment variables to set; a secret of afcgi's own environment must be named here to be passed on; default: none",
    {},
  ),
  clear_env: optional(
    flag(),
    "Whether only PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ and TMPDIR are passed on from afcgi's environment",
    true,
  ),
  cwd: optional(filePath(), "Working directory; default: afcgi's own"),
  user: optional(
    textLike(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, "use a user's name or number"),
    "User to run as, if afcgi is root; default: afcgi's user, for the children of php-fpm www-data",
  ),
  max_requests: optional(
    wholeNumber(0, REQUESTS_MAX),
    "Number of requests after which a worker is replaced (it may be a few more); 0: never",
    SPAWN.maxRequests,
  ),
  restart: optional(restart, "Restarts of workers that end by themselves", {}),
  start_timeout: optional(
    time(1),
    "Timeout for a worker to listen; then it is killed and started again",
    formatTime(SPAWN.startTimeoutMs),
  ),
  stop_timeout: optional(
    time(1),
    "Timeout for a worker to end; then it is killed",
    formatTime(SPAWN.stopTimeoutMs),
  ),
}, (text) => `{ command: [${wordsOf(text).map(asYaml).join(", ")}] }`);

/** The checked values of an upstream's `spawn`. */
export function spawnOptions(
  upstream: string,
  spawn: v.InferOutput<typeof spawnSchema>,
  directory: string,
  connectionsMax: number | undefined,
): SpawnOptions {
  return {
    upstream,
    command: spawn.command,
    workers: spawn.workers,
    env: spawn.env,
    ...(!spawn.clear_env && { clearEnv: false }),
    cwd: spawn.cwd === undefined ? undefined : resolvePath(directory, spawn.cwd),
    user: spawn.user,
    maxRequests: spawn.max_requests,
    connectionsMax,
    restart: { backoffMs: spawn.restart.backoff, backoffMaxMs: spawn.restart.backoff_max },
    startTimeoutMs: spawn.start_timeout,
    stopTimeoutMs: spawn.stop_timeout,
  };
}
