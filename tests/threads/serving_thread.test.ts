/**
 * A thread that serves, told what to do by a main thread that is the test: all of the program runs in
 * memory. When its clients have gone the memory that threads share is as it was at the beginning.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { SocketListenOptions } from "../../src/runtime/callback_socket.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { ownerOf } from "../../src/shared/owners.ts";
import { createProcessMemory, processPlaces } from "../../src/shared/process_memory.ts";
import {
  createUpstreamMemory,
  type UpstreamMemory,
  upstreamPlaces,
} from "../../src/shared/upstream_memory.ts";
import type { FromThread, Present, ThreadConfig, ToThread } from "../../src/threads/messages.ts";
import { serveInThread } from "../../src/threads/serving_thread.ts";
import { gatewayAppOptions } from "../support/gateway.ts";
import { until, untilIdle } from "../support/idle.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { inWorld } from "../support/world_test.ts";

const AT: Address = { transport: "tcp", host: "127.0.0.1", port: 8080 };
const LISTENER = "tcp://127.0.0.1:8080";
const APPLICATION: Address = { transport: "unix", path: "/run/app.sock" };
const THREAD = 1;
const NOTHING_NEW: Present = { servers: new Map(), news: [] };
const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/** A client's socket of which is heard when it is gone. */
class AdoptedSocket extends MemoryCallbackSocket {
  onGone: (() => void) | undefined;

  override close(): void {
    super.close();
    this.onGone?.();
    this.onGone = undefined;
  }
}

class World {
  readonly runtime = new MemoryRuntime();
  readonly said: FromThread[] = [];
  readonly process = createProcessMemory(2, 16, { low: 1, high: 2 });
  readonly closed: number[] = [];
  readonly #sockets = new Map<number, AdoptedSocket>();
  #tell!: (message: unknown) => void;
  #lastNumber = 0;
  #lastDescriptor = 0;
  #lastId = 0;

  static async serving(options = optionsOf()): Promise<World> {
    const world = new World();
    const adopt = (listening: SocketListenOptions, descriptor: number, onGone: () => void) => {
      const socket = world.#sockets.get(descriptor)!;
      socket.onGone = onGone;
      socket.events = listening.onSocket(socket);
    };
    const runtime: Runtime = {
      ...world.runtime,
      openPrivateDirectory: (path) => world.runtime.openPrivateDirectory(path),
      listenInherited: (descriptor) => world.runtime.listenInherited(descriptor),
      listenSockets: (listening) => world.runtime.listenSockets(listening),
      collectGarbage: () => world.runtime.collectGarbage(),
      adoptSockets: (listening) =>
        Promise.resolve({
          adopt: (descriptor, onGone) => adopt(listening, descriptor, onGone),
          configureTls: () => {},
          close: () => {},
        }),
      closeDescriptor: (descriptor) => void world.closed.push(descriptor),
    };
    serveInThread(runtime, {
      send: (message) => void world.said.push(message as FromThread),
      listen: (received) => world.#tell = received,
    });
    const config = world.config(options);
    const { process } = world;
    const owner = ownerOf(THREAD, 0);
    const present = NOTHING_NEW;
    const secret = new Uint8Array(32);
    const start = { kind: "start", thread: THREAD, owner, version: "1", process } as const;
    world.tell({ ...start, config, present, secret });
    await until(() => world.said.length > 0, "the thread's start");
    assert.deepEqual(world.said.map(({ kind }) => kind), ["ready"]);
    return world;
  }

  config(options: AppOptions, memory = createUpstreamMemory(2, 1, 4)): ThreadConfig {
    return { options, upstreams: new Map([["app", memory]]) };
  }

  tell(message: ToThread): void {
    this.#tell(message);
  }

  /** A client that the main thread has accepted, and given to the thread. */
  open(listener = LISTENER): AdoptedSocket {
    const socket = new AdoptedSocket();
    const descriptor = ++this.#lastDescriptor;
    this.#sockets.set(descriptor, socket);
    Atomics.add(this.process.words, processPlaces(this.process).placed + THREAD, 1);
    this.tell({ kind: "connection", listener, descriptor, number: this.#lastNumber++ });
    return socket;
  }

  /** What it says to a new configuration; with its number. */
  async prepare(config: ThreadConfig): Promise<{ id: number; error: string | undefined }> {
    const id = ++this.#lastId;
    this.tell({ kind: "prepare", id, config });
    const isResponse = (message: FromThread) => message.kind === "prepared" && message.id === id;
    await until(() => this.said.some(isResponse), "the thread's response");
    const { error } = this.said.find(isResponse) as { error: string | undefined };
    return { id, error };
  }

  /** Words of shared memory that are not 0, but those that only ever grow. */
  held(memory?: UpstreamMemory): Record<string, number> {
    const { words } = this.process;
    const { placed, clients, spill, addresses } = processPlaces(this.process);
    const sum = (of: Int32Array, from: number, count: number) =>
      of.subarray(from, from + count).reduce((total, word) => total + word, 0);
    const held = {
      placed: sum(words, placed, 2),
      clients: sum(words, clients.at, 2),
      spill: sum(words, spill.at, 2),
      addresses: sum(words, addresses.at, words.length - addresses.at),
    };
    if (memory === undefined) return held;
    const { waiting, urgent, tunnels } = upstreamPlaces(memory);
    return {
      ...held,
      waiting: sum(memory.words, waiting, 2),
      urgent: sum(memory.words, urgent, 2),
      tunnels: sum(memory.words, tunnels, 2),
    };
  }

  async stop(): Promise<void> {
    this.tell({ kind: "stop", isTakenOver: false });
    for (let step = 0; !this.said.some(({ kind }) => kind === "stopped"); step++) {
      assert.ok(step < 100, "it stops");
      await untilIdle();
      this.runtime.clock.advance(1_000);
    }
    assert.equal(this.runtime.clock.timerCount, 0, "a timer is left");
  }
}

function optionsOf(more: Partial<AppOptions> = {}): AppOptions {
  const listen = [{ address: AT, tls: undefined }];
  return { ...gatewayAppOptions({ listen }, APPLICATION), shutdownGraceMs: 1_000, ...more };
}

const NOTHING = { placed: 0, clients: 0, spill: 0, addresses: 0 };

test(
  "A client is served, counted, and gone when its connection is",
  inWorld(async () => {
    const world = await World.serving();
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
    const world = await World.serving();
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
    const world = await World.serving();
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
    const world = await World.serving();
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
    const world = await World.serving();
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
