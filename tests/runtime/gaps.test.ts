/**
 * Where the two runtimes' HTTP servers differ, or differ from what a gateway would like. Each test
 * holds what the pinned version does today; docs/runtimes.md is the same list with what afcgi does
 * about it. A failure here after an upgrade is news, mostly good: change the code, the page, the test.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import type { Address } from "../../src/runtime/address.ts";
import {
  bodyOf,
  decode,
  encode,
  freshAddress,
  freshPath,
  onBun,
  rawHttp,
  runtime,
  serve,
  statusOf,
  turn,
} from "./support.ts";

/** What the handler saw of a request. */
interface Seen {
  method: string;
  url: string;
  host: string | null;
  body: string | null;
  fields: Record<string, string>;
}

/** One request as bytes, and what the handler saw of it; undefined when it never got there. */
async function send(
  head: string,
  { body = "", address }: { body?: string; address?: Address } = {},
): Promise<{ status: number; seen: Seen | undefined; answer: string }> {
  let seen: Seen | undefined;
  const server = await serve(async (request) => {
    seen = {
      method: request.method,
      url: request.url,
      host: request.headers.get("host"),
      body: request.body === null ? null : await request.text(),
      fields: Object.fromEntries(request.headers),
    };
    return new Response("ok");
  }, address ? { address } : {});
  const answer = await rawHttp(server.address, `${head}\r\nConnection: close\r\n\r\n${body}`);
  server.destroy();
  return { status: statusOf(answer), seen, answer };
}

function get(target: string): Promise<{ status: number; seen: Seen | undefined }> {
  return send(`GET ${target} HTTP/1.1\r\nHost: test`);
}

async function answerOf(response: () => Response): Promise<string> {
  const server = await serve(response);
  const answer = await rawHttp(
    server.address,
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
  );
  server.destroy();
  return answer;
}

/** A body whose pieces come in turns of their own. */
function slowBody(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await turn();
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(encode(piece));
    },
  }, { highWaterMark: 0 });
}

test("Gap: the Content-Length of a streamed answer is kept by Deno and dropped by Bun", async () => {
  const answer = await answerOf(() =>
    new Response(slowBody("four", "more"), { headers: { "content-length": "8" } })
  );
  if (onBun) {
    assert.match(answer, /\r\ntransfer-encoding: chunked\r\n/i);
    assert.doesNotMatch(answer, /content-length/i);
  } else {
    assert.match(answer, /\r\ncontent-length: 8\r\n/i);
    assert.equal(bodyOf(answer), "fourmore");
  }
});

test("Gap: a stream that ends short of its Content-Length is cut by Deno only", async () => {
  const answer = await answerOf(() =>
    new Response(slowBody("four"), { headers: { "content-length": "8" } })
  );
  if (onBun) assert.match(answer, /content-length: 4\r\n|0\r\n\r\n$/i);
  else assert.match(answer, /\r\ncontent-length: 8\r\n[^]*\r\n\r\nfour$/i);
});

test("Gap: Bun holds back an answer's head until its first body byte", async () => {
  let body!: ReadableStreamDefaultController<Uint8Array>;
  const server = await serve(() =>
    new Response(new ReadableStream({ start: (controller) => void (body = controller) }))
  );
  const connection = await runtime.connect(server.address);
  await connection.writable.getWriter().write(encode("GET / HTTP/1.1\r\nHost: test\r\n\r\n"));
  const reader = connection.readable.getReader();
  const { value } = await reader.read();
  const first = decode(value ?? new Uint8Array());
  assert.equal(first.includes("\r\n\r\n"), !onBun);
  body.enqueue(encode("x"));
  body.close();
  await reader.read();
  connection.destroy();
  server.destroy();
});

test("Gap: Bun resolves dot segments, Deno leaves the target as it was sent", async () => {
  const plain = await get("/a/../b/./c?q=/../d");
  const encoded = await get("/a/%2e%2e/b");
  if (onBun) {
    assert.equal(plain.seen?.url, "http://test/b/c?q=/../d");
    assert.equal(encoded.seen?.url, "http://test/b");
  } else {
    assert.equal(plain.seen?.url, "http://test/a/../b/./c?q=/../d");
    assert.equal(encoded.seen?.url, "http://test/a/%2e%2e/b");
  }
});

