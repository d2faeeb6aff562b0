/** A server of the library that is shut down at any moment leaves nothing: no connection, no timer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpHandler, serveHttp } from "../../mod.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { GET, type ServeWorld, serveWorld } from "./world.ts";

const GRACE_MS = 30_000;

interface Moment {
  /** What the client has sent; undefined: there is none. */
  readonly sent?: string;
  readonly isHeld?: boolean;
  readonly hasWork?: boolean;
  /** Whether what is under way ends by itself. */
  readonly ends: boolean;
}

const MOMENTS: Readonly<Record<string, Moment>> = {
  "before any client": { ends: true },
  "with a silent client": { sent: "", ends: true },
  "behind a response": { sent: GET, ends: true },
  "with a request that ends": { sent: GET, isHeld: true, ends: true },
  "with a request that does not": { sent: GET, isHeld: true, ends: false },
  "with work behind a response that ends": { sent: GET, hasWork: true, ends: true },
  "with work behind a response that does not": { sent: GET, hasWork: true, ends: false },
};

for (const [moment, { sent, isHeld = false, hasWork = false, ends }] of Object.entries(MOMENTS)) {
  test(`A shutdown ${moment} leaves nothing`, async () => {
    const runtime = new MemoryRuntime();
    const goOn = Promise.withResolvers<void>();
    const handler: HttpHandler = async (_request, info) => {
      if (hasWork) info.waitUntil(goOn.promise);
      if (isHeld) await goOn.promise;
      return new Response("x");
    };
    const server = await serveHttp(handler, { listen: "127.0.0.1:8080", runtime });
    const socket = new MemoryCallbackSocket();
    if (sent !== undefined) {
      const address = { transport: "tcp", host: "127.0.0.1", port: 8080 } as const;
      socket.events = runtime.connectClient(address, socket);
      if (sent !== "") socket.send(sent);
    }
    await untilIdle();
    let isOver = false;
    const over = server.shutdown({ grace: GRACE_MS }).then(() => isOver = true);
    await untilIdle();
    const isBusy = isHeld || hasWork;
    if (isBusy) {
      runtime.clock.advance(GRACE_MS - 1);
      await untilIdle();
      assert.equal(isOver, false, "it has its grace");
      if (ends) goOn.resolve();
      else runtime.clock.advance(1);
      await untilIdle();
    }
    await over;
    await server.finished;
    if (sent !== undefined) assert.notEqual(socket.ended, "no");
    assert.equal(runtime.clock.timerCount, 0, "a timer is left");
    goOn.resolve();
  });
}

/** Each is asked something that goes on until it is let. */
const CLIENTS: Readonly<Record<string, (world: ServeWorld) => () => string | undefined>> = {
  "HTTP/1.1": (world) => {
    const socket = world.open(GET);
    return () => /\r\n\r\n(.+)$/.exec(socket.text)?.[1];
  },
  "HTTP/2": (world) => {
    const client = world.openHttp2();
    const id = client.request();
    return () => client.read().text(id) || undefined;
  },
};

for (const [protocol, ask] of Object.entries(CLIENTS)) {
  test(`A shutdown gives a request of ${protocol} 30 seconds where nobody says otherwise`, async () => {
    for (const graceMs of [undefined, 5_000, 0]) {
      const world = await serveWorld(() => new Promise(() => {}));
      ask(world);
      await untilIdle();
      const told: string[] = [];
      void world.server.finished.then(() => told.push("finished"));
      const options = graceMs === undefined ? [] as const : [{ grace: graceMs }] as const;
      void world.server.shutdown(...options).then(() => told.push("shut down"));
      // Another one is the same one, whatever it says.
      void world.server.shutdown({ grace: 1 }).then(() => told.push("again"));
      if (graceMs !== 0) {
        await world.advance((graceMs ?? 30_000) - 1);
        assert.deepEqual(told, []);
        await world.advance(1);
      } else await world.advance(0);
      assert.deepEqual(told.toSorted(), ["again", "finished", "shut down"]);
      assert.equal(world.runtime.clock.timerCount, 0);
      await world.server.shutdown();
    }
  });

  test(`A shutdown waits for a request of ${protocol}, then for work, then for work of that work`, async () => {
    const response = Promise.withResolvers<Response>();
    const works = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const world = await serveWorld((_request, info) => {
      info.waitUntil(works[0].promise.then(() => info.waitUntil(works[1].promise)));
      return response.promise;
    });
    const said = ask(world);
    await untilIdle();
    let isOver = false;
    const over = world.server.shutdown().then(() => isOver = true);
    const steps = [
      () => response.resolve(new Response("late")),
      ...works.map(({ resolve }) => resolve),
    ];
    for (const step of steps) {
      await world.advance(1_000);
      assert.equal(isOver, false);
      step();
    }
    await untilIdle();
    assert.equal(isOver, true);
    await over;
    assert.equal(said(), "late");
    assert.equal(world.runtime.clock.timerCount, 0);
    assert.throws(() => world.open(), /Nobody listens/);
  });
}

test("A server knows where it listens", async () => {
  const world = await serveWorld(() => new Response("x"));
  assert.deepEqual(world.server.addr, { transport: "tcp", host: "127.0.0.1", port: 8080 });
  await world.server.shutdown();
});
