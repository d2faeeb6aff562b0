import assert from "node:assert/strict";
import { test } from "node:test";
import { LINGER_MS } from "../../src/responder/responder_connection.ts";
import { connectable, gate, hello, OVERLOADED, serve, turns } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "A web server that does not close a connection that we have ended is not waited for",
  inWorld(async () => {
    const { runtime, server } = await serve(hello);
    const connection = await runtime.connect(connectable(server));
    const shutdown = server.shutdown();
    assert.equal((await connection.readable.getReader().read()).done, true);
    let finished = false;
    void server.finished.then(() => finished = true);
    await turns();
    assert.equal(finished, false);
    runtime.clock.advance(LINGER_MS);
    await shutdown;
  }),
);

test(
  "Shutdown finishes what is in flight, refuses what is new and then closes",
  inWorld(async () => {
    const goOn = gate();
    const { server, runtime, connect } = await serve(async () => {
      await goOn.promise;
      return new Response("finished");
    });
    const [busy, idle] = [await connect(), await connect()];
    const request = busy.begin();
    await turns();
    let finished = false;
    const shutdown = server.shutdown().then(() => finished = true);
    await idle.until(() => idle.closed);
    await assert.rejects(runtime.connect(connectable(server)));
    assert.deepEqual(await busy.begin().ended(), OVERLOADED);
    assert.equal(finished, false);
    goOn.resolve();
    assert.equal((await request.answer()).body, "finished");
    await shutdown;
    await server.finished;
    assert.equal(busy.closed, true);
  }),
);

test(
  "Shutdown closes what is left after its grace",
  inWorld(async () => {
    const { server, runtime, connect } = await serve(() => new Promise<Response>(() => {}));
    const client = await connect();
    const request = client.begin();
    await turns();
    const shutdown = server.shutdown({ grace: 1_000 });
    runtime.clock.advance(999);
    await turns();
    assert.equal(client.closed, false);
    runtime.clock.advance(1);
    await shutdown;
    assert.equal(await request.ended(), "lost");
  }),
);

test(
  "Shutdown waits for work that handlers left behind, and reports when it fails",
  inWorld(async () => {
    const goOn = gate();
    const { server, connect, errors } = await serve((_, { waitUntil }) => {
      waitUntil(goOn.promise.then(() => Promise.reject(new Error("work failed"))));
      return new Response("x");
    });
    const client = await connect();
    await client.begin().ended();
    await client.destroy();
    await turns();
    let finished = false;
    const shutdown = server.shutdown().then(() => finished = true);
    await turns();
    assert.equal(finished, false);
    goOn.resolve();
    await shutdown;
    assert.match(String(errors[0]), /work failed/);
  }),
);
