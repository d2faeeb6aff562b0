import assert from "node:assert/strict";
import { test } from "node:test";
import type { FastCgiHandler, ServerStatus } from "../../src/responder/options.ts";
import { ABORTED, CUT, gate, serve, turns } from "./setup.ts";
import { until } from "../support/idle.ts";
import type { WebServerClient } from "./web_server_client.ts";
import { inWorld } from "../support/world_test.ts";

/** Sends "part" at once, and fails when the test says so. */
function failingHandler(failure: Promise<void>): FastCgiHandler {
  return (request) => {
    if (request.url.endsWith("/other")) return new Promise<Response>(() => {});
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("part")),
        async pull(controller) {
          await failure;
          controller.error(new Error("no more"));
        },
      }),
    );
  };
}

test(
  "A body that fails on a connection of its own ends it before END_REQUEST",
  inWorld(async () => {
    const failure = gate();
    const { connect } = await serve(failingHandler(failure.promise));
    const client = await connect();
    const request = client.begin();
    await client.until(() => request.stdout.endsWith("part"));
    failure.resolve();
    assert.equal(await request.ended(), "lost");
    assert.equal(request.stdoutEnded, false);
    assert.match(request.stderr, /no more/);
  }),
);

test(
  "A body that fails beside another request is ended as OVERLOADED, with no end of STDOUT",
  inWorld(async () => {
    const failure = gate();
    const { connect } = await serve(failingHandler(failure.promise));
    const client = await connect();
    const other = client.begin({ uri: "/other" });
    const request = client.begin();
    await client.until(() => request.stdout.endsWith("part"));
    failure.resolve();
    assert.deepEqual(await request.ended(), CUT);
    assert.equal(request.stdoutEnded, false);
    assert.equal(other.end, undefined);
    assert.equal(client.closed, false);
  }),
);

test(
  "ABORT_REQUEST fires the signal and is answered though the handler goes on",
  inWorld(async () => {
    const goOn = gate();
    const aborted = gate<unknown>();
    let active = -1;
    const { connect } = await serve(async (request, { server }) => {
      if (request.url.endsWith("/active")) return new Response(String(server.requestsActive));
      request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason));
      await goOn.promise;
      active = server.requestsActive;
      return new Response("too late");
    });
    const client = await connect();
    const request = client.begin({ method: "POST", body: null });
    await turns();
    client.protocol.abort(request.id);
    await client.flush();
    assert.deepEqual(await request.ended(), ABORTED);
    assert.equal(((await aborted.promise) as Error).name, "AbortError");
    assert.equal(request.stdout, "");
    assert.equal((await client.begin({ uri: "/active" }).answer()).body, "2", "its place is held");
    goOn.resolve();
    await turns();
    assert.equal(active, 1);
    assert.equal((await client.begin({ uri: "/active" }).answer()).body, "1");
  }),
);

test(
  "An abort stops the body of a response",
  inWorld(async () => {
    const cancelled = gate<unknown>();
    const { connect } = await serve(() =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1000)),
          cancel: cancelled.resolve,
        }),
      )
    );
    const client = await connect();
    const request = client.begin();
    await client.until(() => request.stdoutLength > 10_000);
    client.protocol.abort(request.id);
    await client.flush();
    await cancelled.promise;
    assert.deepEqual(await request.ended(), ABORTED);
  }),
);

test(
  "A lost connection fires the signals of all its requests and fails their bodies",
  inWorld(async () => {
    const reasons: unknown[] = [];
    const { connect } = await serve(async (request) => {
      const body = await request.text().catch((error) => error);
      reasons.push(request.signal.reason, body);
      return new Response("nobody hears this");
    });
    const client = await connect();
    client.begin({ method: "POST", body: null });
    client.begin({ method: "POST", body: null });
    await turns();
    await client.destroy();
    await until(() => reasons.length === 4, "the end of both requests");
    for (const reason of reasons) {
      assert.match(String(reason), /connection to the web server is lost/);
    }
  }),
);

/** When a handler gives a body that nobody wants any more. */
const LATE: Readonly<Record<string, (client: WebServerClient, id: number) => Promise<void>>> = {
  "is aborted": async (client, id) => {
    client.protocol.abort(id);
    await client.flush();
  },
  "is lost": (client) => client.destroy(),
};

for (const [what, act] of Object.entries(LATE)) {
  test(
    `The body of a response that comes when its request ${what} is let go of, with the reason`,
    inWorld(async () => {
      const goOn = gate();
      const cancelled = gate<unknown>();
      const signals: AbortSignal[] = [];
      const { connect } = await serve(async (request) => {
        signals.push(request.signal);
        await goOn.promise;
        return new Response(new ReadableStream({ cancel: cancelled.resolve }));
      });
      const client = await connect();
      const { id } = client.begin();
      await turns();
      await act(client, id);
      await turns();
      goOn.resolve();
      assert.equal(await cancelled.promise, signals[0]!.reason);
    }),
  );
}

test(
  "A connection that is not read, for its handler's sake, ends with a shutdown, and its request with it",
  inWorld(async () => {
    let status: ServerStatus | undefined;
    let signal: AbortSignal | undefined;
    const { runtime, server, connect } = await serve((request, info) => {
      status = info.server;
      signal = request.signal;
      return new Promise((_, reject) =>
        signal!.addEventListener("abort", () => reject(signal!.reason))
      );
    }, { bodyBufferMax: 100 });
    const client = await connect();
    const request = client.begin({ method: "POST", body: null });
    client.protocol.sendStdin(request.id, new Uint8Array(1_000));
    void client.flush();
    await turns();
    const over = server.shutdown({ grace: 1 });
    await turns();
    runtime.clock.advance(1);
    await over;
    await turns();
    assert.equal(signal!.aborted, true);
    assert.deepEqual([status!.connectionsOpen, status!.requestsActive], [0, 0]);
  }),
);
