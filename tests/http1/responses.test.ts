import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBuffer, fromLatin1, utf8 } from "../../src/protocol/byte_buffer.ts";
import { appendResponseHeaders } from "../../src/http1/response_headers.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { DATE, GET, http1World, settle, wholeText } from "../support/http1_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { turn, until } from "../support/idle.ts";
import { inWorld } from "../support/world_test.ts";

const LONG = 100_000;

/** What goes out for the request, and the socket. */
async function sent(
  response: Response | BytesResponse,
  request = GET,
  expectsFailures = false,
): Promise<{ text: string; socket: MemoryCallbackSocket }> {
  const { open } = await http1World(() => response, { expectsFailures });
  const socket = open();
  socket.send(request);
  await settle();
  return { text: socket.text, socket };
}

/** Gives its pieces one by one, each in a turn of its own unless all are to be there at once. */
function streamOf(
  pieces: readonly string[],
  { atOnce = false, fails = false } = {},
): ReadableStream<Uint8Array> {
  const waiting = [...pieces];
  return new ReadableStream({
    async pull(controller) {
      if (!atOnce) { for (let turns = 0; turns < 2; turns++) await turn(); }
      const piece = waiting.shift();
      if (piece !== undefined) controller.enqueue(utf8(piece));
      else if (fails) controller.error();
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

async function ended(socket: MemoryCallbackSocket): Promise<void> {
  await until(() => socket.ended !== "no", "the end of the connection");
}

const HEAD = `HTTP/1.1 200 OK\r\ndate: ${DATE}\r\n`;
const HEAD_1_0 = "GET / HTTP/1.0\r\nhost: a\r\n\r\n";

test(
  "A header section has its fields in their order and as they are written",
  inWorld(() => {
    const buffer = new ByteBuffer();
    const fields = [["X-B", "1"], ["x-a", "\u00e9"], ["Set-Cookie", "a"], [
      "Set-Cookie",
      "b",
    ]] as const;
    for (const [status, phrase] of [[404, "Not Found"], [299, ""]] as const) {
      buffer.clear();
      const framing = { length: 3, isChunked: false, connection: "close" } as const;
      appendResponseHeaders(buffer, status, fields, framing, DATE);
      assert.equal(
        fromLatin1(buffer.view()),
        `HTTP/1.1 ${status} ${phrase}\r\nX-B: 1\r\nx-a: \u00e9\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n` +
          `date: ${DATE}\r\ncontent-length: 3\r\nconnection: close\r\n\r\n`,
      );
    }
  }),
);

test(
  "An application's Date stays, and there is one",
  inWorld(async () => {
    const { text } = await sent(new BytesResponse(200, [["DATE", "then"]], utf8("")));
    assert.equal(text, "HTTP/1.1 200 OK\r\nDATE: then\r\ncontent-length: 0\r\n\r\n");
  }),
);

test(
  "An application does not frame its response, and cookies stay apart",
  inWorld(async () => {
    const headers = new Headers({ connection: "close", "transfer-encoding": "gzip", "x-a": "b" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    const { text, socket } = await sent(new Response("body", { headers }));
    assert.match(text, /\r\nx-a: b\r\n.*set-cookie: a=1\r\nset-cookie: b=2\r\n/s);
    assert.doesNotMatch(text, /gzip|close/);
    assert.equal(socket.ended, "no");
  }),
);

test(
  "HEAD, 204 and 304 have no body, whatever is answered",
  inWorld(async () => {
    const headers = GET.replace("GET", "HEAD");
    const whole = (status: number) => new BytesResponse(status, [], utf8("body"));
    assert.equal((await sent(whole(200), headers)).text, `${HEAD}content-length: 4\r\n\r\n`);
    assert.equal((await sent(whole(204))).text, `HTTP/1.1 204 No Content\r\ndate: ${DATE}\r\n\r\n`);
    assert.equal(
      (await sent(whole(304))).text,
      `HTTP/1.1 304 Not Modified\r\ndate: ${DATE}\r\n\r\n`,
    );
    const declared = { headers: { "content-length": "9" } };
    assert.equal(
      (await sent(new Response(null, declared), headers)).text,
      `${HEAD}content-length: 9\r\n\r\n`,
    );
    let isCancelled = false;
    const body = new ReadableStream({ cancel: () => void (isCancelled = true) });
    assert.equal((await sent(new Response(body), headers)).text, `${HEAD}\r\n`);
    assert.equal(isCancelled, true);
  }),
);

test(
  "A stream that is there at once leaves whole, with its length",
  inWorld(async () => {
    const { text, socket } = await sent(new Response(streamOf(["a", "bc"], { atOnce: true })));
    assert.equal(text, wholeText("abc"));
    assert.equal(socket.ended, "no");
    const old = await sent(new Response(streamOf(["a"], { atOnce: true })), HEAD_1_0);
    assert.equal(old.text, wholeText("a", "connection: close\r\n"));
  }),
);

test(
  "A stream goes out as it comes: in chunks, by its length, or up to the end",
  inWorld(async () => {
    const pieces = ["first", "x".repeat(LONG), "last"];
    const body = pieces.join("");
    const declared = { headers: { "content-length": `${body.length}` } };
    const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("");
    const cases: [init: ResponseInit, request: string, text: string, end: string][] = [
      [{}, GET, `${HEAD}transfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`, "no"],
      [declared, GET, `${HEAD}content-length: ${body.length}\r\n\r\n${body}`, "no"],
      [{}, HEAD_1_0, `${HEAD}connection: close\r\n\r\n${body}`, "end"],
    ];
    for (const [init, request, text, end] of cases) {
      const { open } = await http1World(() => new Response(streamOf(pieces), init));
      const socket = open();
      socket.send(request);
      await until(() => socket.text.length >= text.length, "all of the response");
      await settle();
      assert.equal(socket.text, text);
      assert.equal(socket.ended, end);
    }
  }),
);

test(
  "Empty pieces of a stream end nothing",
  inWorld(async () => {
    const { open } = await http1World(() => new Response(streamOf(["a", "", "b"])));
    const socket = open();
    socket.send(GET);
    await until(() => socket.text.endsWith("0\r\n\r\n"), "the last chunk");
    assert.match(socket.text, /\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n$/);
  }),
);

test(
  "The header section does not wait for a body that is late",
  inWorld(async () => {
    const { text } = await sent(new Response(new ReadableStream({})));
    assert.equal(text, `${HEAD}transfer-encoding: chunked\r\n\r\n`);
  }),
);

test(
  "A body longer than declared ends at its length, and the connection goes on",
  inWorld(async () => {
    for (const atOnce of [false, true]) {
      for (const pieces of [["abc", "defg"], ["abcde", "f"], ["abcdefg", "h"]]) {
        const { open } = await http1World(() =>
          new Response(streamOf(pieces, { atOnce }), { headers: { "content-length": "5" } })
        );
        const socket = open();
        socket.send(GET + GET);
        for (let turn = 0; turn < 20; turn++) await settle();
        assert.equal(socket.text, `${HEAD}content-length: 5\r\n\r\nabcde`.repeat(2));
      }
    }
  }),
);

test(
  "A body that is too short, or breaks off, can be told from a whole one",
  inWorld(async () => {
    const declared = { headers: { "content-length": "5" } };
    for (const atOnce of [false, true]) {
      for (const fails of [false, true]) {
        const { open } = await http1World(() =>
          new Response(streamOf(["abc"], { atOnce, fails }), declared)
        );
        const socket = open();
        socket.send(GET + GET);
        await ended(socket);
        assert.equal(socket.text, `${HEAD}content-length: 5\r\n\r\nabc`);
      }
      const { open } = await http1World(() =>
        new Response(streamOf(["abc"], { atOnce, fails: true }))
      );
      const [socket, old] = [open(), open()];
      socket.send(GET + GET);
      await ended(socket);
      assert.equal(socket.text, `${HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`);
      assert.equal(socket.ended, "end");
      old.send(HEAD_1_0);
      await ended(old);
      assert.equal(old.ended, "reset", "only that can tell");
    }
  }),
);

test(
  "A client that takes nothing stops the stream, and gets all in the end",
  inWorld(async () => {
    let given = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await turn();
        if (given === 50) return controller.close();
        given++;
        controller.enqueue(new Uint8Array(LONG));
      },
    }, { highWaterMark: 0 });
    const { open } = await http1World(() => new Response(body));
    const socket = open();
    socket.room = 2 * LONG;
    socket.send(GET);
    await settle();
    await settle();
    assert.ok(given <= 4, `${given} pieces`);
    socket.take(Infinity);
    await until(() => socket.text.endsWith("\r\n0\r\n\r\n"), "the last chunk");
    assert.equal(given, 50);
  }),
);

test(
  "A response that declares a body and has none can be told from a whole one",
  inWorld(async () => {
    const { text, socket } = await sent(new Response(null, { headers: { "content-length": "5" } }));
    assert.equal(text, `${HEAD}content-length: 5\r\n\r\n`);
    assert.equal(socket.ended, "end");
  }),
);

test(
  "A body that somebody reads already is no response: 500",
  inWorld(async () => {
    const response = new Response("x");
    response.body!.getReader();
    const { text } = await sent(response, GET, true);
    assert.match(text, /^HTTP\/1\.1 500 /);
  }),
);
