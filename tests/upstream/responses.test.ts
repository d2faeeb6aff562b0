/** A response is complete or visibly cut, and what has no body gets none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordType } from "../../src/protocol/constants.ts";
import { EXCESS_LENGTH_MAX } from "../../src/upstream/response_body.ts";
import { codeOf, errorOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

/** Nothing is retried, so that each error is seen. */
const PLAIN = { multiplex: "on", retry: { attemptsMax: 0 } } as const;

test("A response that came whole is one array of bytes, and says where it came from", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const sent = world.send();
  (await application.next()).answer("hello", "Status: 404 Not Found\nX-A: 1\nContent-Length: 5\n");
  const response = await sent;
  assert.ok(response.body instanceof Uint8Array);
  assert.equal(response.head.status, 404);
  assert.deepEqual(response.head.headers, [["X-A", "1"], ["Content-Length", "5"]]);
  assert.deepEqual(response.source, {
    server: "tcp://127.0.0.1:9000",
    connection: 1,
    stream: 1,
    headMs: 0,
  });
  assert.deepEqual([response.progress.bytes, response.progress.ended], [5, true]);
  await world.close();
});

test("A response that goes on is a stream whose pieces come as they are written", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("Content-Type: text/event-stream\n\n");
  const { body, progress } = await response;
  let endings = 0;
  progress.onEnded = () => void endings++;
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
    const read = reader.read();
    request.stdout(event);
    assert.equal(new TextDecoder().decode((await read).value), event);
  }
  request.end();
  assert.equal((await reader.read()).done, true);
  assert.deepEqual([progress.bytes, progress.ended, progress.error], [18, true, undefined]);
  assert.equal(endings, 1);
  await world.close();
});

test("A response without STDOUT's end is complete at END_REQUEST", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\nbody");
  request.end();
  assert.equal(await textOf(await response), "body");
  await world.close();
});

test("A response is complete at STDOUT's end and a close, but not at a close alone", async () => {
  for (const finished of [true, false]) {
    const world = new UpstreamWorld(PLAIN);
    const application = await world.application();
    const response = world.send();
    const request = await application.next();
    request.stdout("A: 1\n\nbody");
    const text = textOf(await response);
    if (finished) request.endStdout();
    request.connection.close();
    if (finished) assert.equal(await text, "body");
    else assert.equal(await codeOf(text), "connection_lost");
    await world.close();
  }
});

test("A response whose connection breaks errors behind what had come", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\nhalf");
  const { body, progress } = await response;
  await world.settle();
  request.connection.close();
  await world.settle();
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "half");
  assert.equal(await codeOf(reader.read()), "connection_lost");
  assert.equal(progress.error?.code, "connection_lost");
  await world.close();
});

test("A response shorter than its Content-Length is refused while that is possible", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  (await application.next()).answer("1234", "Content-Length: 5\n");
  assert.equal(await codeOf(response), "bad_answer");
  await world.close();
});

test("A stream shorter than its Content-Length is cut", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("Content-Length: 5\n\n123");
  const { body, progress } = await response;
  request.stdout("4");
  request.end();
  await world.settle();
  assert.equal(await codeOf(new Response(body as ReadableStream).text()), "bad_answer");
  assert.ok(progress.bytes <= 4, `${progress.bytes} bytes`);
  await world.close();
});

test("What is beyond the Content-Length is dropped and told once, and the connection goes on", async () => {
  const stdout = "Content-Length: 5\n\n123456789";
  for (let cut = 1; cut <= stdout.length; cut++) {
    const world = new UpstreamWorld(PLAIN);
    const application = await world.application();
    const response = world.send();
    const request = await application.next();
    request.stdout(stdout.slice(0, cut));
    await world.settle();
    request.stdout(stdout.slice(cut) || "!");
    request.end();
    const { body, progress } = await response;
    assert.equal(await new Response(body as ReadableStream).text(), "12345", `cut at ${cut}`);
    assert.equal(progress.bytes, 5);
    assert.deepEqual(world.seen, ["flaw excess_body"]);
    const second = world.send();
    const next = await application.next();
    assert.equal(next.connection, request.connection);
    next.answer("fine");
    assert.equal(await textOf(await second), "fine");
    await world.close();
  }
});

