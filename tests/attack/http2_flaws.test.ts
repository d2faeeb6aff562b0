/**
 * Flaws that other servers of HTTP/2 had, each tried on ours: what is sent, and that it costs its
 * client the connection or nothing, and us nothing that stays. Floods that meet a limit of
 * `limits.http2` are in http2_limits.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag, FRAME_LENGTH_MIN, Setting } from "../../src/http2/constants.ts";
import { HTTP2_LIMIT_DEFAULTS } from "../../src/http2/limits.ts";
import { EARLY_PRIORITIES_MAX, EarlyPriorities } from "../../src/http2/priority.ts";
import { type Handler, settle, whole } from "../support/http1_world.ts";
import { requestFields, setting, uint32 } from "../support/http2_client.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";

const waits: Handler = (request) =>
  new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(whole("late"))));
const answerFine: Handler = () => whole("fine");

/** A block of bytes as the next request. */
function block(client: MemoryHttp2Client, ...bytes: number[]): number {
  const id = client.nextId();
  const flags = Flag.END_HEADERS | Flag.END_STREAM;
  client.frame("HEADERS", flags, id, Uint8Array.from(bytes));
  return id;
}

/** Ways to have us reset a stream while its handler runs on. */
const MADE_RESETS: Readonly<Record<string, (client: MemoryHttp2Client, id: number) => void>> = {
  "a WINDOW_UPDATE by nothing": (client, id) => client.windowUpdate(id, 0),
  "a window above the most": (client, id) => client.windowUpdate(id, 0x7fff_ffff),
  "DATA behind the end": (client, id) => client.data(id, "x"),
  "HEADERS behind the end": (client, id) => client.headers(id, [["x", "y"]], true),
  "PRIORITY of another length": (client, id) => client.frame("PRIORITY", 0, id, uint32(0)),
  "PRIORITY on itself": (client, id) =>
    client.frame("PRIORITY", 0, id, Uint8Array.of(...uint32(id), 16)),
};

for (const [what, act] of Object.entries(MADE_RESETS)) {
  test(`MadeYouReset (CVE-2025-8671) by ${what}: no more handlers than streams and as many that end`, async () => {
    const { streamsMax, resetsMax } = HTTP2_LIMIT_DEFAULTS;
    let running = 0;
    let most = 0;
    const { open } = await http2World(() => {
      most = Math.max(most, ++running);
      // It does not notice that it is to end.
      return new Promise(() => {});
    });
    const client = open();
    for (let count = 0; count <= 2 * resetsMax && client.socket.ended === "no"; count++) {
      act(client, client.request());
    }
    assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
    assert.ok(most <= 2 * streamsMax, `${most} handlers`);
  });
}

test("Resets of each kind together are one limit", async () => {
  const acts = Object.values(MADE_RESETS);
  const { open } = await http2World(waits);
  const client = open();
  let count = 0;
  for (; client.socket.ended === "no"; count++) {
    const id = client.request();
    if (count % 7 === 6) client.reset(id);
    else acts[count % acts.length]!(client, id);
    if (count % 100 === 0) await settle();
  }
  assert.ok(count <= HTTP2_LIMIT_DEFAULTS.resetsMax + 1, `${count} streams`);
});

test("Fields without a name (CVE-2019-9516) end their streams, and none is kept", async () => {
  let asked = 0;
  const { open, errors } = await http2World(() => {
    asked++;
    return whole("x");
  });
  const client = open();
  const start = [...client.block(requestFields("GET", "/"))];
  for (let count = 0; count < 100; count++) {
    const empty = Array.from({ length: 1000 }, () => [0x40, 0, 0]).flat();
    const id = block(client, ...start, ...empty);
    assert.equal(client.read().response(id).reset, "PROTOCOL_ERROR");
  }
  assert.equal(asked, 0);
  assert.equal(errors.length, 100);
});

test("A table that is resized without end within a block ends the connection", async () => {
  const { open } = await http2World(answerFine);
  for (const [count, error] of [[2, undefined], [3, "COMPRESSION_ERROR"]] as const) {
    const client = open();
    const start = client.block(requestFields("GET", "/"));
    block(client, ...Array.from({ length: count }, () => 0x20), ...start);
    assert.equal(client.read().goaway, error, `${count} times`);
  }
});

test("A client that changes our table's size with each SETTINGS gets right blocks all the same", async () => {
  const { open } = await http2World(answerFine);
  const client = open();
  for (let count = 0; count < 50; count++) {
    client.frame("SETTINGS", 0, 0, setting(Setting.HEADER_TABLE_SIZE, count % 2 === 0 ? 0 : 4096));
    const id = client.request();
    assert.equal(client.read().text(id), "fine", `after change ${count}`);
  }
});

