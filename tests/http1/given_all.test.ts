/**
 * When a client has all of a response: from then on it may leave without costing whoever made the
 * response anything, and before that it may not, whatever the response before was like.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/protocol/byte_buffer.ts";
import { StreamResponse } from "../../src/runtime/http_response.ts";
import { GET, type Handler, http1World, settle } from "../support/http1_world.ts";
import { inWorld } from "../support/world_test.ts";

const LENGTH = 12;

/** A response of a known length that a test feeds. */
class FedResponse {
  isCancelled = false;
  isOver = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly response = new StreamResponse(
    200,
    [],
    new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.isCancelled = this.isOver = true),
    }),
    { length: LENGTH },
  );

  feed(length: number): void {
    this.#controller.enqueue(utf8("x".repeat(length)));
  }

  close(): void {
    if (!this.isOver) this.#controller.close();
    this.isOver = true;
  }
}

/** In so many turns, each with an equal part. */
async function feedAll(fed: FedResponse, turns: number, parts = turns): Promise<void> {
  for (let turn = 0; turn < parts; turn++) {
    fed.feed(LENGTH / turns);
    await settle();
  }
}

async function begin(handler: Handler) {
  const world = await http1World(handler);
  const socket = world.open();
  socket.send(GET);
  await settle();
  return socket;
}

for (const turns of [1, 2, 3, 6]) {
  test(
    `A client that has all of a response in ${turns} turns may end its side, or leave`,
    inWorld(async () => {
      for (const leaves of [false, true]) {
        const fed = new FedResponse();
        const socket = await begin(() => fed.response);
        await feedAll(fed, turns);
        assert.ok(socket.text.endsWith("x".repeat(LENGTH)));
        if (leaves) socket.close();
        else socket.events.peerEnded();
        await settle();
        assert.equal(fed.isCancelled, false, "who makes it goes on to its end");
        if (!leaves) assert.equal(socket.ended, "no");
        fed.close();
        await settle();
        if (!leaves) assert.equal(socket.ended, "end");
      }
    }),
  );

  test(
    `A client that lacks the last of ${turns} parts has left when it ends its side`,
    inWorld(async () => {
      const fed = new FedResponse();
      const socket = await begin(() => fed.response);
      await feedAll(fed, turns, turns - 1);
      socket.events.peerEnded();
      await settle();
      assert.equal(fed.isCancelled, true);
      assert.equal(socket.ended, "reset");
    }),
  );
}

test(
  "That a client had all of a response says nothing of the next one",
  inWorld(async () => {
    const first = new FedResponse();
    const second = Promise.withResolvers<StreamResponse>();
    let requests = 0;
    let isAborted = false;
    const socket = await begin((request) => {
      if (++requests === 1) return first.response;
      request.signal.addEventListener("abort", () => void (isAborted = true));
      return second.promise;
    });
    await feedAll(first, 3);
    first.close();
    await settle();
    socket.send(GET);
    await settle();
    assert.equal(requests, 2);
    socket.events.peerEnded();
    await settle();
    assert.equal(isAborted, true, "its client has left before it was there");
    const late = new FedResponse();
    second.resolve(late.response);
    await settle();
    assert.equal(late.isCancelled, true);
  }),
);
