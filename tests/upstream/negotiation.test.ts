/** Whether an application multiplexes is asked once, remembered, and asked again when it was down. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import type { CallbackSocket, SocketConnectOptions } from "../../src/runtime/callback_socket.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { ManualClock, MemoryRuntime } from "../support/memory/memory.ts";
import { ConnectError } from "../../src/runtime/network.ts";
import { multiplexes, negotiate, NEGOTIATION_TIMEOUT_MS } from "../../src/upstream/negotiation.ts";
import { QUESTION_PATIENCE_MS } from "../../src/upstream/server_question.ts";
import {
  ADDRESS,
  type ApplicationOptions,
  ScriptedApplication,
} from "../support/scripted_application.ts";
import { codeOf, errorOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

test("Upstream asks an application once, on a connection of its own, and remembers the response", async () => {
  const world = new UpstreamWorld();
  const application = await world.application();
  for (let count = 0; count < 3; count++) {
    const response = world.send();
    (await application.next()).answer("hello");
    assert.equal(await textOf(await response), "hello");
  }
  assert.equal(application.questions, 1);
  assert.equal(world.upstream.servers[0]!.mode, "multiplexed");
  assert.equal(application.carriers.length, 1);
  await world.close();
});

test("Upstream asks once while many requests wait for the response, and places them all", async () => {
  const world = new UpstreamWorld();
  const application = await world.application();
  const responses = Array.from({ length: 50 }, () => world.send());
  for (let count = 0; count < 50; count++) (await application.next()).answer();
  await Promise.all(responses);
  assert.equal(application.questions, 1);
  assert.equal(application.carriers.length, 1);
  await world.close();
});

for (
  const [values, multiplex, expected] of [
    ["truth", false, "single"],
    ["truth_and_end", true, "multiplexed"],
    ["close", false, "single"],
    ["close", true, "multiplexed"],
    ["unknown_type", true, "single"],
    ["noise", true, "multiplexed"],
    ["noise", false, "single"],
    ["garbage", true, "single"],
    ["hang_up", true, "single"],
  ] as const satisfies readonly [ApplicationOptions["values"], boolean, string][]
) {
  test(`Upstream takes "${values}" of an application with multiplexing ${multiplex} as ${expected}`, async () => {
    const world = new UpstreamWorld();
    const application = await world.application({ values, multiplex });
    const response = world.send();
    (await application.next()).answer();
    await response;
    assert.equal(world.upstream.servers[0]!.mode, expected);
    await world.close();
  });
}

test("Upstream takes no response within a second as no, and not before", async () => {
  const world = new UpstreamWorld();
  const application = await world.application({ values: "silence" });
  const response = world.send();
  await world.settle();
  await world.advance(QUESTION_PATIENCE_MS);
  (await application.next()).answer("before it is known");
  assert.equal(await textOf(await response), "before it is known");
  await world.advance(NEGOTIATION_TIMEOUT_MS - QUESTION_PATIENCE_MS - 1);
  assert.equal(world.upstream.servers[0]!.mode, "asking");
  await world.advance(1);
  assert.equal(world.upstream.servers[0]!.mode, "single");
  assert.ok(application.connections[0]!.isClosed, "the connection that asked is closed");
  await world.close();
});

test("Upstream asks again after the server was down: it may be another application", async () => {
  const world = new UpstreamWorld({ retry: { attemptsMax: 0 } });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  application.stopListening();
  application.carriers[0]!.close();
  await world.settle();
  assert.equal(await codeOf(world.send()), "connect_failed");
  application.options = { multiplex: false };
  await application.listen(world.runtime);
  const second = world.send();
  (await application.next()).answer();
  await second;
  assert.equal(application.questions, 2);
  assert.equal(world.upstream.servers[0]!.mode, "single");
  await world.close();
});

test("Upstream that cannot ask fails the requests that wait, naming the address", async () => {
  const world = new UpstreamWorld({ retry: { attemptsMax: 0 } });
  const error = await errorOf(world.send());
  assert.equal(error.code, "connect_failed");
  assert.equal(error.server, ADDRESS);
  assert.equal(error.sent, false);
  assert.match(error.message, /127\.0\.0\.1:9000/);
  await world.close();
});

test("Upstream whose question is not taken in time fails with connect_timeout", async () => {
  const world = new UpstreamWorld({ timeouts: { connectMs: 700 }, retry: { attemptsMax: 0 } });
  world.runtime.network.silence(parseAddress(ADDRESS));
  const response = world.send();
  await world.settle();
  await world.advance(900);
  assert.equal(await codeOf(response), "connect_timeout");
  await world.close();
});

test("Upstream does not try a refusing server in circles while another one works", async () => {
  const other = "tcp://127.0.0.1:9001";
  const world = new UpstreamWorld({ servers: [ADDRESS, other], retry: { attemptsMax: 2 } });
  const application = await world.application({ address: other });
  const response = world.send();
  // Lost on the server that works, the request is left with the one that refuses.
  const request = await application.next();
  request.connection.close();
  await world.settle();
  await world.settle();
  const tries = world.runtime.network.connectCount(parseAddress(ADDRESS));
  assert.ok(tries <= 3, `${tries} connects`);
  await world.advance(250);
  await Promise.race([
    application.next().then((again) => again.answer("second")),
    response.catch(() => {}),
  ]);
  await response.catch(() => {});
  await world.close();
});

test("negotiate() gives the values as the application wrote them", async () => {
  const runtime = new MemoryRuntime();
  await new ScriptedApplication({}).listen(runtime);
  const response = await negotiate(runtime, parseAddress(ADDRESS), 1_000);
  assert.deepEqual(Object.fromEntries(response.values!), {
    FCGI_MAX_CONNS: "100",
    FCGI_MAX_REQS: "10000",
    FCGI_MPXS_CONNS: "1",
  });
  assert.equal(multiplexes(response), true);
  assert.equal(runtime.clock.timerCount, 0);
});

test("negotiate() is ended by its signal while it connects and while it waits", async () => {
  const runtime = new MemoryRuntime();
  const application = new ScriptedApplication({ values: "silence" });
  await application.listen(runtime);
  const stop = new AbortController();
  const asked = negotiate(runtime, parseAddress(ADDRESS), 1_000, 1_000, stop.signal);
  await Promise.resolve();
  stop.abort();
  const response = await asked.catch((error: unknown) => error);
  if (response instanceof Error) assert.ok(response instanceof ConnectError);
  else assert.equal((response as { values: unknown }).values, undefined);
  assert.equal(runtime.clock.timerCount, 0);
});

test("negotiate() without a limit for connecting waits for as long as it takes", async () => {
  const runtime = new MemoryRuntime();
  await new ScriptedApplication({}).listen(runtime);
  assert.ok((await negotiate(runtime, parseAddress(ADDRESS), 0)).values);
});

test("One that is called off in the moment in which its connection stands is not waited for", async () => {
  const clock = new ManualClock();
  const calling = new AbortController();
  const seen: string[] = [];
  const socket = {
    write: () => true,
    reset: () => void seen.push("reset"),
    peerProgress: () => "caught_up",
  };
  const runtime = {
    clock,
    connectSocket: ({ onSocket }: SocketConnectOptions) => {
      onSocket(socket as unknown as CallbackSocket);
      calling.abort();
      return Promise.resolve();
    },
  };
  const { outcome, values } = await negotiate(
    runtime as unknown as Runtime,
    parseAddress(ADDRESS),
    0,
    1_000,
    calling.signal,
  );
  assert.deepEqual([outcome, values, seen, clock.timerCount], ["silent", undefined, ["reset"], 0]);
});
