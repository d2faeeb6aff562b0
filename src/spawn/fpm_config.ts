/**
 * The configuration that php-fpm gets from us: one pool on our socket. It logs to its standard error,
 * which we read (`--force-stderr`; a log file it wants to open nevertheless), and so do its children.
 */
import type { SocketOwner, UserIds } from "../runtime/spawner.ts";
import { STDERR_LINE_MAX } from "../upstream/stderr_lines.ts";

/** Connections that may wait while every child is busy; our own queue comes before it. */
const BACKLOG = 511;

export interface FpmPool {
  readonly socket: string;
  readonly children: number;
  readonly maxRequests: number;
  /** Only root may, and must, say who its children are. */
  readonly user: UserIds | undefined;
  /** Who may connect beside root; undefined: whoever starts it. */
  readonly socketOwner?: SocketOwner | undefined;
}

/** The text of a `php-fpm.conf`. */
export function fpmConfig({ socket, children, maxRequests, user, socketOwner }: FpmPool): string {
  return [
    "[global]",
    "daemonize = no",
    "error_log = /dev/null",
    // Longer messages would lose their ends.
    `log_limit = ${STDERR_LINE_MAX}`,
    "[afcgi]",
    `listen = ${socket}`,
    "listen.mode = 0600",
    ...(socketOwner === undefined ? [] : [
      `listen.owner = ${socketOwner.user}`,
      `listen.group = ${socketOwner.group}`,
    ]),
    `listen.backlog = ${BACKLOG}`,
    ...(user === undefined ? [] : [`user = ${user.name}`, `group = ${user.group}`]),
    "pm = static",
    `pm.max_children = ${children}`,
    `pm.max_requests = ${maxRequests}`,
    // What it should not have it does not get (environment.ts).
    "clear_env = no",
    "catch_workers_output = yes",
    "decorate_workers_output = no",
    "",
  ].join("\n");
}

/** What php-fpm is started with beside what the user says. */
export function fpmArguments(configPath: string): readonly string[] {
  return ["--nodaemonize", "--force-stderr", "--fpm-config", configPath];
}
