/** Bodies on their way to the application: streamed or gathered, in turns, exact, and broken off. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Role } from "../../src/protocol/constants.ts";
import { TURN_LENGTH_MAX } from "../../src/protocol/stdin_turns.ts";
import type { ScriptedApplication } from "../support/scripted_application.ts";
import { bodyOf, codeOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const ON = { multiplex: "on", retry: { attemptsMax: 0 } } as const;
const OFF = { multiplex: "off", retry: { attemptsMax: 0 } } as const;

async function connected(world: UpstreamWorld): Promise<ScriptedApplication> {
  const application = await world.application();
  const response = world.send();
  (await application.next()).answer();
  await response;
  return application;
}

test("A body of known length streams to an application that multiplexes, as it comes", async () => {
  const world = new UpstreamWorld(ON);
  const application = await connected(world);
  const { body, feed } = fedBody(6);
  const response = world.send({ method: "POST", body });
  const request = await application.next();
  assert.equal(request.params.get("CONTENT_LENGTH"), "6");
  feed.enqueue(new TextEncoder().encode("one"));
  await world.settle();
  assert.equal(request.stdinLength, 3);
  feed.enqueue(new TextEncoder().encode("two"));
  feed.close();
  assert.equal(await request.stdin, "onetwo");
  request.answer();
  await response;
  await world.close();
});

test("A body of unknown length is gathered and goes out with its exact length", async () => {
  const world = new UpstreamWorld(ON);
  const application = await connected(world);
  const { body, feed } = fedBody();
  const response = world.send({ method: "POST", body });
  feed.enqueue(new TextEncoder().encode("one"));
  await world.settle();
  assert.equal(application.begun, 0);
  feed.enqueue(new TextEncoder().encode("two!"));
  feed.close();
  const request = await application.next();
  assert.equal(request.params.get("CONTENT_LENGTH"), "7");
  assert.equal(await request.stdin, "onetwo!");
  request.answer();
  await response;
  await world.close();
});

test("A body is gathered before an application that cannot multiplex is bothered", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const { body, feed } = fedBody(6);
  const response = world.send({ method: "POST", body });
  feed.enqueue(new TextEncoder().encode("one"));
  await world.settle();
  assert.equal(application.connections.length, 0);
  feed.enqueue(new TextEncoder().encode("two"));
  feed.close();
  const request = await application.next();
  assert.equal(await request.stdin, "onetwo");
  request.answer();
  await response;
  await world.close();
});

test("A body over its memory goes on to a temporary file, byte for byte, and the file goes with it", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const text = Array.from({ length: 50_000 }, (_, index) => `${index},`).join("");
  const response = world.send({ method: "POST", body: { ...bodyOf(text), memoryMax: 1_000 } });
  const request = await application.next();
  assert.equal(world.runtime.files.temporaryCount, 1);
  assert.equal(await request.stdin, text);
  request.answer();
  await response;
  assert.equal(world.runtime.files.temporaryCount, 0);
  await world.close();
});

test("A body that breaks off while it is gathered never reaches the application", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const { body, feed } = fedBody();
  const response = world.send({ method: "POST", body: { ...body, memoryMax: 1 } });
  feed.enqueue(new Uint8Array(10));
  await world.settle();
  feed.error(new Error("gone"));
  assert.equal(await codeOf(response), "request_body_failed");
  assert.equal(application.connections.length, 0);
  assert.deepEqual(world.seen, ["error request_body_failed"]);
  await world.close();
});

test("A body that breaks off while it streams aborts the request, and not its neighbours", async () => {
  const world = new UpstreamWorld(ON);
  const application = await connected(world);
  const { body, feed } = fedBody(100);
  const response = world.send({ method: "POST", body });
  const request = await application.next();
  const other = world.send();
  const neighbour = await application.next();
  feed.enqueue(new Uint8Array(10));
  feed.error(new Error("gone"));
  assert.equal(await codeOf(response), "request_body_failed");
  await request.aborted;
  neighbour.answer("fine");
  assert.equal(await textOf(await other), "fine");
  await world.close();
});

test("A body shorter or longer than its declared length fails, streamed and gathered", async () => {
  for (const settings of [ON, OFF]) {
    for (const declared of [4, 6]) {
      const world = new UpstreamWorld(settings);
      const application = await connected(world);
      const response = world.send({ method: "POST", body: bodyOf("12345", declared) });
      assert.equal(
        await codeOf(response),
        "request_body_failed",
        `${settings.multiplex} ${declared}`,
      );
      await world.settle();
      assert.ok(application.begun <= 1);
      await world.close();
    }
  }
});

test("A client that leaves while its body is gathered is heard at once, and nothing is left", async () => {
  const world = new UpstreamWorld(OFF);
  await world.application();
  const leaving = new AbortController();
  const { body, feed, cancelled } = fedBody();
  const response = world.send({
    method: "POST",
    body: { ...body, memoryMax: 1 },
    signal: leaving.signal,
  });
  feed.enqueue(new Uint8Array(10));
  await world.settle();
  leaving.abort();
  assert.equal(await codeOf(response), "client_gone");
  await cancelled;
  await world.close();
});

test("Uploads on one connection take turns: a small one does not wait for a large one", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { max: 1 } });
  const application = await connected(world);
  const [carrier] = application.connections;
  carrier!.stopReading();
  const large = new Uint8Array(40 * TURN_LENGTH_MAX);
  const body = { stream: new Blob([large]).stream(), length: large.length, memoryMax: 1 };
  const first = world.send({ method: "PUT", body });
  await world.settle();
  const second = world.send({ method: "PUT", body: bodyOf("small") });
  await world.settle();
  carrier!.readOn();
  const [one, two] = [await application.next(), await application.next()];
  assert.equal(await two.stdin, "small");
  assert.equal((await one.stdin).length, large.length);
  assert.deepEqual(carrier!.stdinEnds.slice(1), [two.id, one.id], "the large one began before");
  one.answer();
  two.answer();
  await Promise.all([first, second]);
  await world.close();
});

test("A slow application slows the upload down: little of it is pulled from the client", async () => {
  const world = new UpstreamWorld(ON);
  const application = await connected(world);
  application.connections[0]!.stopReading();
  let pulled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 50_000;
      controller.enqueue(new Uint8Array(50_000));
      if (pulled === 5_000_000) controller.close();
    },
  }, { highWaterMark: 0 });
  const response = world.send({ method: "PUT", body: { stream, length: 5_000_000, memoryMax: 1 } });
  await world.settle();
  assert.ok(pulled < 1_000_000, `${pulled} bytes were pulled`);
  application.connections[0]!.readOn();
  const request = await application.next();
  assert.equal((await request.stdin).length, 5_000_000);
  request.answer();
  await response;
  await world.close();
});

test("A response before the body has ended is given, and the rest of the body is not asked for", async () => {
  const world = new UpstreamWorld(ON);
  const application = await connected(world);
  const { body, feed, cancelled } = fedBody(1_000);
  const response = world.send({ method: "POST", body });
  feed.enqueue(new Uint8Array(10));
  (await application.next()).answer("enough");
  assert.equal(await textOf(await response), "enough");
  await cancelled;
  const next = world.send();
  const request = await application.next();
  request.answer("next");
  assert.equal(await textOf(await next), "next");
  await world.close();
});

test("A responder without a body gets the end of STDIN at once", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  assert.equal(await request.stdin, "");
  assert.equal(request.params.get("CONTENT_LENGTH"), "");
  request.answer();
  await response;
  await world.close();
});

test("An authorizer gets parameters and no STDIN", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const response = world.send({ role: Role.AUTHORIZER, params: [["A", "1"]] });
  const request = await application.next();
  assert.deepEqual([request.role, request.params.get("A")], [Role.AUTHORIZER, "1"]);
  await world.settle();
  assert.equal(request.stdinLength, 0);
  request.answer("", "Status: 200\nVariable-USER: me\n");
  assert.deepEqual((await response).head.headers, [["Variable-USER", "me"]]);
  await world.close();
});

test("A filter gets STDIN and then DATA, each to its end", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  for (const body of [bodyOf("the form"), undefined]) {
    const response = world.send({ role: Role.FILTER, body, data: bodyOf("the file") });
    const request = await application.next();
    assert.equal(request.role, Role.FILTER);
    assert.equal(await request.stdin, body === undefined ? "" : "the form");
    assert.equal(await request.data, "the file");
    request.answer("filtered");
    assert.equal(await textOf(await response), "filtered");
  }
  await world.close();
});

test("The gathered STDIN of a filter is freed when its DATA breaks off", async () => {
  const world = new UpstreamWorld(ON);
  await world.application();
  const { body: data, feed } = fedBody();
  const body = { ...bodyOf("the form"), memoryMax: 1 };
  const response = world.send({ role: Role.FILTER, body, data });
  await world.settle();
  assert.equal(world.runtime.files.temporaryCount, 1);
  feed.error(new Error("gone"));
  assert.equal(await codeOf(response), "request_body_failed");
  await world.close();
});
