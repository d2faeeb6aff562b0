import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { GET, http1World, settle, whole, wholeText } from "../support/http1_world.ts";
import { turn, until } from "../support/idle.ts";
import { inWorld } from "../support/world_test.ts";

const { headersMs, idleMs, sendMs, closeMs } = CONNECTION_TIMEOUTS;
/** How late a time may end. */
const TIMEOUT_CHECK_INTERVAL_MS = 1000;

test(
  "A header section that does not come in time is answered with 408",
  inWorld(async () => {
    const { open, clock, errors } = await http1World(() => whole(""));
    const socket = open();
    socket.send("GET / HTTP/1.1\r\n");
    clock.advance(headersMs - TIMEOUT_CHECK_INTERVAL_MS);
    socket.send("host: a\r\n");
    assert.equal(socket.text, "");
    clock.advance(2 * TIMEOUT_CHECK_INTERVAL_MS);
    assert.match(socket.text, /^HTTP\/1\.1 408 Request Timeout\r\n/);
    assert.equal(socket.ended, "end");
    assert.deepEqual(errors.map(({ status }) => status), [408]);
  }),
);

test(
  "The time of headers begins once for each request, whatever comes a byte at a time",
  inWorld(async () => {
    const openHttp2 = () => assert.fail("It has not spoken HTTP/2");
    const cases: [bytes: string, options: Parameters<typeof http1World>[1]][] = [
      ["\r\n\r\n\r\n\r\n", {}],
      ["\r\nG\r\n", {}],
      ["POST", {}],
      ["POST", { openHttp2 }],
      ["\r\n\r\n", { openHttp2 }],
    ];
    for (const isFirst of [true, false]) {
      for (const [bytes, options] of cases) {
        const { open, clock } = await http1World(() => whole(""), options);
        const socket = open();
        if (!isFirst) socket.send(GET);
        let tookMs = 0;
        for (const byte of bytes) {
          if (socket.ended !== "no") break;
          socket.send(byte);
          // What follows the end of an empty line comes at once: another header section begins.
          if (byte === "\n") continue;
          clock.advance(headersMs - TIMEOUT_CHECK_INTERVAL_MS);
          tookMs += headersMs - TIMEOUT_CHECK_INTERVAL_MS;
        }
        assert.notEqual(socket.ended, "no", JSON.stringify(bytes));
        assert.ok(tookMs <= 2 * headersMs, `${JSON.stringify(bytes)} took ${tookMs} ms`);
      }
    }
  }),
);

test(
  "A client that never says anything is let go without a word",
  inWorld(async () => {
    const { open, clock } = await http1World(() => whole(""));
    const socket = open();
    clock.advance(idleMs - TIMEOUT_CHECK_INTERVAL_MS);
    assert.equal(socket.ended, "no");
    clock.advance(2 * TIMEOUT_CHECK_INTERVAL_MS);
    assert.deepEqual([socket.text, socket.ended], ["", "end"]);
  }),
);

test(
  "A connection without request is ended after its time, and cut if its client stays",
  inWorld(async () => {
    const { open, clock } = await http1World(() => whole("x"));
    const socket = open();
    socket.send(GET);
    clock.advance(idleMs - TIMEOUT_CHECK_INTERVAL_MS);
    assert.equal(socket.ended, "no");
    clock.advance(2 * TIMEOUT_CHECK_INTERVAL_MS);
    assert.equal(socket.ended, "end");
    clock.advance(closeMs + TIMEOUT_CHECK_INTERVAL_MS);
    assert.equal(socket.ended, "destroy");
    assert.equal(socket.text, wholeText("x"));
  }),
);

test(
  "A request may take as long as its handler wants",
  inWorld(async () => {
    const { open, clock } = await http1World(() => new Promise(() => {}));
    const socket = open();
    socket.send(GET);
    clock.advance(24 * 60 * 60 * 1000);
    assert.equal(socket.ended, "no");
  }),
);

test(
  "A client that takes nothing for too long is cut, a slow one never",
  inWorld(async () => {
    const length = 1_000_000;
    const { open, clock } = await http1World(() => whole("x".repeat(length)));
    const [slow, stuck, last] = [open(), open(), open()];
    for (const socket of [slow, stuck, last]) socket.room = 0;
    slow.send(GET);
    stuck.send(GET);
    last.send(GET.replace("host", "connection: close\r\nhost"));
    for (let time = 0; time < 20; time++) {
      clock.advance(sendMs - TIMEOUT_CHECK_INTERVAL_MS);
      slow.take(10);
      last.take(10);
    }
    assert.equal(stuck.ended, "reset");
    assert.deepEqual([slow.ended, last.ended], ["no", "end"]);
    slow.take(Infinity);
    last.take(Infinity);
    assert.equal(slow.text.length, wholeText("x".repeat(length)).length);
    clock.advance(idleMs - TIMEOUT_CHECK_INTERVAL_MS);
    assert.deepEqual([slow.ended, last.ended], ["no", "destroy"]);
  }),
);

