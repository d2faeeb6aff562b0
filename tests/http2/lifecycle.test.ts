/** How a connection of HTTP/2 ends: well, where nobody did anything wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag, PREFACE, STREAM_ID_MAX } from "../../src/http2/constants.ts";
import { LEAVING_MS } from "../../src/http2/liveness.ts";
import { PING_ANSWER_MS } from "../../src/http2/liveness.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { type HttpResponse, StreamResponse } from "../../src/runtime/http_response.ts";
import { settle, whole } from "../support/http1_world.ts";
import { type Http2Client, requestFields } from "../support/http2_client.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";
import { inWorld } from "../support/world_test.ts";

const { headersMs, idleMs, closeMs } = CONNECTION_TIMEOUTS;
/** How late a time may end. */
const CHECK_MS = 1000;

/** The last stream that each GOAWAY names. */
function lastStreams(client: Http2Client): number[] {
  return client.of("GOAWAY").map(({ payload }) =>
    new DataView(payload.buffer, payload.byteOffset).getUint32(0)
  );
}

/** Says that the PING which asks whether it knows that we leave has come. */
function answerPing(client: MemoryHttp2Client): void {
  client.ping(Flag.ACK, client.of("PING").at(-1)!.payload.slice());
}

/** The system takes nothing more of what the client is sent. */
function fill(client: MemoryHttp2Client): void {
  client.socket.room = 0;
  client.ping();
}

test(
  "A stop lets streams end well, takes those that were on their way, and no later ones",
  inWorld(async () => {
    const waiting: ((response: HttpResponse) => void)[] = [];
    const { open, server, goaways } = await http2World(() =>
      new Promise((resolve) => void waiting.push(resolve))
    );
    const client = open();
    const first = client.request();
    const stopped = server.stop();
    await client.settled();
    assert.deepEqual(lastStreams(client), [STREAM_ID_MAX]);
    const second = client.request();
    answerPing(client);
    await client.settled();
    assert.deepEqual(lastStreams(client), [STREAM_ID_MAX, second]);
    const third = client.request();
    assert.equal(waiting.length, 2);
    assert.equal(client.socket.ended, "no");
    for (const resolve of waiting) resolve(whole("done"));
    await stopped;
    client.read();
    assert.deepEqual([client.text(first), client.text(second)], ["done", "done"]);
    assert.equal(client.response(third).status, 0);
    assert.deepEqual(goaways.map(({ reason }) => reason), ["stopping"]);
  }),
);

test(
  "A client that leaves while its last streams drain leaves nothing, and no error",
  inWorld(async () => {
    for (const knows of [false, true]) {
      const endless = () => new StreamResponse(200, [], new ReadableStream<Uint8Array>({}));
      const { open, server, failures } = await http2World(endless);
      const client = open();
      client.request();
      client.request();
      const stopped = server.stop();
      await client.settled();
      if (knows) answerPing(client);
      await client.settled();
      client.socket.events.peerEnded();
      client.socket.close();
      await stopped;
      assert.deepEqual(failures, []);
    }
  }),
);

test(
  "A client that does not answer our PING is not waited for when we stop",
  inWorld(async () => {
    const { open, server, clock } = await http2World(() => whole("x"));
    const client = open();
    client.request();
    const stopped = server.stop();
    await settle();
    clock.advance(LEAVING_MS + 2 * CHECK_MS);
    await stopped;
    assert.deepEqual(lastStreams(client.read()), [STREAM_ID_MAX, 1]);
  }),
);

test(
  "After as many requests as it may make a client is told to go elsewhere",
  inWorld(async () => {
    const { open, goaways } = await http2World(() => whole("x"), { requestsMax: 3 });
    const client = open();
    const ids = [1, 2, 3].map(() => client.request());
    await client.settled();
    assert.deepEqual(lastStreams(client), [STREAM_ID_MAX]);
    const late = client.request();
    answerPing(client);
    await client.settled();
    assert.deepEqual(lastStreams(client), [STREAM_ID_MAX, late]);
    for (const id of [...ids, late]) assert.equal(client.text(id), "x");
    assert.equal(client.socket.ended, "end");
    assert.deepEqual(goaways.map(({ reason }) => reason), ["requests_per_connection"]);
  }),
);

test(
  "A connection without stream and without frame ends with GOAWAY, and is cut if its client stays",
  inWorld(async () => {
    const { open, clock, goaways, counts } = await http2World(() => whole("x"));
    const client = open();
    client.request();
    clock.advance(idleMs - CHECK_MS);
    client.ping();
    clock.advance(idleMs - CHECK_MS);
    assert.equal(client.read().goaway, undefined);
    clock.advance(3 * CHECK_MS);
    assert.equal(client.read().goaway, "NO_ERROR");
    assert.equal(client.socket.ended, "end");
    assert.deepEqual(goaways.map(({ reason }) => reason), ["idle"]);
    clock.advance(closeMs + 2 * CHECK_MS);
    assert.equal(client.socket.ended, "destroy");
    assert.equal(counts.connections, 0);
  }),
);

test(
  "A client with streams that says nothing is asked whether it is there",
  inWorld(async () => {
    let aborted = 0;
    const { open, clock } = await http2World((request) =>
      new Promise(() => request.signal.addEventListener("abort", () => void aborted++))
    );
    const [there, gone] = [open(), open()];
    for (const client of [there, gone]) client.request();
    clock.advance(idleMs + 2 * CHECK_MS);
    for (const client of [there, gone]) assert.equal(client.read().of("PING").length, 1);
    answerPing(there);
    clock.advance(PING_ANSWER_MS + 2 * CHECK_MS);
    assert.deepEqual([there.socket.ended, gone.socket.ended], ["no", "reset"]);
    assert.equal(aborted, 1);
  }),
);

