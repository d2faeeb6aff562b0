/**
 * The tables of HTTP/2: each transition of connections and of streams is taken, by simulated clients or
 * by the scripts here, and an event that a table lacks is an error.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PREFACE } from "../../src/http2/constants.ts";
import { CONNECTION_TRANSITIONS } from "../../src/http2/connection_state.ts";
import { STREAM_TRANSITIONS } from "../../src/http2/stream_state.ts";
import { nextState, TransitionError } from "../../src/protocol/transitions.ts";
import { simulateHttp2 } from "../simulation/http2_simulation.ts";
import { settle, whole } from "../support/http1_world.ts";
import { requestFields } from "../support/http2_client.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";
import { watchTransitions } from "../support/watched_transitions.ts";
import { inWorld } from "../support/world_test.ts";

const SEEDS = 20;
const STEPS = 100;

const TABLES = { connection: CONNECTION_TRANSITIONS, stream: STREAM_TRANSITIONS } as const;

type Script = (
  client: MemoryHttp2Client,
  world: Awaited<ReturnType<typeof http2World>>,
) => Promise<void> | void;

/** How a connection ends, and when: what simulated clients seldom do. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  "a client that leaves within its greeting": (client) => {
    client.raw(PREFACE.subarray(0, 20));
    client.socket.close();
  },
  "a client that ends its side within its greeting": (client) => {
    client.raw(PREFACE.subarray(0, 20));
    client.socket.events.peerEnded();
  },
  "a client that sends a body behind its response": async (client) => {
    client.greet();
    for (const end of ["data", "reset"] as const) {
      const id = client.request(requestFields("POST", "/early"), false);
      await client.settled();
      if (end === "data") client.data(id, "late", true);
      else client.reset(id);
      await client.settled();
    }
  },
  "a client that leaves while the server waits for the end of its streams": async (
    client,
    { server },
  ) => {
    client.greet();
    client.request(requestFields("GET", "/never"));
    void server.stop();
    await client.settled();
    client.socket.close();
  },
  "a client that leaves after it has said that it will": async (client) => {
    client.greet();
    client.request(requestFields("GET", "/never"));
    client.frame("GOAWAY", 0, 0, new Uint8Array(8));
    await client.settled();
    client.socket.close();
  },
  "a client that breaks the rules while the server leaves": async (client, { server }) => {
    client.greet();
    client.request(requestFields("GET", "/never"));
    void server.stop();
    await client.settled();
    client.frame("DATA", 0, 0, new Uint8Array(1));
    await client.settled();
  },
  "a server that stops before the greeting": async (client, { server }) => {
    client.raw(PREFACE.subarray(0, 20));
    await server.stop();
    await client.settled();
  },
  "a client that does not answer the server's ping while that leaves": async (
    client,
    { server, clock },
  ) => {
    client.greet();
    client.request(requestFields("GET", "/never"));
    void server.stop();
    await client.settled();
    clock.advance(5_000);
    await client.settled();
    client.socket.close();
  },
};

test(
  "Every transition of connections and streams of HTTP/2 is taken",
  inWorld(async () => {
    const watched = Object.values(TABLES).map((table) => watchTransitions(table as never));
    try {
      for (let seed = 0; seed < SEEDS; seed++) await simulateHttp2(seed, STEPS);
      for (const script of Object.values(SCRIPTS)) {
        const world = await http2World((request) =>
          request.url.endsWith("/never") ? new Promise(() => {}) : whole("x")
        );
        // A handshake has agreed on it, so that its greeting is HTTP/2's from the first byte.
        const client = world.openSilent("h2");
        await script(client, world);
        await settle();
      }
      assert.deepEqual(watched.map((one) => one.missing()), [[], []]);
    } finally {
      for (const one of watched) one.restore();
    }
  }),
);

for (const [name, table] of Object.entries(TABLES)) {
  test(
    `An event that the table of a ${name} of HTTP/2 lacks is an error`,
    inWorld(() => {
      const rows = table as Readonly<Record<string, Readonly<Record<string, string>>>>;
      const events = new Set(Object.values(rows).flatMap((row) => Object.keys(row)));
      let refused = 0;
      for (const [state, row] of Object.entries(rows)) {
        for (const event of events) {
          if (event in row) continue;
          assert.throws(() => nextState(rows, state, event, "a test"), TransitionError);
          refused++;
        }
      }
      assert.ok(refused > 0);
    }),
  );
}
