/** Handlers of streams that are over: a connection that ends waits for them, and not a moment longer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag } from "../../src/http2/constants.ts";
import { type HttpResponse, StreamResponse } from "../../src/runtime/http_response.ts";
import { settle, whole } from "../support/http1_world.ts";
import { http2World } from "../support/http2_world.ts";
import { inWorld } from "../support/world_test.ts";

for (const settles of ["gives a response", "fails"]) {
  test(
    `A connection that ends does so when the handler of a stream that was reset ${settles}`,
    inWorld(async () => {
      const handlers: PromiseWithResolvers<HttpResponse>[] = [];
      const world = await http2World(() => {
        handlers.push(Promise.withResolvers());
        return handlers.at(-1)!.promise;
      });
      const client = world.open();
      for (let stream = 0; stream < 2; stream++) client.reset(client.request());
      await settle();
      const last = client.request();
      await settle();
      const stopped = world.server.stop();
      await client.settled();
      client.ping(Flag.ACK, client.of("PING").at(-1)!.payload.slice());
      handlers.at(-1)!.resolve(whole("done"));
      await client.settled();
      assert.equal(client.text(last), "done");
      // Those that were reset within their piece have asked nobody.
      for (const handler of handlers.slice(0, -1)) {
        assert.equal(client.socket.ended, "no");
        if (settles === "fails") handler.reject(new Error("late"));
        else handler.resolve(whole("late"));
        await settle();
      }
      assert.notEqual(client.socket.ended, "no");
      await stopped;
    }),
  );

  test(
    `A connection that a client has left waits for handlers that were asked: one ${settles}`,
    inWorld(async () => {
      const handler = Promise.withResolvers<HttpResponse>();
      const world = await http2World(() => handler.promise);
      const client = world.open();
      const id = client.request();
      await settle();
      client.reset(id);
      await settle();
      const stopped = world.server.stop();
      await client.settled();
      client.ping(Flag.ACK, client.of("PING").at(-1)!.payload.slice());
      await settle();
      assert.equal(client.socket.ended, "no", "its handler has not settled");
      if (settles === "fails") handler.reject(new Error("late"));
      else handler.resolve(whole("late"));
      await settle();
      assert.notEqual(client.socket.ended, "no");
      await stopped;
    }),
  );
}

for (const how of ["its client resets it", "its client leaves", "we end"]) {
  test(
    `A response that waits for room is given up when ${how}`,
    inWorld(async () => {
      let isCancelled = false;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new Uint8Array(9)),
        cancel: () => void (isCancelled = true),
      });
      const world = await http2World(() => new StreamResponse(200, [], body));
      const client = world.open();
      await client.settled();
      // The system takes nothing more of what the client is sent.
      client.socket.room = 0;
      client.ping();
      await settle();
      const id = client.request();
      await settle();
      assert.equal(isCancelled, false);
      if (how === "its client resets it") client.reset(id);
      else if (how === "its client leaves") client.socket.close();
      else world.server.destroy();
      await settle();
      assert.equal(isCancelled, true);
    }),
  );
}
