/**
 * What holds of a connection to an application that has nothing to do: nothing of the requests that
 * it had is left on it. A body that counts as untaken, a client for whose sake it is not read, or a
 * wish to have it alone would keep later requests from it, and nobody would see why.
 */
import type { Upstream } from "../../src/upstream/upstream.ts";

/** What is left of requests on connections without any; none is what should be. */
export function leftOnIdleConnections({ servers }: Upstream): string[] {
  const left: string[] = [];
  for (const { connections } of servers) {
    for (const { streams, isTunnel, flow, life, isPaused, canBegin, number } of connections) {
      if (streams > 0 || isTunnel || life.state !== "open") continue;
      // What the system has yet to take of the last request is no leftover.
      const isSent = life.peerProgress(false) !== "behind";
      if (!flow.isFree && isSent) left.push(`connection ${number} has a body that was not taken`);
      if (flow.deadlineMs !== Infinity) left.push(`connection ${number} looks after a body`);
      if (isPaused) left.push(`connection ${number} is not read`);
      if (!canBegin) left.push(`connection ${number} takes no request`);
    }
  }
  return left;
}
