/**
 * Two upstreams over one application, as two threads have them: bounds hold for both together, and
 * what one has learnt the other knows.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { ownerOf } from "../../src/shared/owners.ts";
import { run } from "../../src/shared/steps.ts";
import { createUpstreamMemory, leaveUpstream } from "../../src/shared/upstream_memory.ts";
import { YIELD_IDLE_MS } from "../../src/upstream/server_connections.ts";
import { SharedUpstream } from "../../src/upstream/shared_upstream.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { UPSTREAM_DEFAULTS, type UpstreamSettings } from "../../src/upstream/options.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import {
  ADDRESS,
  type ApplicationOptions,
  ScriptedApplication,
} from "../support/scripted_application.ts";

const THREADS = 2;

const ONE = {
  connections: {
    max: 1,
    streamsMax: 1,
    idleTimeoutMs: undefined,
    requestsMax: 0,
    reuse: "auto" as const,
  },
};

async function world(
  settings: Partial<UpstreamSettings>,
  isShared: boolean,
  said: Partial<ApplicationOptions> = {},
) {
  const runtime = new MemoryRuntime();
  const application = new ScriptedApplication({ multiplex: isShared, values: "truth", ...said });
  await application.listen(runtime);
  const memory = createUpstreamMemory(THREADS, 1, 8);
  const { clock } = runtime;
  const shares: SharedUpstream[] = [];
  for (let thread = 0; thread < THREADS; thread++) {
    shares.push(
      new SharedUpstream({
        memory,
        thread,
        owner: ownerOf(thread, 0),
        leads: thread === 0,
        clock,
        ring: (other) => clock.setTimer(() => shares[other]!.look(), 0),
        tell: (server, news) =>
          shares.forEach((share, other) => other !== thread && share.hear(server, news)),
      }),
    );
  }
  const upstreams = shares.map((share) =>
    new Upstream({ servers: [ADDRESS], ...settings }, { runtime, share, random: () => 0 })
  );
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  };
  const advance = async (timeMs: number) => {
    for (let step = 0; step < 10; step++) {
      await settle();
      await clock.advance(timeMs / 10);
    }
    await settle();
  };
  await advance(100);
  const send = (thread: number, signal?: AbortSignal) => {
    const response = upstreams[thread]!.send({
      ...(signal && { signal }),
      id: "r1",
      role: Role.RESPONDER,
      method: "GET",
      body: undefined,
      params: () => encodeNameValues([["REQUEST_METHOD", "GET"]]),
    });
    response.catch(() => {});
    return response;
  };
  const ring = (thread: number) => shares[thread]!.look();
  const beat = () => shares.forEach((share) => share.beat());
  return { application, advance, beat, memory, ring, runtime, upstreams, send };
}

test("An application is asked once, by the thread that leads, and the others know", async () => {
  const { application, advance, upstreams, send } = await world({}, true);
  assert.equal(application.questions, 1);
  void send(1);
  await advance(10);
  assert.equal(application.questions, 1);
  assert.deepEqual(upstreams.map(({ servers }) => servers[0]!.mode), [
    "multiplexed",
    "multiplexed",
  ]);
});

test("What another thread could not reach is asked anew, unless it is being asked", async () => {
  const { advance, upstreams, send } = await world({}, true);
  const server = upstreams[1]!.servers[0]!;
  void send(1);
  await advance(10);
  assert.equal(server.mode, "multiplexed");
  for (const news of ["down", "up"] as const) server.hear(news);
  assert.equal(server.mode, "multiplexed", "its checks say nothing of how it takes requests");
  server.hear("failed");
  assert.equal(server.mode, "unknown");
});

test("A thread in which nothing waits any more does not ask for its turn", async () => {
  const { application, advance, runtime, send } = await world(ONE, false);
  const first = send(0);
  await advance(10);
  const { timerCount } = runtime.clock;
  const second = send(1);
  await advance(10);
  assert.ok(runtime.clock.timerCount > timerCount);
  (await application.next()).answer("one");
  await advance(500);
  // A response that takes its time, with nothing behind it.
  const request = await application.next();
  await advance(500);
  assert.equal(runtime.clock.timerCount, timerCount);
  request.answer("two");
  await Promise.all([first, second]);
});

test("A thread whose connections are idle gives one up for a request of another", async () => {
  const { application, advance, upstreams, send } = await world(ONE, false);
  const first = send(0);
  await advance(10);
  const request = await application.next();
  const second = send(1);
  await advance(10);
  assert.equal(application.begun, 0, "one connection is all there may be");
  assert.deepEqual(upstreams.map(({ queueLength }) => queueLength), [0, 1]);
  request.answer("one");
  await advance(500);
  (await application.next()).answer("two");
  await advance(10);
  await Promise.all([first, second]);
});

const OTHER = "unix:/run/other.sock";

/** Two servers, of which threads see both. */
async function twoServers(balance: "round_robin" | "least_requests") {
  const all = await world({ servers: [ADDRESS, OTHER], multiplex: "on", balance }, true);
  const other = new ScriptedApplication({ address: OTHER, multiplex: true });
  await other.listen(all.runtime);
  return { ...all, other, begun: () => [all.application.begun, other.begun] };
}