test("A response that goes on without end behind its Content-Length is complete and given up", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("Content-Length: 5\n\n12345");
  const { body, progress } = await response;
  const reading = new Response(body as ReadableStream).text();
  for (let sent = 0; sent <= EXCESS_LENGTH_MAX; sent += 60_000) {
    assert.equal(request.isAborted, false);
    request.stdout("x".repeat(60_000));
    await world.settle();
  }
  await Promise.race([request.aborted, request.connection.closed]);
  assert.equal(await reading, "12345");
  assert.equal(progress.error, undefined);
  await world.close();
});

test("HEAD, 204 and 304 have no body, and a Content-Length of theirs is not held against them", async () => {
  for (
    const [method, headers] of [
      ["HEAD", "Content-Length: 500\n"],
      ["GET", "Status: 204\n"],
      ["GET", "Status: 304\nContent-Length: 500\n"],
    ] as const
  ) {
    const world = new UpstreamWorld(PLAIN);
    const application = await world.application();
    const sent = world.send({ method });
    (await application.next()).answer("should not be here", headers);
    const response = await sent;
    assert.equal(response.body, null);
    assert.equal(response.progress.ended, true);
    await world.settle();
    assert.equal(world.upstream.requestsOpen, 0);
    await world.close();
  }
});

test("An end without a header section is no response, and the application's status is told", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  for (
    const [stdout, expected] of [["", /it said nothing/], ["Content-Ty", /unfinished/]] as const
  ) {
    const response = world.send();
    const request = await application.next();
    request.stdout(stdout);
    request.end(0, 255);
    const error = await errorOf(response);
    assert.equal(error.code, "bad_answer");
    assert.match(error.message, expected);
    assert.match(error.message, /application status 255/);
  }
  await world.close();
});

test("A header section that is not CGI fails the request and aborts it; one over the limit has its own code", async () => {
  for (
    const [headers, code] of [
      ["HTTP/1.1 200 OK\n\n", "bad_answer"],
      ["A: 1\nContent-Length: x\n\n", "bad_answer"],
      [`A: ${"x".repeat(2_000)}`, "answer_too_large"],
    ] as const
  ) {
    const world = new UpstreamWorld({ ...PLAIN, limits: { responseHeaderMax: 1_000 } });
    const application = await world.application();
    const response = world.send();
    const request = await application.next();
    request.stdout(headers);
    assert.equal(await codeOf(response), code);
    await request.aborted;
    await world.close();
  }
});

test("An interim response is left out", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const sent = world.send();
  (await application.next()).answer("body", "Status: 103\nLink: </a>\n\nStatus: 200\nA: 1\n");
  const response = await sent;
  assert.equal(response.head.status, 200);
  assert.equal(await textOf(response), "body");
  await world.close();
});

test("A gateway that cancels the body has the request aborted", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\nsome");
  const { body, progress } = await response;
  await (body as ReadableStream).cancel();
  await request.aborted;
  assert.equal(progress.error?.code, "client_gone");
  await world.close();
});

test("A client that leaves while its response streams has the stream error at once", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const leaving = new AbortController();
  const sent = world.send({ signal: leaving.signal });
  const request = await application.next();
  request.stdout("A: 1\n\nsome");
  const response = await sent;
  await world.advance(100);
  leaving.abort();
  assert.equal(await codeOf(textOf(response)), "client_gone");
  await request.aborted;
  await world.close();
});

