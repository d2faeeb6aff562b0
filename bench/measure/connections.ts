/** How many connections an application has now, counted from outside in /proc/net. */
import { readFileSync } from "node:fs";
import type { Place } from "../../tests/support/places.ts";

/** How often they are counted during a round. */
const SAMPLE_MS = 100;

const TCP_ESTABLISHED = "01";
const UNIX_CONNECTED = "03";

export function connectionsAt(place: Place): number {
  return place.network === "tcp" ? tcpConnections(place.port) : unixConnections(place.path);
}

/** The most connections at one time until `stop` is called. */
export function watchConnections(place: Place): { stop(): number } {
  let most = 0;
  const sample = () => void (most = Math.max(most, connectionsAt(place)));
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}

/** The application's ends bear the name of its socket; those of its clients have none. */
function unixConnections(path: string): number {
  return rows("/proc/net/unix").filter((fields) =>
    fields[5] === UNIX_CONNECTED && fields[7] === path
  ).length;
}

function tcpConnections(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return rows("/proc/net/tcp").filter((fields) =>
    fields[3] === TCP_ESTABLISHED && fields[1]?.endsWith(local)
  ).length;
}

function rows(path: string): string[][] {
  return readFileSync(path, "utf8").split("\n").map((line) => line.trim().split(/\s+/));
}