for (const balance of ["round_robin", "least_requests"] as const) {
  test(`With ${balance} servers have their turns in all threads, not in each`, async () => {
    const { application, advance, begun, other, send } = await twoServers(balance);
    for (let round = 1; round <= 4; round++) {
      const responses = [];
      for (let thread = 0; thread < THREADS; thread++) {
        responses.push(send(thread));
        await advance(10);
      }
      assert.deepEqual(begun(), [1, 1]);
      for (const one of [application, other]) (await one.next()).answer();
      await Promise.all(responses);
    }
  });
}

test("A server is as busy as all threads make it", async () => {
  const { advance, begun, memory, other, send } = await twoServers("least_requests");
  const sendAll = async (thread: number, count: number) => {
    for (let sent = 0; sent < count; sent++) {
      void send(thread);
      await advance(10);
    }
  };
  await sendAll(0, 4);
  assert.deepEqual(begun(), [2, 2]);
  for (let count = 0; count < 2; count++) (await other.next()).answer();
  await advance(10);
  await sendAll(1, 2);
  assert.deepEqual(begun(), [2, 2], "the second one had none");
  run(memory.words, leaveUpstream(memory, 0));
  await sendAll(1, 2);
  assert.deepEqual(begun(), [4, 2], "a dead thread has no requests");
});

test("The queue has one bound for all threads", async () => {
  const settings = { ...ONE, queue: { lengthMax: 1, timeoutMs: 30_000 } };
  const { advance, send } = await world(settings, false);
  void send(0);
  await advance(10);
  void send(1);
  await advance(1);
  await assert.rejects(send(0), /waiting already/);
});

test("What a dead thread held is free for the others", async () => {
  const { application, advance, memory, ring, send } = await world(ONE, false);
  void send(1);
  await advance(10);
  await application.next();
  void send(0);
  await advance(10);
  assert.equal(application.begun, 0);
  run(memory.words, leaveUpstream(memory, 1));
  ring(0);
  await advance(100);
  assert.equal(application.begun, 1);
});

test("A server that a configuration takes away and another one brings back is up for all threads", async () => {
  const [here, away] = [ADDRESS, "unix:/run/away.sock"] as const;
  const { advance, upstreams } = await world({
    servers: [here, away],
    health: { ...UPSTREAM_DEFAULTS.health, intervalMs: 1_000, fall: 1 },
  }, true);
  const [first] = upstreams;
  const areUp = () => upstreams.map(({ servers }) => servers.map(({ isUp }) => isUp));
  await advance(1_500);
  assert.deepEqual(areUp(), [[true, false], [true, false]]);
  const { servers } = first!.options;
  for (const upstream of upstreams) upstream.configureServers(servers.slice(0, 1));
  for (const upstream of upstreams) upstream.configureServers(servers);
  assert.deepEqual(areUp(), [[true, true], [true, true]], "nobody has asked it yet");
  await advance(1_500);
  assert.deepEqual(areUp(), [[true, false], [true, false]]);
});

test("Requests of all threads are counted as they begin, those of others for good", async () => {
  const { application, advance, upstreams, send } = await world({ supplied: true }, true);
  const begun = () => upstreams[0]!.servers[0]!.requestsBegun;
  void send(1);
  void send(0);
  await advance(10);
  assert.equal(begun(), 2);
  for (let count = 0; count < 2; count++) (await application.next()).answer();
  await advance(10);
  const all = upstreams[0]!.options.servers;
  for (const servers of [[], all]) {
    for (const upstream of upstreams) void upstream.useServers(servers);
    await advance(10);
  }
  assert.equal(begun(), 1, "what others did is not forgotten with the server");
  void send(1);
  await advance(10);
  assert.equal(begun(), 2);
});

test("What a thread was given while it had no server is its own when it has one again", async () => {
  const { application, advance, upstreams, send } = await world({ ...ONE, supplied: true }, false);
  const all = upstreams[1]!.options.servers;
  const first = send(0);
  await advance(10);
  const request = await application.next();
  const second = send(1);
  await advance(10);
  void upstreams[1]!.useServers([]);
  request.answer("one");
  await advance(500);
  void upstreams[1]!.useServers(all);
  await advance(10);
  assert.equal(application.begun, 1, "nobody rings, for nobody else has a request");
  (await application.next()).answer("two");
  await advance(10);
  await Promise.all([first, second]);
});

