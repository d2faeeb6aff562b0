/**
 * Clients of HTTP/1 at the edges: a byte more or less, a millisecond earlier or later, a piece cut at
 * any place. What lies between is in the tests of each part.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIELD_NAMES_MAX, FieldNames } from "../../src/http1/field_names.ts";
import { HTTP2_PREFACE } from "../../src/http1/first_bytes.ts";
import { HeaderReader } from "../../src/http1/header_reader.ts";
import { RequestError } from "../../src/http1/request_headers.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import type { ServedConnection } from "../../src/http1/served_connection.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import type { SocketEvents } from "../../src/runtime/callback_socket.ts";
import { cut } from "../support/fragments.ts";
import { GET, http1World, settle, whole, wholeText } from "../support/http1_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { inWorld } from "../support/world_test.ts";

const { headersMs, idleMs, sendMs, closeMs } = CONNECTION_TIMEOUTS;
/** How often connections are looked at. */
const TICK_MS = 1_000;
const LAST = GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");

/** How each limit begins, and how its connection ends. */
const LIMITS: Readonly<
  Record<
    string,
    readonly [limitMs: number, ended: string, begin: (s: MemoryCallbackSocket) => void]
  >
> = {
  "before anything is said": [idleMs, "end", () => {}],
  "between two requests": [idleMs, "end", (socket) => socket.send(GET)],
  "within a header section": [headersMs, "end", (socket) => socket.send("G")],
  "behind an empty line": [idleMs, "end", (socket) => socket.send("\r\n")],
  "within half an empty line": [headersMs, "end", (socket) => socket.send("\r")],
  "while nothing is taken": [sendMs, "reset", (socket) => {
    socket.room = 1;
    socket.send(GET);
  }],
  "when the last response is there": [closeMs, "destroy", (socket) => socket.send(LAST)],
  "within a body that nobody wants any more": [closeMs, "end", (socket) => {
    socket.send("POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nbegin");
  }],
};

for (const [when, [limitMs, ended, begin]] of Object.entries(LIMITS)) {
  test(
    `A client has its whole limit ${when}, and no look more`,
    inWorld(async () => {
      const { open, clock } = await http1World(async (request) => {
        if (request.url.endsWith("/read")) await request.body!.getReader().read();
        return whole("response");
      });
      const socket = open();
      begin(socket);
      await settle();
      const before = socket.ended;
      // What waits to be taken counts from when it was first looked at.
      if (limitMs === sendMs) clock.advance(TICK_MS);
      clock.advance(limitMs);
      assert.equal(socket.ended, before);
      clock.advance(TICK_MS);
      assert.equal(socket.ended, ended);
      const isTold = when === "within a header section" || when === "within half an empty line";
      assert.equal(socket.text.startsWith("HTTP/1.1 408 "), isTold);
    }),
  );
}

test(
  "A client that has a byte to take of the last response is waited for",
  inWorld(async () => {
    for (const left of [1, 2]) {
      const { open, clock } = await http1World(() => whole("x"));
      const socket = open();
      socket.room = wholeText("x", "connection: close\r\n").length - left;
      socket.send(LAST);
      assert.equal(socket.unsentLength, left);
      clock.advance(3 * closeMs);
      assert.equal(socket.ended, "end");
      socket.take(left);
      clock.advance(closeMs);
      assert.equal(socket.ended, "end", "its time begins when it was looked at last");
      clock.advance(2 * TICK_MS);
      assert.equal(socket.ended, "destroy");
    }
  }),
);

test(
  "A client that ends its side behind ours has no more time for that",
  inWorld(async () => {
    const { open, clock } = await http1World(() => whole("x"));
    const socket = open();
    socket.send(LAST);
    clock.advance(closeMs - TICK_MS);
    socket.events.peerEnded();
    socket.send("dropped");
    clock.advance(2 * TICK_MS);
    assert.equal(socket.ended, "destroy");
  }),
);

test(
  "Two requests are read wherever they are cut, with empty pieces between",
  inWorld(async () => {
    const text = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nb\r\n" + GET;
    const bytes = latin1(text);
    for (let at = 0; at <= bytes.length; at++) {
      for (const offsets of [[at], [at, at + 1], [at, at]]) {
        const { open } = await http1World(async (request) =>
          whole(await new Response(request.body).text())
        );
        const socket = open();
        for (const piece of cut(bytes, offsets)) socket.send(piece);
        await settle();
        assert.equal(socket.text, wholeText("b") + wholeText(""), `${offsets}`);
        assert.equal(socket.isPaused, false);
      }
    }
  }),
);

/** A reader of header sections up to a length. */
function readerOf(headersLengthMax: number, requestsMax = 0) {
  const rules = { names: new FieldNames(), headersLengthMax, requestsMax };
  return { rules, reader: new HeaderReader(rules) };
}

