/**
 * Invariant of the HTTP/2 server, whatever bytes a client sends and however they are cut: no exception
 * and no error of our own, a client beside it has its responses, what is said is HTTP/2, and nothing
 * is left when the client has gone.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Flag, FrameType, PREFACE, Setting } from "../../src/http2/constants.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { cut } from "../support/fragments.ts";
import { settle } from "../support/http1_world.ts";
import { type Fields, Http2Client, requestFields, setting } from "../support/http2_client.ts";
import { http2World } from "../support/http2_world.ts";
import { runCount } from "../support/long_runs.ts";

const RUNS = { numRuns: runCount(300, 30_000) };

/** What a client says that does `act`, behind its preface and its settings. */
function conversation(act: (client: Http2Client) => void): readonly number[] {
  const bytes: number[] = [];
  const client = new Http2Client((piece) => void bytes.push(...piece));
  client.greet(setting(Setting.INITIAL_WINDOW_SIZE, 100));
  act(client);
  return bytes;
}

const COOKIES: Fields = [["cookie", "a=b"], ["cookie", "c=d"], ["priority", "u=1, i"]];

/** Conversations of all kinds, to be mutated. */
const SEEDS: readonly (readonly number[])[] = [
  conversation((client) => void client.request()),
  conversation((client) => {
    const id = client.request(requestFields("POST", "/echo", [["content-length", "10"]]), false);
    client.data(id, "01234");
    client.request(requestFields("GET", "/long", COOKIES));
    client.data(id, "56789", true);
    client.windowUpdate(3, 1000);
    client.windowUpdate(0, 1000);
    client.ping();
  }),
  conversation((client) => {
    const id = client.request(requestFields("PUT", "/echo", [["expect", "100-continue"]]), false);
    client.data(id, "x".repeat(300));
    client.headers(id, [["x-trailer", "1"]], true);
    client.reset(client.request(requestFields("GET", "/late")));
    client.frame("PRIORITY_UPDATE", 0, 0, Uint8Array.of(0, 0, 0, 7, 0x75, 0x3d, 0x31));
    client.request(requestFields("GET", "/long"));
  }),
  conversation((client) => {
    const block = client.block(requestFields("GET", "/", COOKIES));
    client.frame("HEADERS", Flag.END_STREAM, 1, block.subarray(0, 5));
    client.frame("CONTINUATION", 0, 1, block.subarray(5, 9));
    client.frame("CONTINUATION", Flag.END_HEADERS, 1, block.subarray(9));
    client.frame("SETTINGS", 0, 0, setting(Setting.HEADER_TABLE_SIZE, 0));
    client.frame("SETTINGS", Flag.ACK, 0);
    client.frame("GOAWAY", 0, 0, new Uint8Array(8));
  }),
];

interface Change {
  readonly at: number;
  readonly length: number;
  readonly bytes: readonly number[];
}

const byte = fc.nat(255);
/** A frame's header, as far as one can be made up. */
const frameHeader = fc.tuple(
  fc.nat(40),
  fc.oneof(fc.constantFrom(...Object.values(FrameType)), byte),
  byte,
  fc.oneof(fc.nat(9), byte),
).map(([length, type, flags, id]) => [0, 0, length, type, flags, 0, 0, 0, id]);

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(4000),
  length: fc.nat(20),
  bytes: fc.oneof(fc.array(byte, { maxLength: 4 }), frameHeader, fc.constantFrom(...SEEDS)),
});

/** Mostly the preface is right: what else comes of it is told in one line. */
const sent = fc.record({
  seed: fc.constantFrom(...SEEDS),
  changes: fc.array(change, { maxLength: 4 }),
  keepsPreface: fc.constantFrom(true, true, true, false),
}).map(({ seed, changes, keepsPreface }) => {
  const start = keepsPreface ? PREFACE.length : 0;
  const bytes = [...seed];
  for (const { at, length, bytes: put } of changes) {
    bytes.splice(start + at % (bytes.length - start + 1), length, ...put);
  }
  return Uint8Array.from(bytes);
});

test("Whatever comes, and however it is cut, no error is ours and no neighbour notices", async () => {
  const cutSomehow = fc.record({
    bytes: sent,
    places: fc.array(fc.nat(1000), { maxLength: 8 }),
    leaves: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(cutSomehow, async ({ bytes, places, leaves }) => {
      const late: (() => void)[] = [];
      const world = await http2World(async (request) => {
        if (request.url.endsWith("/late")) {
          await new Promise<void>((resolve) => void late.push(resolve));
        }
        const body = new Uint8Array(await new Response(request.body).arrayBuffer());
        return new BytesResponse(
          200,
          [],
          request.url.endsWith("/long") ? new Uint8Array(5000) : body,
        );
      });
      const neighbour = world.open();
      const client = world.openSilent();
      for (const piece of cut(bytes, places.map((place) => place % (bytes.length + 1)))) {
        if (piece.length > 0 && client.socket.ended === "no") client.raw(piece);
        if (piece.length % 3 === 0) await settle();
      }
      await settle();
      for (const resolve of late) resolve();
      await settle();
      // Its reader throws where that is no HTTP/2; a preface that is none is told so in HTTP/1.
      const said = client.socket.text;
      if (!said.startsWith("HTTP/1.1 ")) client.read();
      const id = neighbour.request();
      assert.equal((await neighbour.settled()).response(id).status, 200);
      const ours = world.goaways.filter(({ reason }) => reason === "internal_error");
      assert.deepEqual(ours, []);
      assert.deepEqual(world.failures, []);
      if (leaves) client.socket.close();
      else client.socket.events.peerEnded();
      world.clock.advance(60_000);
      await settle();
      if (!client.socket.isClosed) client.socket.close();
      await settle();
      assert.equal(world.counts.streams, 0);
      // The neighbour's.
      assert.equal(world.counts.connections, 1);
      neighbour.socket.close();
    }),
    RUNS,
  );
});