test("A slow reader moves from memory to a file to a pause, and gets every byte in order", async () => {
  const world = new UpstreamWorld({
    ...PLAIN,
    limits: { responseBufferMax: 10_000, spillMax: 40_000 },
  });
  const application = await world.application();
  const [first, other] = [world.send(), world.send()];
  const request = await application.next();
  const neighbour = await application.next();
  request.stdout("A: 1\n\n");
  const response = await first;
  const sent: string[] = [];
  const write = async (): Promise<void> => {
    sent.push(String.fromCharCode(97 + sent.length % 26).repeat(5_000));
    request.stdout(sent.at(-1)!);
    await world.settle();
  };
  for (let count = 0; count < 3; count++) await write();
  assert.deepEqual([world.spilled, world.runtime.files.temporaryCount], [5_000, 1]);
  neighbour.stdout("A: 1\n\nI go on");
  const otherResponse = await other;
  assert.deepEqual(world.seen, [], "memory and file: nobody waits");
  while (world.seen.length === 0) await write();
  assert.deepEqual(world.seen, ["paused"]);
  const [connection] = world.upstream.servers[0]!.connections;
  assert.equal(connection!.isPaused, true);
  assert.ok(world.spilled <= 50_000, `${world.spilled} bytes are in the file`);
  // A paused connection gets no new request.
  const third = world.send();
  const elsewhere = await application.next();
  assert.notEqual(elsewhere.connection, request.connection);
  for (let count = 0; count < 3; count++) await write();
  request.end();
  neighbour.end();
  assert.equal(await textOf(response), sent.join(""));
  assert.equal(await textOf(otherResponse), "I go on");
  assert.equal(connection!.isPaused, false);
  elsewhere.answer();
  await third;
  await world.close();
});

test("A client that leaves while its connection is paused for it sets the others free", async () => {
  const world = new UpstreamWorld({ ...PLAIN, limits: { responseBufferMax: 1_000, spillMax: 0 } });
  const application = await world.application();
  const leaving = new AbortController();
  const [response, other] = [world.send({ signal: leaving.signal }), world.send()];
  const request = await application.next();
  const neighbour = await application.next();
  request.stdout("A: 1\n\n");
  await response;
  await world.advance(100);
  request.stdout("x".repeat(3_000));
  await world.settle();
  assert.deepEqual(world.seen, ["paused"]);
  leaving.abort();
  neighbour.answer("free");
  assert.equal(await textOf(await other), "free");
  await world.close();
});

test("The room that an ended response makes does not let a paused connection read on", async () => {
  const world = new UpstreamWorld({ ...PLAIN, limits: { responseBufferMax: 1_000, spillMax: 0 } });
  const application = await world.application();
  const first = world.send();
  const one = await application.next();
  one.stdout("A: 1\n\n");
  const slow = await first;
  // In one piece: the pause and the end of what it is for.
  one.connection.records((records) => {
    records.stream(RecordType.STDOUT, 1, new Uint8Array(3_000));
    records.endRequest(1, 0, 0);
  });
  one.connection.forget(1);
  await world.settle();
  const second = world.send();
  const two = await application.next();
  assert.equal(two.id, 1, "the same id");
  two.stdout("A: 1\n\n");
  const response = await second;
  two.stdout(new Uint8Array(3_000));
  await world.settle();
  const [connection] = world.upstream.servers[0]!.connections;
  assert.equal(connection!.isPaused, true);
  assert.equal((await textOf(slow)).length, 3_000);
  assert.equal(connection!.isPaused, true, "it is paused for another request");
  two.end();
  assert.equal((await textOf(response)).length, 3_000);
  await world.close();
});

test("A temporary file that cannot be written cuts nothing: the response comes from memory", async () => {
  const world = new UpstreamWorld({ ...PLAIN, limits: { responseBufferMax: 1_000 } });
  world.runtime.files.temporary = () => Promise.reject(new Error("No space left on device"));
  const application = await world.application();
  const [sent, other] = [world.send(), world.send()];
  const request = await application.next();
  const neighbour = await application.next();
  request.stdout("A: 1\n\n");
  const response = await sent;
  request.stdout("x".repeat(3_000));
  await world.settle();
  request.stdout("x".repeat(3_000));
  await world.settle();
  assert.deepEqual(world.seen, ["paused"]);
  request.end();
  assert.equal((await textOf(response)).length, 6_000);
  neighbour.answer("fine");
  assert.equal(await textOf(await other), "fine");
  await world.close();
});

test("A write that fails lets the connection take nothing new, and what was answered still counts", async () => {
  const world = new UpstreamWorld(PLAIN);
  const application = await world.application();
  const first = world.send();
  const request = await application.next();
  const [connection] = world.upstream.servers[0]!.connections;
  connection!.onUnwritable();
  const second = world.send();
  const elsewhere = await application.next();
  assert.notEqual(elsewhere.connection, request.connection);
  request.answer("in time");
  assert.equal(await textOf(await first), "in time");
  await request.connection.closed;
  elsewhere.answer();
  await second;
  await world.close();
});
