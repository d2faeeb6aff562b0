/** The time limits of requests to applications, of their connections and of their queue. */
import assert from "node:assert/strict";
import { parseAddress } from "../../src/runtime/address.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { TimeoutOptions } from "../../src/upstream/options.ts";
import { RATE_WINDOW_MS } from "../../src/upstream/paced_reader.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import type { ScriptedRequest } from "../support/scripted_application.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { fedBody, UpstreamWorld, type WorldSettings } from "../support/upstream_world.ts";
import { outcomeOf, type Running, type TimeLimit } from "./limit.ts";

/** Two ticks of the deadlines, and the step in which the clock of the world is moved. */
export const LATE_MS = 150;

export const FAR_MS = 60 * 60_000;

export const NEIGHBOURS = ["connectMs", "firstByteMs", "idleMs", "totalMs", "abortMs"] as const;

export const others = (own: keyof TimeoutOptions): string[] =>
  NEIGHBOURS.filter((name) => name !== own);

/** Only the limit in question holds; its neighbours are far away, or do not exist. */
function worldWith(
  own: Partial<TimeoutOptions>,
  off: string | undefined,
  settings: WorldSettings = {},
): UpstreamWorld {
  const timeouts = Object.fromEntries(NEIGHBOURS.map((name) => [name, name === off ? 0 : FAR_MS]));
  return new UpstreamWorld({
    multiplex: "on",
    retry: { attemptsMax: 0 },
    ...settings,
    timeouts: { ...timeouts, ...own },
  });
}

export const codeOf = (error: unknown): string =>
  error instanceof UpstreamError ? error.code : String(error);

/** A client that reads as long as it is on. */
export class Reading {
  #isOn = true;
  #readOn: (() => void) | undefined;

  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    if (isOn) this.#readOn?.();
  }

  /** Rejects with what cut the body. */
  async readAll({ body }: UpstreamResponse): Promise<void> {
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    for (;;) {
      if (!this.#isOn) await new Promise<void>((resolve) => this.#readOn = resolve);
      if ((await reader.read()).done) return;
    }
  }
}

/** A neighbour on the same connection, answered whole. */
async function another(world: UpstreamWorld, next: () => Promise<ScriptedRequest>): Promise<void> {
  const answered = world.send({ id: "neighbour" });
  const request = await next();
  request.answer("whole");
  await answered;
}

