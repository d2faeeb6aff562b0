/**
 * What php-fpm's status page means, in words: which of its settings and of ours do not fit. It knows
 * only what the page tells; `pm.max_children` is not on it and follows from the rest, if at all.
 */
import type { FpmStatus } from "./fpm_status.ts";

/** A request that runs longer is worth a line, in milliseconds. */
export const LONG_REQUEST_MS = 5_000;

/** A queue this full is close to refusing connections. */
const QUEUE_NEARLY_FULL = 0.8;

const MIB = 1024 * 1024;

/** Lines for people; the first is on `connections.max`. */
export function adviseFpm(status: FpmStatus): string[] {
  return [
    connectionsAdvice(status),
    ...childrenAdvice(status),
    ...queueAdvice(status),
    ...requestAdvice(status),
  ];
}

function connectionsAdvice({ processManager, totalProcesses }: FpmStatus): string {
  if (processManager !== "static") {
    return `pm is ${processManager}, with ${
      children(totalProcesses)
    } now: set connections.max to ` +
      "pm.max_children minus one (the pool's file has it; this page does not)";
  }
  if (totalProcesses < 2) {
    return "pm.max_children is 1: set it to 2 or more, for a kept connection holds a child, and " +
      "connections.max to one less";
  }
  return `pm.max_children is ${totalProcesses}: set connections.max to ${totalProcesses - 1} at ` +
    "most, so that a child is free for whoever else asks";
}

function childrenAdvice(status: FpmStatus): string[] {
  const { maxChildrenReached, idleProcesses, processes } = status;
  const lines: string[] = [];
  if (maxChildrenReached > 0) {
    const memory = Math.max(0, ...processes.map(({ lastRequestMemory }) => lastRequestMemory));
    const cost = memory === 0 ? "" : ` (a request took up to ${Math.ceil(memory / MIB)} MiB)`;
    lines.push(
      `pm.max_children was reached ${times(maxChildrenReached)}: raise it if memory allows${cost}`,
    );
  }
  if (idleProcesses === 0) lines.push("No child was idle but the one that answered this");
  return lines;
}

function queueAdvice(status: FpmStatus): string[] {
  const { listenQueue, listenQueueMax, listenQueueLength } = status;
  const lines: string[] = [];
  if (listenQueue > 0) lines.push(`Connections that wait in the listen queue now: ${listenQueue}`);
  if (listenQueueMax > 0) {
    lines.push(
      `Up to ${listenQueueMax} connections waited in the listen queue: with connections.max below ` +
        "pm.max_children requests wait in afcgi's queue instead, bounded and counted",
    );
  }
  if (listenQueueLength > 0 && listenQueueMax >= listenQueueLength * QUEUE_NEARLY_FULL) {
    lines.push(
      `The listen queue has room for ${listenQueueLength}: raise listen.backlog ` +
        "(and net.core.somaxconn)",
    );
  }
  return lines;
}

function requestAdvice({ slowRequests, processes }: FpmStatus): string[] {
  const lines = [
    slowRequests > 0
      ? `Slow requests: ${slowRequests} (the pool's slowlog has where they were)`
      : "No slow request: none was, or request_slowlog_timeout is not set (try 5s, with slowlog)",
  ];
  const running = processes.filter(({ state }) => state === "Running");
  for (const { requestMs, requestMethod, requestUri, script } of running) {
    if (requestMs < LONG_REQUEST_MS) continue;
    const seconds = Math.round(requestMs / 1000);
    lines.push(`A request runs for ${seconds} s: ${requestMethod} ${requestUri} (${script})`);
  }
  return lines;
}

function children(count: number): string {
  return count === 1 ? "1 child" : `${count} children`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