test("One SETTINGS frame with thousands of values is one frame's work", async () => {
  const { open } = await http2World(answerFine);
  const client = open();
  const many = Math.floor(FRAME_LENGTH_MIN / 6);
  const values = Array.from(
    { length: many },
    (_, index) => setting(Setting.INITIAL_WINDOW_SIZE, index),
  );
  client.frame("SETTINGS", 0, 0, Uint8Array.from(values.flatMap((value) => [...value])));
  const id = client.request();
  assert.equal(client.read().text(id), "fine");
  // Ours, and two acknowledgements.
  assert.equal(client.of("SETTINGS").length, 3);
});

test("An HPACK bomb of indices is read over, in a bound of bytes (CVE-2016-1544)", async () => {
  const { open } = await http2World(answerFine);
  const client = open();
  client.request(requestFields("GET", "/", [["x-bomb", "y".repeat(400)]]));
  const start = client.block(requestFields("GET", "/"));
  const newest = Array.from({ length: FRAME_LENGTH_MIN - 1000 }, () => 0xbe);
  const id = block(client, ...start, ...newest);
  assert.equal(client.read().response(id).status, 431);
  const next = client.request();
  assert.equal(client.read().text(next), "fine");
  assert.equal(client.goaway, undefined);
});

test("Numbers without end and beyond all bounds end the connection (CVE-2019-9513's kin)", async () => {
  const { open } = await http2World(answerFine);
  for (
    const bytes of [
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      [0xff, ...Array.from({ length: 100 }, () => 0x80), 0x00],
      [0x40, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ]
  ) {
    const client = open();
    block(client, ...bytes);
    assert.equal(client.read().goaway, "COMPRESSION_ERROR");
  }
});

test("Priorities of streams that never come take a few places, and a new one of the same is taken", () => {
  const early = new EarlyPriorities();
  for (let id = 1; id < 100_000; id += 2) early.keep(id, { urgency: 0, isIncremental: false });
  assert.equal(early.size, EARLY_PRIORITIES_MAX);
  early.keep(1, { urgency: 7, isIncremental: true });
  assert.deepEqual(early.take(1), { urgency: 7, isIncremental: true });
});

test("A priority that changes with each frame while DATA waits is a frame that brings nothing", async () => {
  const { open } = await http2World(() => whole("x".repeat(100_000)));
  const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 0));
  const ids = Array.from({ length: 100 }, () => client.request());
  let count = 0;
  for (; client.socket.ended === "no" && count < 10_000; count++) {
    const id = ids[count % ids.length]!;
    const value = new TextEncoder().encode(`u=${count % 8}`);
    client.frame("PRIORITY_UPDATE", 0, 0, Uint8Array.of(...uint32(id), ...value));
  }
  assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
  assert.equal(count, HTTP2_LIMIT_DEFAULTS.emptyFramesMax + 1);
});

test("A game of ping and pong with PINGs, SETTINGS and their acknowledgements has an end", async () => {
  const { open } = await http2World(answerFine);
  const client = open();
  let count = 0;
  for (; client.socket.ended === "no" && count < 100_000; count++) {
    if (count % 3 === 0) client.ping();
    else if (count % 3 === 1) client.ping(Flag.ACK);
    else client.frame("SETTINGS", Flag.ACK, 0);
    if (count % 100 === 0) await client.settled();
  }
  assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
  assert.ok(count <= 2 * HTTP2_LIMIT_DEFAULTS.pingsMax, `${count} frames`);
});

test("Repeated GOAWAY ends a client's connection once", async () => {
  const { open, counts } = await http2World(waits);
  const client = open();
  client.request();
  for (let count = 0; client.socket.ended === "no" && count < 10_000; count++) {
    client.frame("GOAWAY", 0, 0, new Uint8Array(8));
  }
  assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
  assert.equal(counts.streams, 0);
});

test("Streams that begin behind the client's own GOAWAY, or ours, reach no handler twice", async () => {
  const seen: string[] = [];
  const { open, server } = await http2World((request) => {
    seen.push(request.url);
    return whole("x");
  });
  const client = open();
  client.request(requestFields("GET", "/1"));
  client.frame("GOAWAY", 0, 0, new Uint8Array(8));
  if (client.socket.ended === "no") client.request(requestFields("GET", "/2"));
  await server.stop();
  assert.equal(new Set(seen).size, seen.length);
});

test("A frame that claims 16 MiB is refused before any of it is there", async () => {
  const { open } = await http2World(answerFine);
  const client = open();
  client.raw(Uint8Array.of(0xff, 0xff, 0xff, 0x00, 0, 0, 0, 0, 1));
  assert.equal(client.read().goaway, "FRAME_SIZE_ERROR");
});

test("A body that drips in single bytes takes one piece of memory for those that wait", async () => {
  const { open } = await http2World(waits, { limits: { memoryMax: 64 * 1024 } });
  const client = open();
  const id = client.request(requestFields("POST", "/"), false);
  for (let count = 0; count < 60_000; count++) client.data(id, "x");
  assert.equal(client.read().goaway, undefined);
  assert.equal(client.response(id).reset, undefined);
});
