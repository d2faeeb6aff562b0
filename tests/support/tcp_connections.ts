/** Connections of this machine as the kernel lists them. */
import { readFileSync } from "node:fs";

const ESTABLISHED = "01";
const SYN_SENT = "02";

/**
 * Those to a port of ours, by whichever of the two sides has more: whoever connects, also where they
 * are not accepted yet, or the server.
 */
export function connectionsTo(port: number): number {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let ours = 0;
  let theirs = 0;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
    if (!line.includes(hex)) continue;
    const [, local = "", remote = "", state = ""] = line.trim().split(/\s+/);
    if (remote.endsWith(hex) && (state === ESTABLISHED || state === SYN_SENT)) ours++;
    if (local.endsWith(hex) && state === ESTABLISHED) theirs++;
  }
  return Math.max(ours, theirs);
}

/** The most of them that there were meanwhile. */
export async function mostConnections(port: number, action: () => Promise<void>): Promise<number> {
  let most = 0;
  const watch = setInterval(() => {
    const count = connectionsTo(port);
    // The list is no snapshot: it may show one that has gone beside its successor, but not repeatedly.
    if (count > most) most = Math.max(most, Math.min(count, connectionsTo(port)));
  }, 5);
  try {
    await action();
  } finally {
    clearInterval(watch);
  }
  return most;
}