export const UPSTREAM_LIMITS: readonly TimeLimit[] = [
  {
    key: "upstreams.NAME.timeouts.connect",
    when: "nobody answers the connect",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: others("connectMs"),
    movedBy: [],
    notMovedBy: ["another request", "a neighbour's client that leaves"],
    async begin(off) {
      const world = worldWith({ connectMs: 2_000 }, off);
      world.runtime.network.silence(parseAddress(ADDRESS));
      const leaving = new AbortController();
      const answered = world.send();
      world.send({ id: "neighbour", signal: leaving.signal });
      await world.settle();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(answered, codeOf),
        firesAs: "connect_timeout",
        acts: {
          "another request": () => void world.send(),
          "a neighbour's client that leaves": () => leaving.abort(),
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.timeouts.first_byte",
    when: "the application says nothing",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: others("firstByteMs"),
    movedBy: [],
    notMovedBy: [
      "STDERR",
      "a part of the header section",
      "an interim header section",
      "another request's response",
    ],
    paused: { by: "a neighbour's client does not read", waits: true },
    async begin(off) {
      const world = worldWith({ firstByteMs: 2_000 }, off, {
        limits: { responseBufferMax: 1_000, spillMax: 0 },
      });
      const application = await world.application();
      const answered = world.send();
      const request = await application.next();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(answered, codeOf),
        firesAs: "first_byte_timeout",
        acts: {
          "STDERR": () => request.stderr("a line\n"),
          "a part of the header section": () => request.stdout("X-A: 1\n"),
          "an interim header section": () => request.stdout("Status: 103\nX-A: 1\n\n"),
          "another request's response": () => another(world, () => application.next()),
          "a neighbour's client does not read": async () => {
            const response = world.send({ id: "slow" });
            const slow = await application.next();
            slow.stdout("X-A: 1\n\n");
            await response;
            slow.stdout("x".repeat(5_000));
            await world.settle();
          },
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.timeouts.first_byte",
    when: "the client sends its body",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: others("firstByteMs"),
    movedBy: ["a piece of the body"],
    notMovedBy: ["an empty piece of the body", "STDERR", "another request's response"],
    async begin(off) {
      const world = worldWith({ firstByteMs: 2_000 }, off);
      const application = await world.application();
      const { body, feed } = fedBody(1_000);
      const answered = world.send({ method: "POST", body });
      const request = await application.next();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(answered, codeOf),
        firesAs: "request_body_timeout",
        acts: {
          "a piece of the body": () => feed.enqueue(new Uint8Array(10)),
          "an empty piece of the body": () => feed.enqueue(new Uint8Array(0)),
          "STDERR": () => request.stderr("a line\n"),
          "another request's response": () => another(world, () => application.next()),
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.timeouts.idle",
    when: "a response has begun",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: others("idleMs"),
    movedBy: ["STDOUT"],
    notMovedBy: ["STDERR", "no bytes of STDOUT", "the client's body", "another request's response"],
    paused: { by: "its client does not read", waits: true },
    async begin(off) {
      const world = worldWith({ idleMs: 2_000 }, off, {
        limits: { responseBufferMax: 1_000, spillMax: 0 },
      });
      const application = await world.application();
      const { body, feed } = fedBody(1_000);
      const answered = world.send({ method: "POST", body });
      const request = await application.next();
      request.stdout("X-A: 1\n\nbegun");
      const response = await answered;
      const reading = new Reading();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(reading.readAll(response), codeOf),
        firesAs: "idle_timeout",
        acts: {
          "STDOUT": () => request.stdout("x"),
          "STDERR": () => request.stderr("a line\n"),
          "no bytes of STDOUT": () => request.stdout(""),
          "the client's body": () => feed.enqueue(new Uint8Array(10)),
          "another request's response": () => another(world, () => application.next()),
          "its client does not read": async () => {
            reading.isOn = false;
            for (let count = 0; count < 4; count++) request.stdout("x".repeat(2_000));
            await world.settle();
          },
        },
        end: () => world.close(),
      };
    },
  },
  ...(["the application says nothing", "a response has begun"] as const).map((when) =>
    totalLimit(when)
  ),
  {
    key: "upstreams.NAME.timeouts.abort",
    when: "a client has left its response",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: others("abortMs"),
    movedBy: [],
    notMovedBy: ["STDOUT of the aborted request", "STDERR of the aborted request"],
    async begin(off) {
      const world = worldWith({ abortMs: 2_000 }, off);
      const application = await world.application();
      const leaving = new AbortController();
      const answered = world.send({ signal: leaving.signal });
      const request = await application.next();
      request.stdout("X-A: 1\n\nbegun");
      await (await answered).body;
      // Whose client leaves is looked at from the first tick on.
      await world.advance(100);
      leaving.abort();
      await request.aborted;
      return {
        advance: (ms) => world.advance(ms),
        fired: () => request.connection.isClosed ? "closed" : undefined,
        firesAs: "closed",
        acts: {
          "STDOUT of the aborted request": () => request.stdout("x"),
          "STDERR of the aborted request": () => request.stderr("a line\n"),
        },
        end: () => world.close(),
      };
    },
  },
  ...(["on", "off"] as const).map((multiplex): TimeLimit => ({
    key: "upstreams.NAME.connections.idle_timeout",
    when: `a connection has no request, multiplex ${multiplex}`,
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: NEIGHBOURS,
    movedBy: ["a request with its response"],
    notMovedBy: ["records of no request"],
    paused: { by: "a request is under way", waits: true },
    async begin(off) {
      const world = worldWith({}, off, {
        multiplex,
        connections: { idleTimeoutMs: 2_000, reuse: true },
      });
      const application = await world.application();
      const ask = () => another(world, () => application.next());
      await ask();
      await world.settle();
      const [connection] = application.carriers;
      return {
        advance: (ms) => world.advance(ms),
        fired: () => connection!.isClosed ? "closed" : undefined,
        firesAs: "closed",
        acts: {
          "a request with its response": ask,
          "records of no request": () => connection!.records((records) => records.unknownType(99)),
          "a request is under way": async () => {
            world.send();
            await application.next();
          },
        },
        end: () => world.close(),
      };
    },
  })),
  {
    key: "upstreams.NAME.queue.timeout",
    when: "no connection is free",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: NEIGHBOURS,
    movedBy: [],
    notMovedBy: ["another request behind it", "STDOUT of who is served"],
    async begin(off) {
      const world = worldWith({}, off, {
        multiplex: "off",
        connections: { max: 1 },
        queue: { timeoutMs: 2_000 },
      });
      const application = await world.application();
      const served = world.send({ id: "served" });
      const request = await application.next();
      request.stdout("X-A: 1\n\nbegun");
      await served;
      const waiting = world.send();
      await world.settle();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(waiting, codeOf),
        firesAs: "queue_timeout",
        acts: {
          "another request behind it": () => void world.send(),
          "STDOUT of who is served": () => request.stdout("x"),
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.retry.delay",
    when: "the one server refused",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: NEIGHBOURS,
    movedBy: [],
    notMovedBy: ["another request"],
    async begin(off) {
      const world = worldWith({}, off, { retry: { attemptsMax: 1, delayMs: 2_000 } });
      const address = parseAddress(ADDRESS);
      world.send({ id: "first" });
      await world.settle();
      const before = world.runtime.network.connectCount(address);
      let more = 0;
      return {
        advance: (ms) => world.advance(ms),
        fired: () =>
          world.runtime.network.connectCount(address) > before + more ? "again" : undefined,
        firesAs: "again",
        acts: {
          "another request": async () => {
            world.send();
            await world.settle();
            more = world.runtime.network.connectCount(address) - before;
          },
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.health.interval",
    when: "a server is well",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: NEIGHBOURS,
    movedBy: [],
    notMovedBy: ["a request with its response"],
    async begin(off) {
      const world = worldWith({}, off, { health: { intervalMs: 2_000, timeoutMs: 500 } });
      const application = await world.application();
      // The first question comes after a part of the interval that differs by server.
      for (let step = 0; application.questions === 0 && step < 100; step++) await world.advance(50);
      const before = application.questions;
      return {
        // It was asked within the last step.
        advance: (ms) => world.advance(ms),
        fired: () => application.questions > before ? "asked" : undefined,
        firesAs: "asked",
        acts: {
          "a request with its response": () => another(world, () => application.next()),
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.health.timeout",
    when: "a server does not answer its check",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: NEIGHBOURS,
    movedBy: [],
    notMovedBy: ["a request with its response"],
    async begin(off) {
      const world = worldWith({}, off, {
        health: { intervalMs: 5_000, timeoutMs: 2_000, fall: 1 },
      });
      const application = await world.application({ values: "silence" });
      for (let step = 0; application.questions === 0 && step < 110; step++) {
        await world.advance(50);
      }
      return {
        advance: (ms) => world.advance(ms),
        fired: () => world.seen.find((line) => line.endsWith("is down")) && "down",
        firesAs: "down",
        acts: {
          "a request with its response": () => another(world, () => application.next()),
        },
        end: () => world.close(),
      };
    },
  },
  {
    key: "upstreams.NAME.resolve.timeout",
    when: "the name service does not answer",
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: NEIGHBOURS,
    movedBy: [],
    notMovedBy: ["another request"],
    async begin(off) {
      const world = worldWith({}, off, {
        servers: ["tcp://app.test:9000"],
        resolve: { timeoutMs: 2_000 },
      });
      world.runtime.resolver.hold("app.test");
      const answered = world.send();
      await world.settle();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(answered, codeOf),
        firesAs: "lookup_failed",
        acts: { "another request": () => void world.send() },
        async end() {
          world.runtime.resolver.setHost("app.test", ["10.0.0.1"]);
          world.runtime.resolver.release("app.test");
          await world.close();
        },
      };
    },
  },
  {
    key: "limits.request_rate",
    when: "a body streams",
    limitMs: RATE_WINDOW_MS,
    lateMs: LATE_MS,
    neighbours: others("firstByteMs"),
    movedBy: [],
    notMovedBy: ["a byte of the body", "another request's response"],
    async begin(off) {
      const world = worldWith({ firstByteMs: FAR_MS }, off);
      const application = await world.application();
      const { body, feed } = fedBody(100_000);
      const answered = world.send({ method: "POST", body: { ...body, rateMin: 100 } });
      await application.next();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(answered, codeOf),
        firesAs: "request_body_timeout",
        acts: {
          "a byte of the body": () => feed.enqueue(new Uint8Array(1)),
          "another request's response": () => another(world, () => application.next()),
        },
        end: () => world.close(),
      };
    },
  },
];

/** Nothing moves it: not even a slow client, whose connection is paused. */
function totalLimit(when: "the application says nothing" | "a response has begun"): TimeLimit {
  const hasBegun = when === "a response has begun";
  const slow = hasBegun ? "its client does not read" : "a neighbour's client does not read";
  return {
    key: "upstreams.NAME.timeouts.total",
    when,
    limitMs: 2_000,
    lateMs: LATE_MS,
    neighbours: others("totalMs"),
    movedBy: [],
    notMovedBy: [
      "STDOUT",
      "STDERR",
      "another request's response",
      ...hasBegun ? ["the client's body"] : [],
    ],
    paused: { by: slow, waits: false },
    async begin(off): Promise<Running> {
      const world = worldWith({ totalMs: 2_000 }, off, {
        limits: { responseBufferMax: 1_000, spillMax: 0 },
      });
      const application = await world.application();
      const { body, feed } = fedBody(1_000);
      // A body may take a connection of its own, which a neighbour could not pause.
      const answered = world.send(hasBegun ? { method: "POST", body } : {});
      const request = await application.next();
      let fired = outcomeOf(answered, codeOf);
      let leave = async (): Promise<void> => {};
      const reading = new Reading();
      if (hasBegun) {
        request.stdout("X-A: 1\n\nbegun");
        fired = outcomeOf(reading.readAll(await answered), codeOf);
      }
      return {
        advance: (ms) => world.advance(ms),
        async fired() {
          reading.isOn = true;
          await world.settle();
          return fired();
        },
        firesAs: "total_timeout",
        acts: {
          "STDOUT": () => request.stdout(hasBegun ? "x" : "X-A: 1\n"),
          "STDERR": () => request.stderr("a line\n"),
          "the client's body": () => feed.enqueue(new Uint8Array(10)),
          "another request's response": () => another(world, () => application.next()),
          "its client does not read": async () => {
            reading.isOn = false;
            for (let count = 0; count < 4; count++) request.stdout("x".repeat(2_000));
            await world.settle();
            assert.ok(world.seen.includes("paused"));
          },
          "a neighbour's client does not read": async () => {
            const response = world.send({ id: "slow" });
            const slow = await application.next();
            slow.stdout("X-A: 1\n\n");
            // What nobody reads is held until its client leaves.
            const { body: held } = await response;
            leave = async () => void await (held as ReadableStream).cancel();
            slow.stdout("x".repeat(5_000));
            await world.settle();
            assert.ok(world.seen.includes("paused"));
            assert.equal(slow.connection, request.connection);
          },
        },
        async end() {
          await leave();
          await world.close();
        },
      };
    },
  };
}
