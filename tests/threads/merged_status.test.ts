/** `/status` of the process out of those of its threads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdminStatus } from "../../src/app/process_share.ts";
import { mergeStatus } from "../../src/threads/merged_status.ts";

type Upstream = AdminStatus["upstreams"][number];
type Server = Upstream["servers"][number];

function server(address: string, more: Partial<Server> = {}): Server {
  return {
    address,
    mode: "unknown",
    up: true,
    resting: false,
    leaving: false,
    weight: 1,
    connections: [],
    ...more,
  };
}

function status(servers: readonly Server[], more: Partial<Upstream> = {}): AdminStatus {
  return {
    version: "1",
    http2: { connections: 1, streams: 2 },
    upstreams: [{
      name: "app",
      protocol: "fastcgi",
      requests_open: 1,
      queue_length: 2,
      spawn: undefined,
      servers: [...servers],
      ...more,
    }],
  };
}

const CONNECTION = {
  number: 1,
  state: "open",
  streams: 1,
  requests: 3,
  paused: false,
  stray_records: 0,
} as const;

test("Requests, queues and connections of all threads are told, with whose they are", () => {
  const merged = mergeStatus(status([server("a")]), [
    { name: "worker-1", status: status([server("a", { connections: [CONNECTION] })]) },
    { name: "worker-2", status: status([server("a", { mode: "single" })]) },
    { name: "worker-3", status: undefined },
  ]);
  assert.deepEqual(merged.http2, { connections: 3, streams: 6 });
  const [app] = merged.upstreams;
  assert.deepEqual([app!.requests_open, app!.queue_length], [3, 6]);
  assert.equal(app!.servers.length, 1);
  const [one] = app!.servers;
  assert.equal(one!.mode, "single");
  assert.deepEqual(one!.connections, [{ ...CONNECTION, worker: "worker-1" }] as unknown);
});

test("A server is down where one thread has found it so, and leaves when it does in all", () => {
  const merged = mergeStatus(status([server("a"), server("b", { leaving: true })]), [
    { name: "worker-1", status: status([server("a", { up: false }), server("b")]) },
    { name: "worker-2", status: status([server("a", { resting: true }), server("c")]) },
  ]);
  const [{ servers }] = merged.upstreams as unknown as [Upstream];
  assert.deepEqual(servers.map(({ address }) => address), ["a", "b", "c"]);
  assert.deepEqual(servers.map(({ up }) => up), [false, true, true]);
  assert.deepEqual(servers.map(({ resting }) => resting), [true, false, false]);
  assert.equal(servers[1]!.leaving, false);
});

test("WebSockets are added up where there may be some, and an upstream of one thread stays", () => {
  const merged = mergeStatus(status([], { protocol: "http", tunnels: 1 }), [
    { name: "worker-1", status: status([], { protocol: "http", tunnels: 4 }) },
    { name: "worker-2", status: { ...status([]), upstreams: [] } },
    { name: "worker-3", status: status([], { protocol: "http" }) },
  ]);
  assert.equal(merged.upstreams[0]!.tunnels, 5);
  assert.equal(mergeStatus(status([]), []).upstreams[0]!.tunnels, undefined);
});