test(
  "A client that never says its preface is let go",
  inWorld(async () => {
    const { openSilent, clock } = await http2World(() => whole("x"));
    const client = openSilent();
    client.socket.send("PRI * HTTP/2.0");
    clock.advance(headersMs + 2 * CHECK_MS);
    assert.equal(client.socket.ended, "end");
  }),
);

test(
  "A client's GOAWAY lets its streams end",
  inWorld(async () => {
    let respond!: (response: HttpResponse) => void;
    const { open } = await http2World(() => new Promise((resolve) => respond = resolve));
    const client = open();
    const id = client.request();
    client.frame("GOAWAY", 0, 0, new Uint8Array(8));
    assert.equal(client.socket.ended, "no");
    respond(whole("done"));
    await client.settled();
    assert.equal(client.text(id), "done");
    assert.equal(client.socket.ended, "end");
  }),
);

test(
  "A client that ends its side has left",
  inWorld(async () => {
    let aborted = 0;
    const { open } = await http2World((request) =>
      new Promise(() => request.signal.addEventListener("abort", () => void aborted++))
    );
    const client = open();
    client.request();
    client.socket.events.peerEnded();
    assert.equal(aborted, 1);
    assert.equal(client.socket.ended, "end");
  }),
);

test(
  "The urgent goes first, equals share, and the least urgent has its turn",
  inWorld(async () => {
    const { open } = await http2World(() => whole("x".repeat(400_000)));
    const client = open();
    const ask = (priority: string) =>
      client.request(requestFields("GET", "/", priority === "" ? [] : [["priority", priority]]));
    client.windowUpdate(0, 10_000_000);
    fill(client);
    const [low, equal1, equal2, urgent] = ["u=7", "", "", "u=0"].map(ask);
    for (const id of [low, equal1, equal2, urgent]) client.windowUpdate(id!, 10_000_000);
    client.socket.take(Infinity);
    await client.settled();
    const order = client.of("DATA").map(({ streamId }) => streamId);
    const ends = [low, equal1, equal2, urgent].map((id) => order.lastIndexOf(id!));
    assert.ok(ends[3]! < ends[1]! && ends[3]! < ends[2]!, "the urgent one is first");
    assert.ok(Math.abs(ends[1]! - ends[2]!) <= 3, "equals end together");
    assert.ok(order.indexOf(low!) < ends[3]!, "the least urgent does not starve");
  }),
);

test(
  "A PRIORITY_UPDATE counts, also before its stream",
  inWorld(async () => {
    const { open } = await http2World(() => whole("x".repeat(60_000)));
    const client = open();
    const update = (id: number, value: string) => {
      const payload = new Uint8Array(4 + value.length);
      payload[3] = id;
      payload.set(new TextEncoder().encode(value), 4);
      client.frame("PRIORITY_UPDATE", 0, 0, payload);
    };
    fill(client);
    update(3, "u=0");
    client.request();
    const urgent = client.request();
    client.socket.take(Infinity);
    await client.settled();
    assert.equal(client.of("DATA")[0]!.streamId, urgent);
  }),
);

for (
  const [what, end] of [
    ["whose time is over", ({ clock }) => void clock.advance(headersMs + 2 * CHECK_MS)],
    ["that came before a stop", ({ server }) => void server.stop()],
    [
      "of a client that has said that it says no more",
      (_, { socket }) => socket.events.peerEnded(),
    ],
  ] as [
    string,
    (world: Awaited<ReturnType<typeof http2World>>, client: MemoryHttp2Client) => void,
  ][]
) {
  for (const length of [0, 1, 4, PREFACE.length - 1]) {
    test(
      `The rest of a preface ${what} opens nothing, ${length} bytes of it before`,
      inWorld(async () => {
        const world = await http2World(() => whole("x"));
        const client = world.openSilent();
        if (length > 0) client.raw(PREFACE.subarray(0, length));
        if (length === 0 && what.startsWith("whose")) world.clock.advance(idleMs);
        end(world, client);
        await settle();
        assert.notEqual(client.socket.ended, "no");
        client.socket.takeText();
        client.raw(PREFACE.subarray(length));
        client.frame("SETTINGS", 0, 0);
        client.request();
        await settle();
        assert.equal(client.socket.takeText(), "");
        assert.equal(world.counts.connections, 0);
        assert.equal(client.socket.isPaused, false);
      }),
    );
  }
}

test(
  "A connection that ends waits for its client to take what is there, and from then on for its time",
  inWorld(async () => {
    const { open, clock } = await http2World(() => whole("x".repeat(60_000)));
    const client = open();
    await client.settled();
    client.socket.room = 0;
    client.request();
    await client.settled();
    // It is told off, and takes a little of what waits now and then.
    client.frame("PING", 0, 1, new Uint8Array(8));
    assert.equal(client.socket.ended, "end");
    for (let waitedMs = 0; waitedMs < 4 * closeMs; waitedMs += CHECK_MS) {
      clock.advance(CHECK_MS);
      client.socket.take(10);
      assert.equal(client.socket.ended, "end", `${waitedMs} ms`);
    }
    client.socket.take(Infinity);
    clock.advance(closeMs - CHECK_MS);
    assert.equal(client.socket.ended, "end");
    clock.advance(3 * CHECK_MS);
    assert.equal(client.socket.ended, "destroy");
  }),
);
