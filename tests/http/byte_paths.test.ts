/** Paths that are no UTF-8, for sites that take them, and for those that do not. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOfText, encodePath, hasRawBytes, textOfBytes } from "../../src/runtime/raw_bytes.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";
import { rawRequest } from "../support/raw_http.ts";

/** Deno (2.9.6) cannot name a file in bytes. */
const namesFilesInBytes = process.versions["bun"] !== undefined;

const bytes = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
    fc.constantFrom("\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xef\xbf\xbd"),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""));

test("Any bytes are a text from which they come again", () => {
  fc.assert(fc.property(bytes, (one) => {
    const text = textOfBytes(one);
    assert.equal(bytesOfText(text), one);
    assert.equal(decodeBytes(encodePath(text)), one);
    assert.equal(hasRawBytes(text), new TextDecoder().decode(latin1(one)) !== text);
  }));
});

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function decodeBytes(path: string): string {
  return path.replace(
    /%(..)/g,
    (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)),
  );
}

function site(paths: string, ...routes: readonly string[]): string {
  return `${APP_UPSTREAM}\nsites:\n  - paths: ${paths}\n    routes:\n${
    routes.map((route) => `      - ${route}\n`).join("")
  }`;
}

/** What an application gets, byte by byte: its response is what it was sent. */
const echo = (_request: Request, { params }: { params: ReadonlyMap<string, string> }) =>
  Response.json(Object.fromEntries(params));

const APP = 'fastcgi: { upstream: app, params: { MATCH: "${match}" } }';

async function statusAt(gateway: Gateway, target: string): Promise<number> {
  return (await gateway.send(target)).status;
}

test("A path that is no UTF-8 gets 400, unless its site takes bytes", async () => {
  const text = `${APP_UPSTREAM}
sites:
  - { hosts: [old.example], paths: bytes, routes: [{ fastcgi: { upstream: app } }] }
  - { hosts: [new.example], paths: utf8, routes: [{ fastcgi: { upstream: app } }] }
  - { routes: [{ fastcgi: { upstream: app } }] }
`;
  await withConfig({ text, application: echo }, async (gateway) => {
    const at = async (host: string, target: string) =>
      (await gateway.send({ target, headers: { Host: host } })).status;
    for (const target of ["/caf%e9", "/%ff", "/%c3", "/%C3%28", "/%ed%a0%80"]) {
      assert.equal(await at("old.example", target), 200, target);
      assert.equal(await at("new.example", target), 400, target);
      assert.equal(await at("other.example", target), 400, target);
    }
    for (const target of ["/%00", "/%e9%00", "/%e9/../../x", "/%e9%2f..%2f..%2fx", "/%e9%zz"]) {
      assert.equal(await at("old.example", target), 400, target);
    }
    assert.equal(await at("new.example", "/caf%C3%A9"), 200);
  });
});

test("An application gets the bytes, and the rules see what is around them", async () => {
  const routes = [
    "{ path: /ä/*, respond: { body: umlaut } }",
    `{ path: "/old/*/x", respond: { body: name } }`,
    "{ path: '~ ^/guard/.*$', respond: { status: 403 } }",
    `{ path: /app/*, ${APP} }`,
    `{ path: /go/*, redirect: { to: "/app/\${match}" } }`,
    `{ path: /re/*, rewrite: "/app/\${match}?of=\${match}", ${APP} }`,
  ];
  await withConfig({ text: site("bytes", ...routes), application: echo }, async (gateway) => {
    assert.equal((await gateway.send("/%C3%A4/%e9")).body.toString(), "umlaut");
    assert.equal((await gateway.send("/old/%e9/x")).body.toString(), "name");
    assert.equal(await statusAt(gateway, "/guard/%e9%0a"), 403);
    assert.equal(await statusAt(gateway, "/x/%e9/..%2f../guard/%e9"), 403);
    const seen = JSON.parse((await gateway.send("/app/caf%e9%C3%A4")).body.toString());
    // The application reads what is no UTF-8 as a character for each byte.
    assert.equal(seen["PATH_INFO"], "/app/caf\xe9\xc3\xa4");
    assert.equal(seen["MATCH"], "caf\xe9\xc3\xa4");
    assert.equal(seen["REQUEST_URI"], "/app/caf%e9%C3%A4");
    const moved = await gateway.send("/go/caf%e9%C3%A4");
    assert.equal(moved.headers.get("location"), "/app/caf%E9%C3%A4");
    const rewritten = JSON.parse((await gateway.send("/re/%e9")).body.toString());
    assert.equal(rewritten["QUERY_STRING"], "of=%E9");
    assert.equal(rewritten["PATH_INFO"], "/app/\xe9");
  });
});

test("Raw bytes above 127 in a target are taken as their escapes", async () => {
  await withConfig({ text: site("bytes", `{ ${APP} }`), application: echo }, async (gateway) => {
    const sent = Buffer.from("GET /caf\xe9?q=\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", "latin1");
    const seen = JSON.parse((await rawRequest(gateway.port, sent)).body.toString());
    assert.equal(seen["REQUEST_URI"], "/caf%E9?q=%E9");
    assert.equal(seen["PATH_INFO"], "/caf\xe9");
  });
  await withConfig({ text: site("utf8", `{ ${APP} }`), application: echo }, async (gateway) => {
    const sent = Buffer.from("GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "latin1");
    const seen = JSON.parse((await rawRequest(gateway.port, sent)).body.toString());
    assert.equal(seen["PATH_INFO"], "/café");
  });
});

test("A file is found by its bytes where the runtime can name it so", async () => {
  const root = freshPath();
  mkdirSync(root);
  const named = (name: string) => Buffer.from(join(root, name), "latin1");
  writeFileSync(join(root, "caf\ufffd.txt"), "another");
  if (namesFilesInBytes) {
    writeFileSync(named("caf\xe9.txt"), "bytes");
    mkdirSync(named("d\xe9"));
  }
  const text = `sites: [{ root: ${root}, paths: bytes, routes: [{ static: {} }] }]`;
  await withConfig({ text }, async (gateway) => {
    const response = await gateway.send("/caf%E9.txt");
    if (namesFilesInBytes) {
      assert.equal(response.body.toString(), "bytes");
      const moved = await gateway.send("/d%e9?x");
      assert.deepEqual([moved.status, moved.headers.get("location")], [308, "/d%E9/?x"]);
    } else assert.equal(response.status, 404);
    assert.equal(await statusAt(gateway, "/caf%E8.txt"), 404);
    assert.equal((await gateway.send("/caf%EF%BF%BD.txt")).body.toString(), "another");
  });
});
