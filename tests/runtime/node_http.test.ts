/** What `node:http` gives that the runtimes' own servers do not, and what it is kept from. */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { HttpPeer } from "../../src/runtime/runtime.ts";
import { bodyOf, decode, encode, rawHttp, runtime, serve, statusOf, turn } from "./support.ts";

const NODE = { engine: "node" } as const;
const END = "Host: test\r\nConnection: close\r\n\r\n";

test("The target arrives as it was sent, whatever is in it", async () => {
  const server = await serve((request) => new Response(request.url), NODE);
  for (const target of ["/a/../%2e%2e/b", "/a\\b", "//c//d", "/?q#f", "/%zz", "/a|b"]) {
    const answer = await rawHttp(server.address, `GET ${target} HTTP/1.1\r\n${END}`);
    assert.equal(bodyOf(answer), `http://test${target}`);
  }
  const absolute = await rawHttp(server.address, `GET http://other/../p HTTP/1.1\r\n${END}`);
  assert.equal(bodyOf(absolute), "http://other/../p");
  await server.stop();
});

test("The handler is told what version the client speaks", async () => {
  const server = await serve((_, peer) => new Response(peer.protocol), NODE);
  assert.equal(bodyOf(await rawHttp(server.address, `GET / HTTP/1.1\r\n${END}`)), "HTTP/1.1");
  assert.equal(bodyOf(await rawHttp(server.address, "GET / HTTP/1.0\r\n\r\n")), "HTTP/1.0");
  await server.stop();
});

test("Early hints go out before the answer, and only to who understands them", async () => {
  const told: (HttpPeer["earlyHints"] | undefined)[] = [];
  const server = await serve(async (_, peer) => {
    told.push(peer.earlyHints);
    peer.earlyHints?.(["</a.css>; rel=preload", "</b.js>; rel=preload"]);
    await turn();
    return new Response("late");
  }, NODE);
  const answer = await rawHttp(server.address, `GET / HTTP/1.1\r\n${END}`);
  assert.match(
    answer,
    /^HTTP\/1\.1 103 [^\r]*\r\nLink: <\/a\.css>.*<\/b\.js>[^\r]*\r\n\r\nHTTP\/1\.1 200 /,
  );
  assert.ok(answer.endsWith("late"));
  assert.equal(statusOf(await rawHttp(server.address, "GET / HTTP/1.0\r\n\r\n")), 200);
  assert.equal(told[1], undefined);
  await server.stop();
});

test("A streamed body keeps its declared length, and its head does not wait for it", async () => {
  let body!: ReadableStreamDefaultController<Uint8Array>;
  const server = await serve(
    () =>
      new Response(new ReadableStream({ start: (controller) => void (body = controller) }), {
        headers: { "content-length": "6" },
      }),
    NODE,
  );
  assert.equal(server.dropsLengths, false);
  const connection = await runtime.connect(server.address);
  const writer = connection.writable.getWriter();
  await writer.write(encode(`GET / HTTP/1.1\r\n${END}`));
  const reader = connection.readable.getReader();
  let text = "";
  while (!text.includes("\r\n\r\n")) text += decode((await reader.read()).value!);
  assert.match(text, /content-length: 6\r\n/i);
  assert.doesNotMatch(text, /transfer-encoding/i);
  body.enqueue(encode("abc"));
  body.enqueue(encode("def"));
  body.close();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += decode(read.value);
  }
  assert.equal(bodyOf(text), "abcdef");
  connection.destroy();
  await server.stop();
});

test("A stream that ends short of its declared length is cut", async () => {
  const server = await serve(() => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        await turn();
        if (pulls++ === 0) controller.enqueue(encode("abc"));
        else controller.close();
      },
    });
    return new Response(body, { headers: { "content-length": "6" } });
  }, NODE);
  // Without "close" only a cut ends the connection.
  const answer = await rawHttp(server.address, "GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  assert.match(answer, /content-length: 6\r\n/i);
  assert.equal(bodyOf(answer), "abc");
  await server.stop();
});

test("A GET may have a body", async () => {
  const server = await serve(async (request) => {
    return new Response(`${request.method} ${await request.text()}`);
  }, NODE);
  const answer = await rawHttp(server.address, `GET / HTTP/1.1\r\nContent-Length: 3\r\n${END}abc`);
  assert.equal(bodyOf(answer), "GET abc");
  await server.stop();
});

