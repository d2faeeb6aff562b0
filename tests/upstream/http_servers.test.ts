/** HTTP servers in the pool of an upstream: kept connections, retries, limits, and what spoils one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import {
  ClientSide,
  HttpWorld,
  OK,
  ScriptedServer,
  SWITCHED,
} from "../support/http_upstream_world.ts";
import { bodyOf, codeOf, fedBody, textOf } from "../support/upstream_world.ts";

test("Requests to an HTTP server go one behind the other on a kept connection", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  for (const target of ["/a", "/b", "/c"]) {
    const response = world.ask(target);
    await world.settle();
    server.connections[0]!.say(OK);
    assert.equal(await textOf(await response), "ok");
    await world.settle();
  }
  assert.equal(server.connections.length, 1);
  assert.equal(
    server.received[0],
    ["/a", "/b", "/c"].map((target) => `GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`).join(""),
  );
  await world.close();
});

test("What is asked at the same time has a connection each, up to connections.max", async () => {
  const world = new HttpWorld({ connections: { max: 2 } });
  const server = await new ScriptedServer().listen(world);
  const responses = ["/a", "/b", "/c"].map((target) => world.ask(target));
  await world.settle();
  assert.equal(server.connections.length, 2);
  assert.equal(world.upstream.queueLength, 1);
  for (const connection of server.connections) connection.say(OK);
  await Promise.all(responses.slice(0, 2));
  await world.settle();
  const third = server.connections.find(({ received }) => received.includes("/c"))!;
  third.say(OK);
  assert.equal(await textOf(await responses[2]!), "ok");
  await world.close();
});

test("A connection that says close, or says more than its response, is not used again", async () => {
  const spoilt = [
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
    `${OK}\r\n`,
  ];
  for (const text of spoilt) {
    const world = new HttpWorld();
    const server = await new ScriptedServer().listen(world);
    const first = world.ask("/first");
    await world.settle();
    server.connections[0]!.say(text);
    assert.equal(await textOf(await first), "ok", text);
    const second = world.ask("/second");
    await world.settle();
    assert.equal(server.connections.length, 2, text);
    server.connections[1]!.say(OK.replace("ok", "2."));
    assert.equal(await textOf(await second), "2.", text);
    await world.close();
  }
});

test("What an idle connection says is nobody's response: it is closed", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  const first = world.ask("/first");
  await world.settle();
  server.connections[0]!.say(OK);
  await first;
  await world.settle();
  server.connections[0]!.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  await world.settle();
  assert.equal(world.connectionCount, 0);
  await world.close();
});

test("A kept connection that closes under a request that may be repeated costs nothing", async () => {
  for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
    const world = new HttpWorld();
    const server = await new ScriptedServer().listen(world);
    const first = world.ask("/first");
    await world.settle();
    server.connections[0]!.say(OK);
    await first;
    await world.settle();
    const second = world.ask("/second", { method });
    await world.settle();
    const used = server.connections.findLast(({ received }) => received.includes("/second"))!;
    used.destroy();
    await world.settle();
    const fresh = server.connections.at(-1)!;
    assert.notEqual(fresh, used, method);
    fresh.say(OK);
    assert.equal((await second).head.status, 200, method);
    await world.settle();
    await world.close();
  }
});

test("A request that a fresh connection loses, or that got some of a response, is not repeated", async () => {
  for (const said of ["", "HTTP/1.1 200"]) {
    const world = new HttpWorld();
    const server = await new ScriptedServer().listen(world);
    const response = world.ask("/only");
    await world.settle();
    server.connections[0]!.say(said);
    await world.settle();
    server.connections[0]!.destroy();
    assert.equal(await codeOf(response), "connection_lost", said);
    assert.equal(server.connections.length, 1, said);
    await world.close();
  }
});

test("A POST goes on a connection of which nobody knows whether it is open, never", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  const first = world.ask("/first");
  await world.settle();
  server.connections[0]!.say(OK);
  await first;
  await world.settle();
  const post = world.ask("/post", { method: "POST", body: bodyOf("abc") });
  await world.settle();
  const carrier = server.connections.find(({ received }) => received.includes("/post"))!;
  assert.notEqual(carrier, server.connections[0]);
  assert.equal(
    carrier.received,
    "POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
  );
  carrier.say(OK);
  await post;
  await world.settle();
  await world.close();
});

test("A POST that was sent is never sent again", async () => {
  const world = new HttpWorld({ retry: { sameServer: true } });
  const server = await new ScriptedServer().listen(world);
  const post = world.ask("/post", { method: "POST", body: bodyOf("abc") });
  await world.settle();
  server.connections[0]!.destroy();
  assert.equal(await codeOf(post), "connection_lost");
  assert.equal(server.connections.length, 1);
  await world.close();
});

test("A body goes as it comes, in chunks where nobody knows its length", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  const { body, feed } = fedBody();
  const response = world.ask("/up", { method: "POST", body });
  feed.enqueue(latin1("Hello"));
  await world.settle();
  const headers = "POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  assert.equal(server.received[0], `${headers}5\r\nHello\r\n`);
  feed.enqueue(latin1(", world"));
  feed.close();
  await world.settle();
  assert.equal(server.received[0], `${headers}5\r\nHello\r\n7\r\n, world\r\n0\r\n\r\n`);
  server.connections[0]!.say(OK);
  assert.equal(await textOf(await response), "ok");
  await world.close();
});

test("A body that breaks off is not made whole: its connection ends", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  const { body, feed } = fedBody();
  const response = world.ask("/up", { method: "POST", body });
  feed.enqueue(latin1("Hello"));
  await world.settle();
  feed.error(new Error("gone"));
  assert.equal(await codeOf(response), "request_body_failed");
  await world.settle();
  assert.equal(server.connections[0]!.isEnded, true);
  assert.ok(!server.received[0]!.endsWith("0\r\n\r\n"));
  await world.close();
});

test("A response that comes before the request's end is the client's, and the connection goes", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  const { body, feed } = fedBody(1000);
  const response = world.ask("/up", { method: "POST", body });
  feed.enqueue(latin1("Hello"));
  await world.settle();
  server.connections[0]!.say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  assert.equal((await response).head.status, 413);
  await world.settle();
  assert.equal(world.connectionCount, 0);
  await world.close();
});

test("What is no response is an error of its own, and nobody else's", async () => {
  const faults: [string, string][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "bad_answer"],
    ["\x01\x06\x00\x01", "bad_answer"],
    [`HTTP/1.1 200 OK\r\nA: ${"a".repeat(70_000)}\r\n\r\n`, "answer_too_large"],
  ];
  for (const [text, code] of faults) {
    const world = new HttpWorld();
    const server = await new ScriptedServer().listen(world);
    const response = world.ask("/bad");
    await world.settle();
    server.connections[0]!.say(text);
    assert.equal(await codeOf(response), code);
    await world.settle();
    assert.equal(world.connectionCount, 0);
    assert.equal(server.connections.length, 1, "it is not asked again");
    await world.close();
  }
});

test("A body that breaks off is an error of the stream, and a whole one none", async () => {
  const bodies: [string, boolean, boolean][] = [
    ["Content-Length: 9\r\n\r\nHello", true, false],
    ["Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n", true, false],
    ["Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\nx\r\n", true, false],
    ["\r\nHello", true, true],
    ["\r\nHello", false, false],
  ];
  for (const [text, isClean, isWhole] of bodies) {
    const world = new HttpWorld();
    const server = await new ScriptedServer().listen(world);
    const response = world.ask("/body");
    await world.settle();
    server.connections[0]!.say(`HTTP/1.1 200 OK\r\n${text}`);
    // One that is known to be broken by then has no response at all.
    const body = response.then(textOf);
    body.catch(() => {});
    await world.settle();
    if (isClean) server.connections[0]!.end();
    else server.connections[0]!.breakOff();
    if (isWhole) assert.equal(await body, "Hello");
    else await assert.rejects(body, text);
    await world.settle();
    await world.close();
  }
});

test("A client that leaves ends its connection, as nothing else ends a request of HTTP/1.1", async () => {
  const world = new HttpWorld();
  const server = await new ScriptedServer().listen(world);
  const leaving = new AbortController();
  const response = world.ask("/slow", { signal: leaving.signal });
  await world.advance(100);
  leaving.abort();
  assert.equal(await codeOf(response), "client_gone");
  await world.settle();
  assert.equal(server.connections[0]!.isEnded, true);
  await world.close();
});

test("Time limits hold as for FastCGI: to begin a response, and between two pieces of one", async () => {
  const world = new HttpWorld({ timeouts: { firstByteMs: 1000, idleMs: 1000 } });
  const server = await new ScriptedServer().listen(world);
  const silent = world.ask("/silent");
  await world.settle();
  server.connections[0]!.say("HTTP/1.1 103 Early Hints\r\n\r\n");
  await world.advance(1100);
  assert.equal(await codeOf(silent), "first_byte_timeout", "an interim response is none");
  const stuck = world.ask("/stuck");
  await world.settle();
  server.connections[1]!.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHe");
  const body = textOf(await stuck);
  body.catch(() => {});
  await world.advance(1100);
  await assert.rejects(body, /Nothing more/);
  await world.close();
});

test("A tunnel has its own limits, and takes no connection from requests", async () => {
  const world = new HttpWorld({
    connections: { max: 1 },
    tunnels: { max: 1, idleMs: 10_000 },
    timeouts: { totalMs: 5_000 },
  });
  const server = await new ScriptedServer().listen(world);
  const client = new ClientSide();
  const open = () => world.ask("/ws", { http: client.http });
  const opening = open();
  await world.settle();
  const tunnel = server.connections[0]!;
  assert.ok(tunnel.received.endsWith("connection: upgrade\r\nupgrade: websocket\r\n\r\n"));
  tunnel.say(`${SWITCHED}hi`);
  const switched = await opening;
  assert.equal(switched.head.status, 101);
  assert.equal(world.upstream.tunnelsOpen, 1);
  assert.equal(await codeOf(open()), "tunnels_full");
  const plain = world.ask("/plain");
  await world.settle();
  server.connections[1]!.say(OK);
  assert.equal(await textOf(await plain), "ok");
  const reader = (switched.body as ReadableStream<Uint8Array>).getReader();
  assert.equal(fromLatin1((await reader.read()).value!), "hi");
  for (let round = 0; round < 3; round++) {
    await world.advance(8_000);
    client.send("a");
    await world.settle();
    await world.advance(8_000);
    tunnel.say("b");
    assert.equal(fromLatin1((await reader.read()).value!), "b");
  }
  assert.ok(tunnel.received.endsWith("aaa"));
  const ending = reader.read();
  ending.catch(() => {});
  await world.advance(10_100);
  await assert.rejects(ending, /Nothing went through the tunnel/);
  await world.settle();
  assert.equal(world.upstream.tunnelsOpen, 0);
  assert.equal(tunnel.isEnded, true);
  await world.close();
});

test("Health checks ask an HTTP server with a GET", async () => {
  const world = new HttpWorld({
    health: { intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1, script: "/up?a=b" },
  });
  const server = await new ScriptedServer().listen(world);
  await world.advance(1000);
  assert.match(server.received[0]!, /^GET \/up\?a=b HTTP\/1\.1\r\nhost: /);
  server.connections[0]!.say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  await world.advance(200);
  assert.match(world.seen.join(), /is down/);
  await world.advance(1000);
  server.connections.at(-1)!.say(OK);
  await world.advance(200);
  assert.match(world.seen.join(), /is up/);
  await world.close();
});
