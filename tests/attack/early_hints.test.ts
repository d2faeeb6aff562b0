/** An application that sends hints without end, to a client that does not read: nothing gathers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EARLY_HINTS_MAX } from "../../src/http1/interim_responses.ts";
import type { HttpPeer } from "../../src/runtime/connection.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { http1World, whole } from "../support/http1_world.ts";
import { GET } from "../support/http1_world.ts";
import { inWorld } from "../support/world_test.ts";

const HINT = /HTTP\/1\.1 103 /g;

function countOf(text: string): number {
  return [...text.matchAll(HINT)].length;
}

/** A server whose requests get `count` hints of `length` bytes before their response. */
async function hinting(count: number, length: number) {
  const world = await http1World(
    (_request: HttpRequest, peer: HttpPeer) => {
      for (let sent = 0; sent < count; sent++) peer.earlyHints!([`</${"x".repeat(length)}>`]);
      return whole("done");
    },
  );
  return world;
}

test(
  "A client that does not read has at most one hint waiting for it",
  inWorld(async () => {
    const { open } = await hinting(1_000, 60_000);
    const socket = open();
    socket.room = 10;
    socket.send(GET);
    assert.ok(socket.unsentLength < 61_000, `${socket.unsentLength} bytes wait`);
    socket.take(Infinity);
    assert.equal(countOf(socket.text), 1);
    assert.match(socket.text, /done$/);
  }),
);

test(
  "A request has so many hints and no more, and the next on the connection its own",
  inWorld(async () => {
    const { open } = await hinting(EARLY_HINTS_MAX + 1, 10);
    const socket = open();
    for (let round = 0; round < 3; round++) {
      socket.send(GET);
      const text = socket.takeText();
      assert.equal(countOf(text), EARLY_HINTS_MAX);
      assert.match(text, /done$/);
    }
  }),
);
