/** Which configurations of an upstream have the same shared memory, and how long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from "../../src/upstream/options.ts";
import { formatAddress } from "../../src/runtime/address.ts";
import { claimServer } from "../../src/shared/upstream_memory.ts";
import { run } from "../../src/shared/steps.ts";
import { nextSocketNumber } from "../../src/spawn/sockets.ts";
import { AUTO_HTTP_MAX, AUTO_SINGLE_MAX } from "../../src/upstream/connection_limit.ts";
import { UpstreamMemories } from "../../src/threads/upstream_memories.ts";

function upstream(name: string, more: Partial<UpstreamOptions> = {}): UpstreamOptions {
  return { ...UPSTREAM_DEFAULTS, name, servers: [], ...more };
}

test("An upstream has one memory, in whatever order its options are said", () => {
  const memories = new UpstreamMemories(2);
  const { name, ...rest } = upstream("a");
  const { servers, ...others } = rest;
  assert.equal(memories.of({ name, ...rest }), memories.of({ ...others, servers, name }));
  assert.notEqual(memories.of(upstream("a")), memories.of(upstream("b")));
  assert.notEqual(memories.of(upstream("a")).id, memories.of(upstream("b")).id);
});

test("One that was only prepared is forgotten, and the one at work stays what it was", () => {
  const memories = new UpstreamMemories(2);
  const first = memories.of(upstream("a"));
  memories.use([upstream("a")]);
  assert.notEqual(memories.of(upstream("a", { slowStartMs: 1 })), first);
  assert.equal(memories.all.length, 2);
  memories.discard();
  assert.deepEqual(memories.all, [first]);
  assert.equal(memories.of(upstream("a")), first);
});

test("That of the configuration before is kept, for requests that have not ended, and no older one", () => {
  const memories = new UpstreamMemories(2);
  const configurations = [1, 2, 3, 4].map((slowStartMs) => [upstream("a", { slowStartMs })]);
  const made = configurations.map((upstreams) => {
    const memory = memories.of(upstreams[0]!);
    memories.use(upstreams);
    return memory;
  });
  assert.deepEqual(memories.all, made.slice(2));
  memories.bury(1);
});

test("There are as many permits as one thread would have connections", () => {
  const memories = new UpstreamMemories(3);
  const auto = { ...UPSTREAM_DEFAULTS.connections, max: "auto" as const };
  assert.equal(memories.of(upstream("a", { connections: auto })).slotCount, AUTO_SINGLE_MAX);
  const http = { connections: auto, protocol: "http" as const };
  assert.equal(memories.of(upstream("b", http)).slotCount, AUTO_HTTP_MAX);
});

test("Servers that configurations bring one after the other have memory each", () => {
  const memories = new UpstreamMemories(5);
  const connections = { ...UPSTREAM_DEFAULTS.connections, max: 8 };
  const first = upstream("a", { connections });
  const memory = memories.of(first);
  for (let port = 1; port <= 1_000; port++) {
    const address = { transport: "tcp", host: "127.0.0.1", port } as const;
    const next = { ...first, servers: [{ address, weight: 1, backup: false }] };
    assert.equal(memories.of(next), memory);
    assert.ok(run(memory.words, claimServer(memory, formatAddress(address))), `${port}`);
  }
});

test("Workers that are replaced repeatedly have memory each", () => {
  const memories = new UpstreamMemories(3);
  const connections = { ...UPSTREAM_DEFAULTS.connections, max: 1 };
  const memory = memories.of(upstream("a", { supplied: true, connections }));
  const count = 20;
  let last = 0;
  const used = new Set<number>();
  for (let replaced = 0; replaced < 10_000; replaced++) {
    last = nextSocketNumber(last, count, used);
    const path = `/tmp/afcgi-spawn-x/${last}.sock`;
    assert.ok(run(memory.words, claimServer(memory, path)), `after ${replaced}`);
    used.add(last);
    if (used.size > count) used.delete([...used][0]!);
  }
});
