/**
 * A thread that serves, told what to do by a main thread that is the test: all of the program runs in
 * memory. When its clients have gone the memory that threads share is as it was at the beginning.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { processPlaces } from "../../src/shared/process_memory.ts";
import { createUpstreamMemory } from "../../src/shared/upstream_memory.ts";
import { untilIdle } from "../support/idle.ts";
import {
  APPLICATION,
  GET,
  NOTHING_NEW,
  optionsOf,
  ServingWorld,
  THREAD,
} from "../support/serving_thread_world.ts";
import { inWorld } from "../support/world_test.ts";

const NOTHING = { placed: 0, clients: 0, spill: 0, addresses: 0 };

test(
  "A client is served, counted, and gone when its connection is",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    const application = await serveFastCgi(() => new Response("whole"), {
      listen: APPLICATION,
      runtime: world.runtime,
    });
    const socket = world.open();
    socket.send(GET);
    await untilIdle();
    assert.match(socket.text, /^HTTP\/1\.1 200 /);
    const held = world.held();
    assert.deepEqual([held["placed"], held["clients"]], [1, 1]);
    assert.ok(held["addresses"]! > 0);
    socket.close();
    assert.deepEqual(world.held(), NOTHING);
    await world.stop();
    await application.shutdown({ grace: 0 });
  }),
);

test(
  "A client of a listener that is gone is closed, and counts as taken and no more",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    world.open("tcp://127.0.0.1:1");
    assert.deepEqual(world.closed, [1]);
    assert.deepEqual(world.held(), NOTHING);
    const { taken } = processPlaces(world.process);
    assert.equal(Atomics.load(world.process.words, taken + THREAD), 1);
    await world.stop();
  }),
);

test(
  "A request that waits for the application counts in shared memory until its client has left",
  inWorld(async () => {
    const memory = createUpstreamMemory(2, 1, 1);
    const world = await ServingWorld.serving();
    const options = optionsOf({
      upstreams: optionsOf().upstreams.map((upstream) => ({
        ...upstream,
        multiplex: "off" as const,
        connections: { ...upstream.connections, max: 1 },
      })),
    });
    const { id, error } = await world.prepare(world.config(options, memory));
    assert.equal(error, undefined);
    world.tell({ kind: "commit", id, present: NOTHING_NEW });
    await untilIdle();
    // Nobody answers.
    await world.runtime.listen(APPLICATION, () => {});
    const clients = [world.open(), world.open()];
    for (const client of clients) client.send(GET);
    await untilIdle();
    assert.equal(world.held(memory)["waiting"], 1);
    world.runtime.clock.advance(1_000);
    for (const client of clients) client.close();
    await untilIdle();
    assert.deepEqual(world.held(memory), { ...NOTHING, waiting: 0, urgent: 0, tunnels: 0 });
    await world.stop();
  }),
);

test(
  "A configuration that it cannot take is told, and the one that serves goes on",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    const application = await serveFastCgi(() => new Response("whole"), {
      listen: APPLICATION,
      runtime: world.runtime,
    });
    const bad = optionsOf({
      upstreams: optionsOf().upstreams.map((upstream) => ({
        ...upstream,
        protocol: "http" as const,
        tls: { serverName: "a.test", authorities: undefined, caFile: "/missing.pem" },
      })),
    });
    const { error } = await world.prepare(world.config(bad));
    assert.match(error ?? "", /missing\.pem/);
    const socket = world.open();
    socket.send(GET);
    await untilIdle();
    assert.match(socket.text, /^HTTP\/1\.1 200 /);
    socket.close();
    await world.stop();
    await application.shutdown({ grace: 0 });
  }),
);

test(
  "What is asked of it before it serves, or of a configuration that is gone, harms nothing",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    world.tell({ kind: "commit", id: 99, present: NOTHING_NEW });
    world.tell({ kind: "discard", id: 99 });
    const { id } = await world.prepare(world.config(optionsOf()));
    world.tell({ kind: "discard", id });
    world.tell({ kind: "commit", id, present: NOTHING_NEW });
    await untilIdle();
    const committed = world.said.filter((message) => message.kind === "committed");
    assert.deepEqual(committed.map((message) => message.id), [99, id], "nobody waits for it");
    world.tell({ kind: "question", id: 7 });
    const report = world.said.find((message) => message.kind === "response");
    assert.ok(report?.kind === "response" && report.id === 7 && report.metrics.includes("afcgi_"));
    await world.stop();
  }),
);
