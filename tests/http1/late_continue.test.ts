/** "100 Continue" is said before a response or not at all, whenever a body is read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Handler, http1World, settle, whole } from "../support/http1_world.ts";
import { inWorld } from "../support/world_test.ts";

const EXPECTING = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

async function saidTo(handler: Handler): Promise<string> {
  const { open } = await http1World(handler);
  const socket = open();
  socket.send(EXPECTING);
  await settle();
  socket.send("body");
  await settle();
  return socket.text;
}

test(
  "A body that is read before the response is asked for once",
  inWorld(async () => {
    const text = await saidTo(async (request) => whole(await new Response(request.body).text()));
    assert.ok(text.startsWith(`${CONTINUE}HTTP/1.1 200 OK`));
    assert.equal(text.split("100 Continue").length, 2);
  }),
);

test(
  "A body that is read once a response has begun is not asked for inside of it",
  inWorld(async () => {
    const text = await saidTo((request) => {
      const response = new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("begun"));
          await settle();
          void request.body!.getReader().read().catch(() => {});
          await settle();
          controller.enqueue(new TextEncoder().encode("over"));
          controller.close();
        },
      });
      return new Response(response);
    });
    assert.ok(text.startsWith("HTTP/1.1 200 OK"), text);
    assert.ok(!text.includes("100 Continue"), text);
  }),
);
