/**
 * What is counted or gathered of a request begins anew with the next one on its connection, and is gone
 * when there will be none: a limit of one request is none of many, and nothing is held for nobody.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DRAINED_LENGTH_MAX } from "../../src/http1/connection_server.ts";
import type { HttpHeaders } from "../../src/runtime/http_request.ts";
import type { Handler } from "../support/http1_world.ts";
import { http1World, settle, whole } from "../support/http1_world.ts";
import { http2World } from "../support/http2_world.ts";
import { inWorld } from "../support/world_test.ts";

const ROUNDS = 4;
const HEADERS_MAX = 64 * 1024;

/** Nearly as much of each as one request may have. */
const COUNTED: Readonly<Record<string, { readonly request: string; readonly handler?: Handler }>> =
  {
    "bytes of its header section": {
      request: `GET / HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(HEADERS_MAX - 100)}\r\n\r\n`,
    },
    "bytes of a body that nobody reads on": {
      request: `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${DRAINED_LENGTH_MAX - 100}\r\n\r\n` +
        "x".repeat(DRAINED_LENGTH_MAX - 100),
      async handler(request) {
        // Begun, and not read on.
        request.body?.getReader().read().catch(() => {});
        await settle();
        return whole("x");
      },
    },
    "fields behind its chunks": {
      request: "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" +
        `1\r\nx\r\n0\r\nx: ${"x".repeat(4_000)}\r\n\r\n`,
      async handler(request) {
        await new Response(request.body).text();
        return whole("x");
      },
    },
  };

for (const [what, { request, handler = () => whole("x") }] of Object.entries(COUNTED)) {
  test(
    `Each request of a connection may have its own ${what}`,
    inWorld(async () => {
      const { open } = await http1World(handler, { requestHeadersLengthMax: HEADERS_MAX });
      const socket = open();
      for (let round = 0; round < ROUNDS; round++) {
        for (let at = 0; at < request.length; at += 16 * 1024) {
          socket.send(request.slice(at, at + 16 * 1024));
          await settle();
        }
        assert.match(socket.takeText(), /^HTTP\/1\.1 200 /, `round ${round}`);
        assert.equal(socket.ended, "no");
      }
    }),
  );
}

const REFUSED: Readonly<Record<string, readonly string[]>> = {
  "is too long": [
    "GET / HTTP/1.1\r\nhost: a\r\n",
    `x: ${"x".repeat(5_000)}`,
    "x".repeat(HEADERS_MAX),
  ],
  "is malformed": [
    "GET / HTTP/1.1\r\nhost: a\r\n",
    `x: ${"x".repeat(5_000)}\r\n`,
    "y y: z\r\n\r\n",
  ],
  "does not come in time": ["GET / HTTP/1.1\r\nhost: a\r\n", `x: ${"x".repeat(5_000)}`],
};

for (const [why, pieces] of Object.entries(REFUSED)) {
  test(
    `A header section that ${why} holds no memory once it is refused`,
    inWorld(async () => {
      const { open, memory, clock } = await http1World(() => whole("x"), {
        requestHeadersLengthMax: HEADERS_MAX,
      });
      const socket = open();
      for (const piece of pieces.slice(0, 2)) socket.send(piece);
      await settle();
      assert.ok(memory.used > 5_000);
      if (pieces[2] === undefined) clock.advance(62_000);
      else socket.send(pieces[2]);
      await settle();
      assert.match(socket.text, /^HTTP\/1\.1 4\d\d /);
      assert.equal(socket.ended, "end");
      assert.equal(memory.used, 0);
      // What it goes on sending is dropped.
      socket.send("x".repeat(10_000));
      await settle();
      assert.equal(memory.used, 0);
    }),
  );
}

test(
  "A connection of HTTP/2 remembers the fields of its last request until it has rested",
  inWorld(async () => {
    const seen: HttpHeaders[] = [];
    const { open, clock } = await http2World((request) => {
      seen.push(request.headers);
      return whole("");
    });
    const client = open();
    for (let count = 0; count < 3; count++) {
      client.request();
      await client.settled();
    }
    assert.equal(seen[2], seen[1]);
    clock.advance(2_000);
    await settle();
    client.request();
    await client.settled();
    assert.notEqual(seen[3], seen[2]);
    assert.deepEqual([...seen[3]!], [...seen[2]!]);
  }),
);
