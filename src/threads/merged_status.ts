/**
 * `/status` of the whole process out of what its threads say: requests and connections of all of them,
 * each connection with the thread whose it is. A server is up where no thread has found it down.
 */
import type { AdminStatus } from "../app/process_share.ts";

/** What one thread says; undefined: it has said nothing yet. */
export interface NamedStatus {
  readonly name: string;
  readonly status: AdminStatus | undefined;
}

type UpstreamStatus = AdminStatus["upstreams"][number];
type ServerStatus = UpstreamStatus["servers"][number];

/** `own` is the main thread's. */
export function mergeStatus(own: AdminStatus, threads: readonly NamedStatus[]): AdminStatus {
  const all: readonly NamedStatus[] = [{ name: "main", status: own }, ...threads];
  const http2 = all.flatMap(({ status }) => status?.http2 ?? []);
  return {
    ...own,
    ...(own.http2 && {
      http2: {
        connections: sumOf(http2, ({ connections }) => connections),
        streams: sumOf(http2, ({ streams }) => streams),
      },
    }),
    upstreams: own.upstreams.map((upstream) =>
      mergeUpstream(
        upstream,
        all.flatMap(({ name, status }) => {
          const same = status?.upstreams.find((one) => one.name === upstream.name);
          return same === undefined ? [] : [{ name, upstream: same }];
        }),
      )
    ),
  };
}

interface NamedUpstream {
  readonly name: string;
  readonly upstream: UpstreamStatus;
}

function mergeUpstream(own: UpstreamStatus, all: readonly NamedUpstream[]): UpstreamStatus {
  const sum = (read: (upstream: UpstreamStatus) => number) =>
    sumOf(all, ({ upstream }) => read(upstream));
  // Names are looked up by each thread, so one may know an address a moment earlier.
  const addresses = new Set(
    all.flatMap(({ upstream: { servers } }) => servers.map(({ address }) => address)),
  );
  return {
    ...own,
    ...(own.tunnels !== undefined && { tunnels: sum(({ tunnels = 0 }) => tunnels) }),
    requests_open: sum(({ requests_open }) => requests_open),
    queue_length: sum(({ queue_length }) => queue_length),
    servers: [...addresses].map((address) =>
      mergeServer(all.flatMap(({ name, upstream: { servers } }) => {
        const server = servers.find((one) => one.address === address);
        return server === undefined ? [] : [{ name, server }];
      }))
    ),
  };
}

interface NamedServer {
  readonly name: string;
  readonly server: ServerStatus;
}

function mergeServer(all: readonly NamedServer[]): ServerStatus {
  const [{ server: first }] = all as [NamedServer];
  const known = all.find(({ server: { mode } }) => mode !== "unknown");
  return {
    ...first,
    mode: known?.server.mode ?? first.mode,
    up: all.every(({ server }) => server.up),
    resting: all.some(({ server }) => server.resting),
    leaving: all.every(({ server }) => server.leaving),
    connections: all.flatMap(({ name, server: { connections } }) =>
      connections.map((connection) => ({ ...connection, worker: name }))
    ),
  };
}

function sumOf<Item>(items: readonly Item[], read: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + read(item), 0);
}
