/**
 * What the runtimes' parsers make of requests that two servers could read differently: each line is
 * one request as bytes, and what becomes of it. docs/security.md is the same list with what afcgi
 * does about it. A failure here after an upgrade is news: look whether a door has opened.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, onBun, rawHttp, serve, statusOf } from "./support.ts";

/** 0: the connection is closed without an answer. */
type Status = number;

interface Line {
  readonly what: string;
  readonly bytes: string;
  readonly bun: Status;
  readonly deno: Status;
}

function post(fields: string, body: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n\r\n${body}`;
}

function get(rest: string): string {
  return `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${rest}\r\n\r\n`;
}

function chunked(body: string): string {
  return post("Transfer-Encoding: chunked", body);
}

function both(what: string, bytes: string, status: Status): Line {
  return { what, bytes, bun: status, deno: status };
}

const CHUNKS = "3\r\nabc\r\n0\r\n\r\n";
const LENGTH = "Content-Length: 3";
const CHUNKED = "Transfer-Encoding: chunked";

const LINES: readonly Line[] = [
  both("length, then chunks", post(`${LENGTH}\r\n${CHUNKED}`, CHUNKS), 400),
  both("chunks, then length", post(`${CHUNKED}\r\n${LENGTH}`, CHUNKS), 400),
  both("two lengths", post(`${LENGTH}\r\nContent-Length: 4`, "abcd"), 400),
  both("the same length twice", post(`${LENGTH}\r\n${LENGTH}`, "abc"), 200),
  both("a list of lengths", post("Content-Length: 3, 3", "abc"), 400),
  both("a length with a sign", post("Content-Length: +3", "abc"), 400),
  both("a negative length", post("Content-Length: -1", "abc"), 400),
  both("a hexadecimal length", post("Content-Length: 0x3", "abc"), 400),
  both("an empty length", post("Content-Length: ", ""), 400),
  both("a length beyond 64 bits", post("Content-Length: 99999999999999999999", "abc"), 400),
  both("a length with a leading zero", post("Content-Length: 03", "abc"), 200),
  {
    what: "gzip, then chunked",
    bytes: post("Transfer-Encoding: gzip, chunked", CHUNKS),
    bun: 400,
    deno: 200,
  },
  both("chunked, then gzip", post("Transfer-Encoding: chunked, gzip", CHUNKS), 400),
  both("chunked twice", post(`${CHUNKED}\r\n${CHUNKED}`, CHUNKS), 400),
  both("an unknown coding", post("Transfer-Encoding: xchunked", CHUNKS), 400),
  both("identity with a length", post(`Transfer-Encoding: identity\r\n${LENGTH}`, "abc"), 400),
  both("chunked in upper case", post("Transfer-Encoding: CHUNKED", CHUNKS), 200),
  both(
    "chunks in HTTP/1.0",
    `POST / HTTP/1.0\r\nHost: a\r\n${CHUNKED}\r\n\r\n${CHUNKS}`,
    400,
  ),
  { what: "a chunk size with 0x", bytes: chunked("0x3\r\nabc\r\n0\r\n\r\n"), bun: 400, deno: 0 },
  { what: "a chunk size with a sign", bytes: chunked("+3\r\nabc\r\n0\r\n\r\n"), bun: 400, deno: 0 },
  {
    what: "a chunk size with a space",
    bytes: chunked("3 \r\nabc\r\n0\r\n\r\n"),
    bun: 400,
    deno: 200,
  },
  {
    what: "a chunk size after a space",
    bytes: chunked(" 3\r\nabc\r\n0\r\n\r\n"),
    bun: 400,
    deno: 200,
  },
  both("a chunk size with zeros", chunked("0003\r\nabc\r\n0\r\n\r\n"), 200),
  both("a chunk extension", chunked("3;a=b\r\nabc\r\n0\r\n\r\n"), 200),
  {
    what: "a line feed in an extension",
    bytes: chunked("3;a\nb\r\nabc\r\n0\r\n\r\n"),
    bun: 400,
    deno: 0,
  },
  { what: "a chunk without its end", bytes: chunked("3\r\nabcXX0\r\n\r\n"), bun: 400, deno: 0 },
  {
    what: "a chunk beyond 64 bits",
    bytes: chunked("10000000000000003\r\nabc\r\n"),
    bun: 400,
    deno: 0,
  },
  both("a space before the colon", get("X : b"), 400),
  both("a space before a name", get(" X: b"), 400),
  both("a folded line", get("X: a\r\n b"), 400),
  both("a line without a colon", get("X"), 400),
  both("an empty name", get(": b"), 400),
  both("a control character in a name", get("X\x01: b"), 400),
  both("a NUL in a value", get("X: a\0b"), 400),
  both("a bare CR in a value", get("X: a\rb"), 400),
  both("a control character in a value", get("X: a\x01b"), 400),
  {
    what: "lines that end in LF alone",
    bytes: "GET / HTTP/1.1\nHost: a\nConnection: close\n\n",
    bun: 505,
    deno: 200,
  },
  { what: "one line that ends in LF alone", bytes: get("X: a\nY: b"), bun: 400, deno: 200 },
  {
    what: "an empty line before the request",
    bytes: `\r\n${get("X: a")}`,
    bun: 400,
    deno: 200,
  },
  { what: "another version", bytes: "GET / HTTP/1.2\r\nHost: a\r\n\r\n", bun: 505, deno: 400 },
  { what: "no version", bytes: "GET /\r\n\r\n", bun: 505, deno: 400 },
  both("two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
];

for (const { what, bytes, bun, deno } of LINES) {
  test(`Parsers: ${what}: ${bun} on Bun, ${deno} on Deno`, async () => {
    const server = await serve(async (request) => new Response(await request.text()));
    const answer = await rawHttp(server.address, bytes);
    server.destroy();
    const expected = onBun ? bun : deno;
    assert.equal(answer === "" ? 0 : statusOf(answer), expected, answer);
    if (expected === 200 && bytes.startsWith("POST")) assert.equal(bodyOf(answer), "abc");
  });
}

async function pathsOf(bytes: string): Promise<string[]> {
  const paths: string[] = [];
  const server = await serve(async (request) => {
    await request.text();
    paths.push(new URL(request.url).pathname);
    return new Response("ok");
  });
  await rawHttp(server.address, bytes);
  server.destroy();
  return paths;
}

test("Parsers: trailers are skipped by Deno, end the connection on Bun, and are no request", async () => {
  const head = `POST /first HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\n\r\n3\r\nabc\r\n0\r\n`;
  const trailers = "X:GET /trailer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const paths = await pathsOf(head + trailers + next);
  assert.deepEqual(paths, onBun ? ["/first"] : ["/first", "/next"]);
});
