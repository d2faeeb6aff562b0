/** Every form of a target that RFC 9112 section 3.2 knows, from the client to the application. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { echoParameters, withGateway } from "../support/gateway.ts";
import { rawRequest } from "../support/raw_http.ts";

/** The header section, and what the application sees of it. */
const TAKEN: readonly (readonly [headers: string, seen: Readonly<Record<string, string>>])[] = [
  ["GET http://x:80/a?b HTTP/1.1\r\nHost: x", { REQUEST_URI: "/a?b", SERVER_NAME: "x" }],
  ["GET http://x/ HTTP/1.1\r\nHost: x:80", { REQUEST_URI: "/", HTTP_HOST: "x:80" }],
  // The target's host counts (RFC 9112 section 3.2.2).
  ["GET http://x/ HTTP/1.1\r\nHost: y", { REQUEST_URI: "/", HTTP_HOST: "x", SERVER_NAME: "x" }],
  ["GET http://x:8080/ HTTP/1.1\r\nHost: x", { HTTP_HOST: "x:8080", SERVER_NAME: "x" }],
  ["GET https://x:80/ HTTP/1.1\r\nHost: y", { HTTP_HOST: "x:80", SERVER_NAME: "x" }],
  ["GET http://x?a=1 HTTP/1.1\r\nHost: x", { REQUEST_URI: "/?a=1", QUERY_STRING: "a=1" }],
  ["GET http://h?x=/foo/bar HTTP/1.1\r\nHost: h", {
    REQUEST_URI: "/?x=/foo/bar",
    QUERY_STRING: "x=/foo/bar",
  }],
  ["GET http://x HTTP/1.1\r\nHost: x", { REQUEST_URI: "/" }],
  ["GET http://x:8080/a HTTP/1.0", {
    REQUEST_URI: "/a",
    HTTP_HOST: "x:8080",
    SERVER_NAME: "x",
    SERVER_PROTOCOL: "HTTP/1.0",
  }],
  ["GET /?q=\xc3\xa9 HTTP/1.1\r\nHost: x", {
    REQUEST_URI: "/?q=%C3%A9",
    QUERY_STRING: "q=%C3%A9",
  }],
];

const REFUSED: readonly string[] = [
  "GET http://x/ HTTP/1.1",
  "GET http://u@x/ HTTP/1.0",
  "GET http://x#/foo HTTP/1.1\r\nHost: x",
  "GET /\xc3\x28 HTTP/1.1\r\nHost: x",
  "GET * HTTP/1.1\r\nHost: x",
  "OPTIONS * HTTP/1.1\r\nHost: a b",
  "OPTIONS * HTTP/1.1",
];

test("Each form of a target reaches the application as the path and query that it means", async () => {
  await withGateway({ application: echoParameters }, async ({ port }) => {
    for (const [headers, seen] of TAKEN) {
      const { status, body } = await rawRequest(port, Buffer.from(`${headers}\r\n\r\n`, "latin1"));
      assert.equal(status, 200, headers);
      const params = JSON.parse(body.toString()) as Record<string, string>;
      for (const [name, value] of Object.entries(seen)) assert.equal(params[name], value, headers);
    }
    for (const headers of REFUSED) {
      const { status } = await rawRequest(port, Buffer.from(`${headers}\r\n\r\n`, "latin1"));
      assert.equal(status, 400, headers);
    }
  });
});

test("OPTIONS * is answered by the server itself, with or without a Host that it knows", async () => {
  const sites = [{ hosts: ["known.example"], root: undefined, routes: [] }];
  await withGateway({ sites }, async ({ port, access }) => {
    for (const section of ["OPTIONS * HTTP/1.0", "OPTIONS * HTTP/1.1\r\nHost: other.example"]) {
      const { status, headers, body } = await rawRequest(port, `${section}\r\n\r\n`);
      assert.equal(status, 200, section);
      assert.equal(headers.get("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
      assert.equal(headers.get("content-length"), "0");
      assert.equal(body.length, 0);
    }
    assert.equal((await access.ofPath("*"))["status"], 200);
  });
});