test("What one thread finds out of an application the others take over without a request", async () => {
  const { application, advance, beat, upstreams, send } = await world({}, true);
  void send(1);
  await advance(10);
  const request = await application.next();
  const modes = () => upstreams.map(({ servers }) => servers[0]!.mode);
  assert.deepEqual(modes(), ["multiplexed", "multiplexed"]);
  request.answer();
  upstreams[1]!.servers[0]!.stopMultiplexing();
  assert.deepEqual(modes(), ["multiplexed", "single"]);
  beat();
  assert.deepEqual(modes(), ["single", "single"]);
});

test("A connection that was in use a moment ago stays, for its next request mostly comes at once", async () => {
  const { application, advance, send } = await world(ONE, false);
  void send(0);
  await advance(10);
  const request = await application.next();
  const before = application.connections.length;
  void send(1);
  await advance(1);
  request.answer("one");
  await advance(YIELD_IDLE_MS / 2);
  assert.equal(application.begun, 0);
  void send(0);
  await advance(1);
  assert.equal(application.connections.length, before, "it is the same connection");
  (await application.next()).answer("two");
  await advance(2 * YIELD_IDLE_MS);
  (await application.next()).answer("three");
  assert.equal(application.connections.length, before + 1, "the other thread has its turn");
});

test("A response that is read on after its client was slow is not cut for another thread's request", async () => {
  const limits = { ...UPSTREAM_DEFAULTS.limits, responseBufferMax: 1_000, spillMax: 0 };
  const connections = { ...ONE.connections, max: 2 };
  const { application, advance, send } = await world({ connections, limits }, false);
  const slow = [send(0), send(0)];
  await advance(10);
  const requests = [await application.next(), await application.next()];
  for (const request of requests) {
    request.stdout("Content-Type: text/plain\n\n");
    for (let piece = 0; piece < 50; piece++) request.stdout("x".repeat(1_000));
  }
  await advance(10);
  // One waits here, and one in the other thread, which has nothing.
  const others = [send(0), send(1)];
  await advance(10);
  for (const [index, response] of slow.entries()) {
    const { body } = await response;
    assert.ok(body instanceof ReadableStream);
    const reader = body.getReader();
    let length = 0;
    while (length < 50_000) length += (await reader.read()).value!.length;
    requests[index]!.end();
    await advance(10);
    assert.equal((await reader.read()).done, true);
  }
  for (const _ of others) {
    (await application.next()).answer("fine");
    await advance(500);
  }
  await Promise.all(others);
});

test("What an application takes at once (FCGI_MAX_REQS) holds for all threads, and one may have all of it", async () => {
  const { application, advance, send } = await world({}, true, { requestsMax: 3 });
  const responses = [send(1), send(1), send(1)];
  await advance(10);
  assert.equal(application.begun, 3, "the other thread has none");
  responses.push(send(0), send(1), send(0));
  await advance(10);
  assert.equal(application.begun, 3);
  for (let count = 0; count < 6; count++) {
    assert.ok(application.begun <= 3);
    (await application.next()).answer("one");
    await advance(10);
  }
  await Promise.all(responses);
});

test("A thread that waits for an application that takes one request gets its turn", async () => {
  const { application, advance, send } = await world({}, true, { requestsMax: 1 });
  const own = [send(1), send(1), send(1), send(1)];
  await advance(10);
  let isServed = false;
  void send(0).then(() => isServed = true);
  await advance(10);
  for (let count = 0; count < 2; count++) {
    (await application.next()).answer("one");
    await advance(10);
  }
  assert.ok(isServed);
  for (let count = 0; count < 3; count++) {
    (await application.next()).answer("one");
    await advance(10);
  }
  await Promise.all(own);
});

test("A place at an application that a thread wanted for a client which left is free for the others", async () => {
  for (const leaves of ["before the place is given", "when it is given"] as const) {
    const { application, advance, send } = await world({}, true, { requestsMax: 1 });
    const first = send(0);
    await advance(10);
    const client = new AbortController();
    void send(1, client.signal);
    await advance(10);
    const request = await application.next();
    if (leaves === "before the place is given") client.abort(new Error("gone"));
    request.answer("one");
    if (leaves === "when it is given") client.abort(new Error("gone"));
    await advance(10);
    await first;
    for (const thread of [0, 1]) {
      const response = send(thread);
      await advance(200);
      assert.equal(application.begun, 1, `thread ${thread}, ${leaves}`);
      (await application.next()).answer("two");
      await advance(10);
      await response;
    }
  }
});

test("What a dead thread had at an application is free for the others", async () => {
  const { application, advance, memory, ring, send } = await world({}, true, { requestsMax: 1 });
  void send(1);
  await advance(10);
  await application.next();
  void send(0);
  await advance(10);
  assert.equal(application.begun, 0);
  run(memory.words, leaveUpstream(memory, 1));
  ring(0);
  await advance(10);
  assert.equal(application.begun, 1);
});