test("Gap: Bun turns backslashes and encodes odd bytes in the target", async () => {
  const backslash = await get("/a\\b");
  const odd = await get('/"<>^|{}`');
  const unicode = await get("/é");
  if (onBun) {
    assert.equal(backslash.seen?.url, "http://test/a/b");
    assert.equal(odd.seen?.url, "http://test/%22%3C%3E%5E|%7B%7D%60");
    assert.equal(unicode.seen?.url, "http://test/%C3%A9");
  } else {
    assert.equal(backslash.seen?.url, "http://test/a\\b");
    assert.equal(odd.seen?.url, 'http://test/"<>^|{}`');
    assert.equal(unicode.seen?.url, "http://test/é");
  }
});

test("No gap: both leave empty segments, broken encoding and fragments in the target", async () => {
  assert.equal((await get("//a//b")).seen?.url, "http://test//a//b");
  assert.equal((await get("/%zz")).seen?.url, "http://test/%zz");
  assert.equal((await get("/a#b")).seen?.url, "http://test/a#b");
});

test("Gap: Bun says what a whole answer is that does not say it", async () => {
  const answer = await answerOf(() => new Response(encode("bytes")));
  const type = /\r\ncontent-type: ([^\r]*)/i.exec(answer)?.[1];
  assert.equal(type, onBun ? "application/octet-stream" : undefined);
});

test("Gap: Bun names a file that is no text or picture by its name on the disk", async () => {
  const path = freshPath();
  writeFileSync(path, "bytes");
  const named: Record<string, boolean> = {};
  for (const type of ["application/pdf", "text/plain", "image/png"]) {
    const body = await runtime.files.body(path, 0, 5);
    const answer = await answerOf(() => new Response(body, { headers: { "content-type": type } }));
    assert.match(bodyOf(answer), /bytes/);
    named[type] = /\r\ncontent-disposition: filename="/i.test(answer);
  }
  rmSync(path);
  assert.deepEqual(named, { "application/pdf": onBun, "text/plain": false, "image/png": false });
});

test("Gap: of a target in absolute form Bun drops the host, Deno puts it in the URL", async () => {
  const { seen } = await get("http://other:81/p");
  assert.equal(seen?.url, onBun ? "http://test/p" : "http://other:81/p");
  assert.equal(seen?.host, "test");
});

test("Gap: Bun lowers the host in the URL and drops port 80; the header stays on both", async () => {
  const { seen } = await send("GET /p HTTP/1.1\r\nHost: ExAmple.com:80");
  assert.equal(seen?.url, onBun ? "http://example.com/p" : "http://ExAmple.com:80/p");
  assert.equal(seen?.host, "ExAmple.com:80");
});

test("Gap: two Host fields are joined by Bun and refused by Deno", async () => {
  const { status, seen } = await send("GET / HTTP/1.1\r\nHost: one\r\nHost: two");
  assert.equal(status, onBun ? 200 : 400);
  assert.equal(seen?.host, onBun ? "one, two" : undefined);
});

test("Gap: HTTP/1.1 without Host is refused by Bun and taken by Deno", async () => {
  const { status, seen } = await send("GET /p HTTP/1.1");
  assert.equal(status, onBun ? 400 : 200);
  if (!onBun) assert.match(seen?.url ?? "", /^http:\/\/localhost:\d+\/p$/);
});

test("Gap: the URL of HTTP/1.0 without Host is a bare path on Bun", async () => {
  const { seen } = await send("GET /p HTTP/1.0");
  assert.equal(seen?.host, null);
  if (onBun) assert.equal(seen?.url, "/p");
  else assert.match(seen?.url ?? "", /^http:\/\/localhost:\d+\/p$/);
});

test("Gap: a Host that is none leaves a bare path on Bun and goes into the URL on Deno", async () => {
  const { seen } = await send("GET /p HTTP/1.1\r\nHost: a b");
  assert.equal(seen?.url, onBun ? "/p" : "http://a b/p");
  assert.equal(seen?.host, "a b");
});

test("Gap: over a unix socket the URL's scheme is http+unix on Deno", async () => {
  const { seen } = await send("GET /p HTTP/1.1\r\nHost: test", { address: freshAddress("unix") });
  assert.equal(seen?.url, onBun ? "http://test/p" : "http+unix://test/p");
});

test("Gap: Bun closes the connection at an unknown method, Deno passes it on", async () => {
  const { answer, seen } = await send("FOO / HTTP/1.1\r\nHost: test");
  if (onBun) assert.equal(answer, "");
  else assert.equal(seen?.method, "FOO");
});

