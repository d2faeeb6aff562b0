import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import { COMPLETE, connectable, gate, hello, OVERLOADED, serve, turns } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "Requests over maxRequests are refused on every connection",
  inWorld(async () => {
    const goOn = gate();
    const { connect } = await serve(async () => {
      await goOn.promise;
      return new Response("x");
    }, { maxRequests: 2 });
    const [one, two] = [await connect(), await connect()];
    const taken = [one.begin(), two.begin()];
    await turns();
    assert.deepEqual(await one.begin().ended(), OVERLOADED);
    assert.deepEqual(await two.begin().ended(), OVERLOADED);
    goOn.resolve();
    for (const request of taken) assert.deepEqual(await request.ended(), COMPLETE);
    assert.deepEqual(await one.begin().ended(), COMPLETE);
  }),
);

test(
  "Requests over maxRequestsPerConnection are refused, and taken on another connection",
  inWorld(async () => {
    const goOn = gate();
    const { connect } = await serve(async () => {
      await goOn.promise;
      return new Response("done");
    }, { maxRequestsPerConnection: 2 });
    const [one, other] = [await connect(), await connect()];
    const held = [one.begin(), one.begin()];
    assert.deepEqual(await one.begin().ended(), OVERLOADED);
    held.push(other.begin());
    goOn.resolve();
    for (const request of held) assert.deepEqual(await request.ended(), COMPLETE);
    assert.deepEqual(await one.begin().ended(), COMPLETE);
  }),
);

test(
  "With multiplexing off a second request at once is refused",
  inWorld(async () => {
    const goOn = gate();
    const { connect } = await serve(async () => {
      await goOn.promise;
      return new Response("x");
    }, { multiplex: false });
    const client = await connect();
    const first = client.begin();
    const second = client.begin();
    const refused = { appStatus: 0, protocolStatus: ProtocolStatus.CANT_MPX_CONN };
    assert.deepEqual(await second.ended(), refused);
    goOn.resolve();
    assert.deepEqual(await first.ended(), COMPLETE);
  }),
);

test(
  "Connections over maxConnections are closed on arrival and reported",
  inWorld(async () => {
    const { connect, errors } = await serve(hello, { maxConnections: 1 });
    const first = await connect();
    const second = await connect();
    await second.until(() => second.closed);
    assert.match(String(errors[0]), /1 are open/);
    await first.destroy();
    await turns();
    const third = await connect();
    assert.deepEqual(await third.begin().ended(), COMPLETE);
  }),
);

test(
  "Parameters over their limits give 431, malformed ones 400, and neighbours go on",
  inWorld(async () => {
    const { connect } = await serve(hello, { paramsLengthMax: 1000, paramsMax: 6 });
    const client = await connect();
    const long = client.begin({ params: { HTTP_X: "x".repeat(1000) } });
    assert.equal((await long.answer()).headers[0], "Status: 431 Request Header Fields Too Large");
    assert.match(long.stderr, /longer than 1000 bytes/);
    const many = client.begin({ params: { A: "1", B: "2" } });
    assert.equal((await many.answer()).headers[0], "Status: 431 Request Header Fields Too Large");
    const malformed = client.begin({ params: { HTTP_HOST: "a/b" } });
    assert.equal((await malformed.answer()).headers[0], "Status: 400 Bad Request");
    const header = client.begin({ params: { HTTP_X: "a\nb" } });
    assert.equal((await header.answer()).headers[0], "Status: 400 Bad Request");
    assert.deepEqual(await client.begin().ended(), COMPLETE);
  }),
);

test(
  "A header section over headLengthMax gives 500",
  inWorld(async () => {
    const { connect } = await serve(
      () => new Response("x", { headers: { "x-long": "x".repeat(1000) } }),
      { headLengthMax: 1000 },
    );
    const client = await connect();
    const { headers } = await client.begin().answer();
    assert.equal(headers[0], "Status: 500 Internal Server Error");
  }),
);

test(
  "Bytes that are not FastCGI close their connection and no other",
  inWorld(async () => {
    const { runtime, server, connect, errors } = await serve(hello);
    const client = await connect();
    const stranger = await runtime.connect(connectable(server));
    await stranger.writable.getWriter().write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    assert.equal((await stranger.readable.getReader().read()).done, true);
    assert.match(String(errors[0]), /version "71"/);
    assert.deepEqual(await client.begin().ended(), COMPLETE);
    stranger.destroy();
  }),
);

test(
  "A web server that is silent in the middle of a request is let go of",
  inWorld(async () => {
    const { runtime, connect, errors } = await serve(
      async (request) => new Response(await request.text()),
      { inputTimeoutMs: 5_000 },
    );
    const [silent, idle] = [await connect(), await connect()];
    const request = silent.begin({ method: "POST", body: null });
    await turns();
    runtime.clock.advance(4_000);
    await turns();
    assert.equal(silent.closed, false);
    runtime.clock.advance(2_000);
    assert.equal(await request.ended(), "lost");
    assert.match(String(errors[0]), /nothing has come/);
    assert.deepEqual(await idle.begin().ended(), COMPLETE, "an idle connection owes nothing");
  }),
);

test(
  "A connection without requests is closed after idleTimeoutMs, one with a request is not",
  inWorld(async () => {
    const goOn = gate();
    const { runtime, connect } = await serve(async () => {
      await goOn.promise;
      return new Response("x");
    }, { idleTimeoutMs: 5_000 });
    const [idle, busy] = [await connect(), await connect()];
    const request = busy.begin();
    await turns();
    runtime.clock.advance(6_000);
    await idle.until(() => idle.closed);
    assert.equal(busy.closed, false);
    goOn.resolve();
    assert.deepEqual(await request.ended(), COMPLETE);
  }),
);

test(
  "A silent connection is let go of also when all others have come and gone before it",
  inWorld(async () => {
    const { runtime, connect } = await serve(hello, { idleTimeoutMs: 5_000 });
    for (let round = 0; round < 3; round++) {
      const client = await connect();
      assert.deepEqual(await client.begin().ended(), COMPLETE);
      await client.destroy();
      await turns();
      assert.equal(runtime.clock.timerCount, 0, "nobody is looked at");
    }
    const idle = await connect();
    await turns();
    for (let second = 0; second < 7; second++) {
      runtime.clock.advance(1_000);
      await turns();
    }
    assert.equal(idle.closed, true);
  }),
);

test(
  "A limit that makes no sense is refused",
  inWorld(async () => {
    await assert.rejects(serve(hello, { maxRequests: 0 }), /maxRequests "0"/);
    await assert.rejects(serve(hello, { idleTimeoutMs: -1 }), /idleTimeoutMs "-1"/);
  }),
);