test("A header section that is too long is refused at the byte that makes it so", () => {
  const line = "GET / HTTP/1.1\r\nhost: a\r\nb: ";
  const { reader } = readerOf(40);
  // The last line feed may be the one that counts no more.
  reader.push(latin1(line + "c".repeat(41 - line.length)));
  assert.equal(reader.waitingLength, 41);
  assert.throws(
    () => reader.push(latin1("c")),
    (error) => error instanceof RequestError && error.status === 431,
  );
});

test("A long header section that comes byte by byte is judged once", () => {
  const { reader } = readerOf(200_000);
  reader.push(latin1("GET / HTTP/1.1\r\nhost: a\r\n"));
  // In a name, where each byte is looked at.
  const byte = latin1("b");
  for (let count = 0; count < 150_000; count++) assert.equal(reader.push(byte), undefined);
  assert.equal(reader.waitingLength, 150_025);
  reader.clear();
  assert.equal(reader.waitingLength, 0);
});

test("Requests of a connection are counted from its first, and a limit may come later or go", () => {
  const { reader, rules } = readerOf(1_000, 2);
  const hasReadAll = (): boolean => {
    reader.push(latin1(GET));
    return reader.hasReadAll;
  };
  assert.equal(reader.hasReadAll, false);
  assert.deepEqual([hasReadAll(), hasReadAll(), hasReadAll()], [false, true, true]);
  rules.requestsMax = 0;
  assert.equal(hasReadAll(), false);
  rules.requestsMax = 6;
  assert.deepEqual([hasReadAll(), hasReadAll()], [false, true]);
  rules.requestsMax = 1;
  assert.equal(readerOf(1_000, 1).reader.hasReadAll, false);
});

test("As many names are remembered as may be, and none that is longer than 64", () => {
  const names = new FieldNames();
  let most = 0;
  for (let count = 0; count < FIELD_NAMES_MAX; count++) {
    names.read(`X-${count}`);
    most = Math.max(most, names.size);
  }
  assert.equal(most, FIELD_NAMES_MAX);
  const few = new FieldNames();
  for (const [length, size] of [[65, 0], [64, 2], [1, 4]] as const) {
    assert.equal(few.read("A".repeat(length)), "a".repeat(length));
    assert.equal(few.size, size, `${length}`);
  }
  assert.equal(few.read("b"), "b");
  assert.equal(few.size, 5, "one that is in lower case is one");
});

/** A world that also speaks HTTP/2, and what came to that. */
async function bothWorld() {
  let received: string | undefined;
  const world = await http1World(() => whole("one"), {
    openHttp2: (server, socket) => {
      const connection: ServedConnection & SocketEvents = {
        phase: "idle",
        isFlushed: true,
        untilFlushed: () => Promise.resolve(),
        announceStop() {},
        stop() {},
        destroy: () => socket.destroy(),
        checkTimeouts() {},
        received: (bytes) => void (received = (received ?? "") + fromLatin1(bytes)),
        drained() {},
        peerEnded() {},
        closed: () => server.onGone(connection, socket.host),
      };
      return connection;
    },
  });
  return { ...world, received: () => received };
}

const PREFACE = fromLatin1(HTTP2_PREFACE);

test(
  "The preface opens HTTP/2 with all that came, wherever it is cut",
  inWorld(async () => {
    for (const behind of ["", "x", "frames"]) {
      const bytes = latin1(PREFACE + behind);
      for (let at = 0; at <= bytes.length; at++) {
        const { open, received } = await bothWorld();
        const socket = open();
        for (const piece of cut(bytes, [at])) if (piece.length > 0) socket.send(piece);
        assert.equal(received(), PREFACE + behind, `${at}`);
        assert.equal(socket.text, "");
        socket.close();
      }
    }
  }),
);

test(
  "What is another byte than the preface's is a request of HTTP/1, or a wrong preface",
  inWorld(async () => {
    for (let at = 0; at < PREFACE.length; at++) {
      for (const other of ["X", "x"]) {
        if (PREFACE[at] === other) continue;
        const text = PREFACE.slice(0, at) + other + PREFACE.slice(at + 1);
        const isWrongPreface = /^[A-Z]+ [A-Z]+ [A-Z]+\r\n\r\n/.test(text);
        const { open, received } = await bothWorld();
        const socket = open();
        socket.send(text);
        assert.equal(received(), isWrongPreface ? text : undefined, JSON.stringify(text));
        assert.equal(socket.text.startsWith("HTTP/1.1 "), !isWrongPreface);
        socket.close();
      }
    }
    for (const length of [64, 65]) {
      const { open, received } = await bothWorld();
      open().send("A B C\r\n\r\n".padEnd(length, "x"));
      assert.equal(received() !== undefined, length === 64);
    }
  }),
);
