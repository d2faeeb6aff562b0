/** A server of the library that is shut down at any moment leaves nothing: no connection, no timer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpHandler, serveHttp } from "../../mod.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";

const GRACE_MS = 30_000;

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

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