test("Gap: OPTIONS * is refused by Bun and gets a slash from Deno", async () => {
  const { status, seen } = await send("OPTIONS * HTTP/1.1\r\nHost: test");
  assert.equal(status, onBun ? 400 : 200);
  assert.equal(seen?.url, onBun ? undefined : "http://test/*");
});

test("No gap: TRACE and CONNECT reach the handler on both", async () => {
  assert.equal((await send("TRACE / HTTP/1.1\r\nHost: test")).seen?.method, "TRACE");
  const { seen } = await send("CONNECT test:1 HTTP/1.1\r\nHost: test");
  assert.equal(seen?.method, "CONNECT");
  assert.equal(seen?.url, onBun ? "test:1" : "http://test:1");
});

test("Gap: the body of a GET is lost on both", async () => {
  const { seen } = await send("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 3", { body: "abc" });
  assert.equal(seen?.body, null);
  assert.equal(seen?.fields["content-length"], "3");
});

test("No gap: the body of a DELETE arrives on both", async () => {
  const head = "DELETE / HTTP/1.1\r\nHost: test\r\nContent-Length: 3";
  assert.equal((await send(head, { body: "abc" })).seen?.body, "abc");
});

test("Gap: the most header fields differ, 198 on Bun and at least 100 on Deno", async () => {
  // Host and Connection are two of them.
  const withFields = (count: number) => {
    const more = Array.from({ length: count - 2 }, (_, index) => `\r\nX-${index}: x`).join("");
    return send(`GET / HTTP/1.1\r\nHost: test${more}`);
  };
  assert.equal((await withFields(100)).status, 200);
  assert.equal((await withFields(198)).status, onBun ? 200 : 400);
  assert.equal((await withFields(250)).status, onBun ? 431 : 400);
});

test("Gap: a head over 64 KiB gets 431 from Bun and 400 from Deno", async () => {
  const withHead = (length: number) => {
    return send(`GET / HTTP/1.1\r\nHost: test\r\nX-Long: ${"x".repeat(length)}`);
  };
  assert.equal((await withHead(60_000)).status, 200);
  assert.equal((await withHead(70_000)).status, onBun ? 431 : 400);
});

test("No gap: repeated fields are joined alike, Cookie with semicolons", async () => {
  const { seen } = await send(
    "GET / HTTP/1.1\r\nHost: test\r\nX: a\r\nX: b\r\nCookie: c=1\r\nCookie: d=2",
  );
  assert.equal(seen?.fields["x"], "a, b");
  assert.equal(seen?.fields["cookie"], "c=1; d=2");
});

test("No gap: smuggling attempts are refused by both", async () => {
  const both = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked";
  assert.equal((await send(both, { body: "3\r\nabc\r\n0\r\n\r\n" })).status, 400);
  const twice = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nContent-Length: 4";
  assert.equal((await send(twice, { body: "abcd" })).status, 400);
  assert.equal((await send("GET / HTTP/1.1\r\nHost: test\r\nX : a")).status, 400);
  assert.equal((await send("GET / HTTP/1.1\r\nHost: test\r\nX: a\r\n b")).status, 400);
});

test("No gap: a field's bytes above 127 arrive one character each on both", async () => {
  const { seen } = await send("GET / HTTP/1.1\r\nHost: test\r\nX: é");
  assert.equal(seen?.fields["x"], "Ã©");
});

/** What comes before the body of a request that waits to be told to go on. */
async function answerToExpect(handler: (request: Request) => Promise<Response>): Promise<string> {
  const server = await serve(handler);
  const connection = await runtime.connect(server.address);
  const head = "POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4";
  await connection.writable.getWriter().write(encode(`${head}\r\n\r\n`));
  const { value } = await connection.readable.getReader().read();
  connection.destroy();
  server.destroy();
  return decode(value ?? new Uint8Array());
}

test("Gap: both tell a client to go on before anybody wants its body", async () => {
  const wanted = await answerToExpect(async (request) => new Response(await request.text()));
  assert.match(wanted, /^HTTP\/1\.1 100 /);
  const refused = await answerToExpect(() => Promise.resolve(new Response(null, { status: 413 })));
  assert.match(refused, /^HTTP\/1\.1 100 /);
});
