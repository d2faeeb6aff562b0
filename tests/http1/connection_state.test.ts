/**
 * The table of a client connection's states: each transition is taken, by simulated clients or by the
 * scripts here; an event that it lacks is an error, which ends the connection and is told.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_TRANSITIONS as TRANSITIONS } from "../../src/http1/connection_state.ts";
import { DRAINED_LENGTH_MAX } from "../../src/http1/connection_server.ts";
import { nextState, TransitionError } from "../../src/protocol/transitions.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { simulateHttp1 } from "../simulation/http1_simulation.ts";
import { GET, http1World, settle, whole } from "../support/http1_world.ts";
import { watchTransitions, withoutTransition } from "../support/watched_transitions.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { inWorld } from "../support/world_test.ts";

const SEEDS = 300;
const STEPS = 60;

const post = (length: number) => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`;

/** A response of two bytes that the client may have before its stream ends. */
function endless() {
  const sent = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(2)),
    pull: (controller) => sent.promise.then(() => controller.close()),
  }, { highWaterMark: 0 });
  const response = new Response(stream, { headers: { "content-length": "2" } });
  return { response, end: sent.resolve };
}

/** Reads the first piece of a body, and leaves the rest. */
async function begin(request: HttpRequest): Promise<void> {
  const reader = request.body?.getReader();
  await reader?.read();
  reader?.releaseLock();
}

/** What clients do that the simulated ones seldom do, or never. */
const SCRIPTS: Readonly<Record<string, () => Promise<void>>> = {
  async "Empty lines before the first request"() {
    const { open } = await http1World(() => whole(""));
    const socket = open();
    for (const piece of ["\r\n", "\r", "\n", "\r\n", "\r", `\n${GET}`]) socket.send(piece);
    assert.match(socket.text, /^HTTP\/1\.1 200 /);
  },
  async "An empty line in pieces, and then the end of the connection, or a request"() {
    for (const how of ["request", "close", "peer_ended", "gone"]) {
      const { open, server } = await http1World(() => whole(""));
      const socket = open();
      for (const piece of ["\r", "\n"]) socket.send(piece);
      if (how === "request") socket.send(GET);
      else if (how === "close") void server.stop();
      else if (how === "peer_ended") socket.events.peerEnded();
      else socket.close();
      assert.equal(socket.ended === "no", how === "request", how);
    }
  },
  async "A header section that does not come to its end"() {
    const { open, clock } = await http1World(() => whole(""));
    const socket = open();
    socket.send("GET / HT");
    clock.advance(61_000);
    assert.match(socket.text, /^HTTP\/1\.1 408 /);
    assert.equal(socket.ended, "end");
  },
  async "A client that ends its side within the last bytes of its response"() {
    for (const how of ["finished", "close", "body_remains", "gone"]) {
      const { response, end } = endless();
      const { open } = await http1World(async (request) => {
        if (how === "body_remains") await begin(request);
        return response;
      });
      const socket = open();
      const fields = how === "close" ? "connection: close\r\n" : "";
      if (how === "body_remains") socket.send(`${post(10)}12345`);
      else socket.send(GET.replace("\r\n\r\n", `\r\n${fields}\r\n`));
      await settle();
      socket.events.peerEnded();
      assert.equal(socket.ended, "no", how);
      if (how === "gone") socket.close();
      end();
      await settle();
      assert.equal(socket.ended, how === "gone" ? "destroy" : "end", how);
    }
  },
  async "A body that is read over behind its response"() {
    for (const how of ["unflushed", "close", "peer_ended", "gone"] as const) {
      const { open, clock } = await http1World(async (request) => {
        await begin(request);
        return new BytesResponse(200, [], new Uint8Array(10));
      });
      const socket = open();
      if (how === "unflushed") socket.room = 0;
      socket.send(`${post(DRAINED_LENGTH_MAX)}12345`);
      await settle();
      if (how === "unflushed") socket.send(new Uint8Array(DRAINED_LENGTH_MAX - 5));
      else if (how === "close") clock.advance(10_000);
      else if (how === "peer_ended") socket.events.peerEnded();
      else socket.close();
      const ended = { unflushed: "no", close: "end", peer_ended: "end", gone: "destroy" }[how];
      assert.equal(socket.ended, ended, how);
    }
  },
  async "A server that stops while a client has yet to take its response"() {
    const { open, server } = await http1World(() => whole("taken late"));
    const socket = open();
    socket.room = 0;
    socket.send(GET);
    const stopped = server.stop();
    socket.take(Infinity);
    await stopped;
    assert.match(socket.text, /taken late$/);
  },
};

test(
  "Every transition of a client's connection is taken",
  inWorld(async () => {
    const watched = watchTransitions(TRANSITIONS);
    try {
      for (let seed = 0; seed < SEEDS; seed++) await simulateHttp1(seed, STEPS);
      for (const script of Object.values(SCRIPTS)) await script();
      assert.deepEqual(watched.missing(), []);
    } finally {
      watched.restore();
    }
  }),
);

test(
  "An event that the table of a client's connection lacks is an error",
  inWorld(() => {
    const events = new Set(Object.values(TRANSITIONS).flatMap((row) => Object.keys(row)));
    const states = Object.keys(TRANSITIONS) as (keyof typeof TRANSITIONS)[];
    let refused = 0;
    for (const state of states) {
      for (const event of events as Set<"gone">) {
        if (event in TRANSITIONS[state]) continue;
        assert.throws(() => nextState(TRANSITIONS, state, event, "a test"), TransitionError);
        refused++;
      }
    }
    assert.ok(refused > states.length);
  }),
);

test(
  "A connection ends and says so when the table lacks what happens, whoever tells",
  inWorld(async () => {
    for (const event of ["request", "finished", "close", "peer_ended", "headers"] as const) {
      const told: unknown[] = [];
      const later = Promise.withResolvers<BytesResponse>();
      const { open, clock } = await http1World(() => later.promise, {
        onFailure: (error) => void told.push(error),
      });
      const socket = open();
      const state = event === "finished" ? "responding" : "idle";
      await withoutTransition(TRANSITIONS, state, event as "request", async () => {
        if (event === "headers") socket.send("GET ");
        else if (event === "peer_ended") socket.events.peerEnded();
        else if (event === "close") await clock.advance(100_000);
        else socket.send(GET);
        later.resolve(whole(""));
        await settle();
      });
      assert.equal(socket.ended, "reset", event);
      assert.equal(told.length, 1, event);
      assert.ok(told[0] instanceof TransitionError);
      assert.equal(
        told[0].message,
        `Cannot take "${event}" for an HTTP connection: it is in state "${state}"`,
      );
      assert.equal(clock.timerCount, 0, event);
    }
  }),
);

test(
  "In a test an event that the table lacks is thrown",
  inWorld(async () => {
    const { open } = await http1World(() => whole(""));
    const socket = open();
    await withoutTransition(TRANSITIONS, "idle", "request", () => {
      assert.throws(() => socket.send(GET), TransitionError);
      return Promise.resolve();
    });
  }),
);