test(
  "A client that takes a stream piece by piece is never cut, also of pieces of one length",
  inWorld(async () => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await turn();
        controller.enqueue(new Uint8Array(1000));
      },
    }, { highWaterMark: 0 });
    const { open, clock } = await http1World(() =>
      new Response(body, { headers: { "content-length": "1000000" } })
    );
    const socket = open();
    socket.room = 0;
    socket.send(GET);
    await until(() => socket.unsentLength > 0, "bytes that the client has not taken");
    for (let time = 0; time < 20; time++) {
      clock.advance(sendMs / 2);
      socket.take(socket.unsentLength);
      await until(() => socket.unsentLength > 0, "bytes that the client has not taken");
    }
    assert.equal(socket.ended, "no");
    clock.advance(sendMs + 2 * TIMEOUT_CHECK_INTERVAL_MS);
    assert.equal(socket.ended, "reset");
  }),
);

test(
  "There is one timer for all clients, and none without clients",
  inWorld(async () => {
    const { open, clock } = await http1World(() => whole(""));
    assert.equal(clock.timerCount, 0);
    const sockets = Array.from({ length: 100 }, open);
    clock.advance(10 * TIMEOUT_CHECK_INTERVAL_MS);
    assert.equal(clock.timerCount, 1);
    for (const socket of sockets) socket.close();
    assert.equal(clock.timerCount, 0);
  }),
);

test(
  "The Date of a response goes with the clock, also after a rest",
  inWorld(async () => {
    const { open, clock } = await http1World(() => whole(""));
    open().close();
    clock.advance(60_000);
    const socket = open();
    for (const minute of ["47", "48"]) {
      socket.send(GET);
      assert.match(socket.takeText(), new RegExp(`date: Sun, 09 Sep 2001 01:${minute}:40 GMT`));
      clock.advance(60_000);
    }
  }),
);

test(
  "Stopping lets idle clients go, waits for responses, and says that no more follow",
  inWorld(async () => {
    let respond!: (value: ReturnType<typeof whole>) => void;
    const { open, server, isListening } = await http1World(() =>
      new Promise((resolve) => respond = resolve)
    );
    const [idle, halfway, busy] = [open(), open(), open()];
    halfway.send("GET / HT");
    busy.send(GET);
    let isStopped = false;
    const stopping = server.stop().then(() => isStopped = true);
    await settle();
    assert.equal(isListening(), false);
    assert.deepEqual([idle.ended, busy.ended, isStopped], ["end", "no", false]);
    respond(whole("last"));
    await stopping;
    assert.equal(busy.text, wholeText("last", "connection: close\r\n"));
    assert.deepEqual([idle, halfway, busy].map(({ ended }) => ended), Array(3).fill("destroy"));
  }),
);

test(
  "Stopping waits until the system has the last response",
  inWorld(async () => {
    const { open, server, clock } = await http1World(() => whole("x".repeat(100_000)));
    const socket = open();
    socket.room = 10;
    socket.send(GET);
    let isStopped = false;
    const stopping = server.stop().then(() => isStopped = true);
    await settle();
    assert.equal(isStopped, false);
    socket.take(Infinity);
    await stopping;
    assert.equal(socket.text, wholeText("x".repeat(100_000)));
    assert.equal(clock.timerCount, 0);
  }),
);

test(
  "Stopping waits for a request that began while it waited",
  inWorld(async () => {
    const responses: ((value: ReturnType<typeof whole>) => void)[] = [];
    const { open, server } = await http1World(() =>
      new Promise((resolve) => responses.push(resolve))
    );
    const [first, second] = [open(), open()];
    first.send(GET);
    second.send(GET.slice(0, 5));
    const stopping = server.stop();
    second.send(GET.slice(5));
    responses[0]!(whole("first"));
    await settle();
    assert.equal(second.ended, "no");
    responses[1]!(whole("second"));
    await stopping;
    assert.equal(second.text, wholeText("second", "connection: close\r\n"));
  }),
);

test(
  "Destroying cuts what is under way so that it can be seen",
  inWorld(async () => {
    const { open, server } = await http1World((request) =>
      request.url.endsWith("/") ? new Response(new ReadableStream({})) : new Promise(() => {})
    );
    const [streamed, waiting] = [open(), open()];
    streamed.send(GET);
    waiting.send(GET.replace("/ ", "/wait "));
    await settle();
    server.destroy();
    assert.deepEqual([streamed.ended, waiting.ended], ["reset", "destroy"]);
  }),
);