test("100 Continue is sent once somebody wants the body, and not before", async () => {
  const server = await serve(async (request) => {
    if (request.url.endsWith("/refused")) return new Response("no", { status: 403 });
    return new Response(await request.text());
  }, NODE);
  const expecting = (target: string) =>
    `POST ${target} HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\nHost: test\r\n`;
  const refused = await rawHttp(server.address, `${expecting("/refused")}\r\n`);
  assert.match(refused, /^HTTP\/1\.1 403 /);
  assert.match(refused, /connection: close\r\n/i);
  const taken = await rawHttp(server.address, `${expecting("/")}Connection: close\r\n\r\nabc`);
  assert.match(taken, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  assert.equal(bodyOf(taken.slice(taken.indexOf("HTTP/1.1 200"))), "abc");
  await server.stop();
});

test("What can be read in two ways is refused, and no handler sees it", async () => {
  let seen = 0;
  const server = await serve(() => {
    seen++;
    return new Response();
  }, NODE);
  const status = async (head: string) =>
    statusOf(await rawHttp(server.address, `${head}\r\n${END}3\r\nabc\r\n0\r\n\r\n`));
  const chunked = "Transfer-Encoding: chunked";
  assert.equal(await status(`POST / HTTP/1.1\r\nContent-Length: 3\r\n${chunked}`), 400);
  assert.equal(await status("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4"), 400);
  assert.equal(await status("GET / HTTP/1.1\r\nX y: z"), 400);
  assert.equal(await status("FOO / HTTP/1.1"), 400);
  assert.equal(statusOf(await rawHttp(server.address, "GET / HTTP/1.1\r\n\r\n")), 400);
  assert.equal(
    statusOf(await rawHttp(server.address, `CONNECT test:80 HTTP/1.1\r\n${END}`)),
    405,
  );
  assert.equal(seen, 0);
  await server.stop();
});

test("Fields arrive as Fetch has them: joined, cookies with a semicolon, a character a byte", async () => {
  const server = await serve((request) => Response.json([...request.headers]), NODE);
  const fields = "X: 1\r\nCookie: a=1\r\nx: 2\r\ncookie: b=2\r\nY: é\r\n";
  const answer = await rawHttp(server.address, `GET / HTTP/1.1\r\n${fields}${END}`);
  const seen = Object.fromEntries(JSON.parse(bodyOf(answer)));
  assert.deepEqual([seen["x"], seen["cookie"], seen["y"]], ["1, 2", "a=1; b=2", "\u00c3\u00a9"]);
  await server.stop();
});

test("Several cookies of an answer stay several", async () => {
  const headers: [string, string][] = [["set-cookie", "a=1"], ["set-cookie", "b=2"]];
  const server = await serve(() => new Response("x", { headers }), NODE);
  const answer = await rawHttp(server.address, `GET / HTTP/1.1\r\n${END}`);
  assert.deepEqual(answer.match(/set-cookie: [^\r]*/gi), ["set-cookie: a=1", "set-cookie: b=2"]);
  assert.match(answer, /content-length: 1\r\n/i);
  await server.stop();
});

test("Requests one after the other on a connection are answered in their order", async () => {
  const server = await serve((request) => new Response(new URL(request.url).pathname), NODE);
  const first = "POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc";
  const answers = await rawHttp(server.address, `${first}GET /2 HTTP/1.1\r\n${END}`);
  assert.match(answers, /\r\n\r\n\/1HTTP\/1\.1 200 [^]*\r\n\r\n\/2$/);
  await server.stop();
});

test("A handler that throws is a 500, and an answer that cannot be sent cuts its connection alone", async () => {
  const server = await serve((request) => {
    if (request.url.endsWith("/throw")) throw new Error("The handler failed");
    if (request.url.endsWith("/odd")) return { status: 9999, body: null } as unknown as Response;
    return new Response("fine");
  }, NODE);
  const ask = (target: string) => rawHttp(server.address, `GET ${target} HTTP/1.1\r\n${END}`);
  assert.equal(statusOf(await ask("/throw")), 500);
  assert.equal(await ask("/odd"), "");
  assert.equal(bodyOf(await ask("/")), "fine");
  await server.stop();
});
