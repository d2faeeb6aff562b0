/**
 * Names and values that HTTP, CGI and FastCGI read in any case: however they are written, a request
 * has the same response. Only ASCII letters have a case there: what Unicode folds to one is another
 * character, and never makes a rule match.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { FASTCGI_ROUTE, freshPath, type Gateway, withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

const TEXT = "pqrstuvwxy".repeat(300);

const CASES: Readonly<Record<string, (text: string) => string>> = {
  "lower case": (text) => text.toLowerCase(),
  "UPPER CASE": (text) => text.toUpperCase(),
  "oDd LeTtErS uPpEr": (text) =>
    [...text].map((letter, at) => at % 2 === 0 ? letter.toLowerCase() : letter.toUpperCase())
      .join(""),
};

const ROUTES: readonly RouteOptions[] = [
  {
    path: "/files/*",
    methods: undefined,
    handler: { kind: "static", index: [], precompressed: ["gzip"], cacheControl: [] },
  },
  FASTCGI_ROUTE,
];

/** `X-Lines` is the header section of the application's response, "|" for the ends of its lines. */
async function withSite(use: (gateway: Gateway, root: string) => Promise<void>): Promise<void> {
  const root = freshPath();
  mkdirSync(join(root, "files"), { recursive: true });
  writeFileSync(join(root, "files/text.txt"), TEXT);
  writeFileSync(join(root, "files/text.txt.gz"), "packed");
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const lines = params.get("HTTP_X_LINES")?.replaceAll("|", "\n") ?? "X-A: b";
      const length = params.get("CONTENT_LENGTH") ?? "";
      const text = `${lines}\n\nbody ${length}`;
      connection.send(new ResponseRecords().stdout(id, Buffer.from(text)).stdoutEnd(id).end(id));
    },
  };
  try {
    const sites = [{ hosts: ["a.test"], root, routes: ROUTES, sendfile: [join(root, "files")] }];
    await withGateway(
      { server: { transport: "unix", path }, sites },
      (gateway) => use(gateway, root),
    );
  } finally {
    await peer.stop();
  }
}

/** All that the gateway says to these bytes. */
async function ask({ port }: Gateway, bytes: string): Promise<string> {
  const connection = await HttpConnection.open(port);
  try {
    await connection.write(Buffer.from(bytes, "latin1"));
    return await connection.readToEnd();
  } finally {
    connection.destroy();
  }
}

/** The bytes of a response but for what changes with each: its date, and an id. */
async function told(gateway: Gateway, request: string): Promise<string> {
  const text = await ask(gateway, request);
  return text.replace(/\r\ndate: [^\r]*/i, "").replace(/\r\nx-request-id: [^\r]*/i, "")
    .replace(/\r\nlast-modified: [^\r]*/i, "").replaceAll(/[0-9a-f]{16,}/g, "ID");
}

/** A field as name and value; both are read in any case. */
type Field = readonly [name: string, value: string];

const CLOSE: Field = ["Connection", "close"];

/** Requests of which everything in `fields` may be in any case; `exact` is as it stands. */
const REQUESTS: Readonly<
  Record<string, {
    readonly line?: string;
    readonly fields: readonly Field[];
    readonly exact?: string;
    readonly body?: string;
    /** What must be in the response, so that the field did something. */
    readonly shows: RegExp;
  }>
> = {
  "Host": { fields: [["Host", "a.test"], CLOSE], shows: /^HTTP\/1\.1 200/ },
  "Connection": {
    fields: [["Host", "a.test"], ["Connection", "close"]],
    shows: /connection: close/i,
  },
  "Content-Length": {
    line: "POST / HTTP/1.1",
    fields: [["Host", "a.test"], CLOSE, ["Content-Length", "3"]],
    body: "abc",
    shows: /body 3$/,
  },
  "Transfer-Encoding": {
    line: "POST / HTTP/1.1",
    fields: [["Host", "a.test"], CLOSE, ["Transfer-Encoding", "chunked"]],
    body: "3\r\nabc\r\n0\r\n\r\n",
    shows: /body 3$/,
  },
  "Expect": {
    line: "POST / HTTP/1.1",
    fields: [["Host", "a.test"], CLOSE, ["Content-Length", "3"], ["Expect", "100-continue"]],
    body: "abc",
    shows: /body 3$/,
  },
  "Range": {
    line: "GET /files/text.txt HTTP/1.1",
    fields: [["Host", "a.test"], CLOSE, ["Range", "bytes=2-4"]],
    shows: /^HTTP\/1\.1 206[^]*\r\n\r\nrst$/,
  },
  "Accept-Encoding": {
    line: "GET /files/text.txt HTTP/1.1",
    fields: [["Host", "a.test"], CLOSE, ["Accept-Encoding", "gzip"]],
    shows: /\r\n\r\npacked$/,
  },
};

/** Lines of an application. */
const LINES: Readonly<
  Record<string, { readonly lines: readonly Field[]; readonly shows: RegExp }>
> = {
  "Status": { lines: [["Status", "404 Not Found"]], shows: /^HTTP\/1\.1 404/ },
  "Content-Length": { lines: [["Content-Length", "5"]], shows: /content-length: 5\r/i },
  "Connection": { lines: [["Connection", "x-own"], ["X-Own", "1"]], shows: /^HTTP\/1\.1 200/ },
  "Transfer-Encoding": { lines: [["Transfer-Encoding", "gzip"]], shows: /\r\n\r\nbody $/ },
  "Date": { lines: [["Date", "Sun, 09 Sep 2001 01:46:40 GMT"]], shows: /^HTTP\/1\.1 200/ },
  "X-Accel-Redirect": {
    lines: [["X-Accel-Redirect", "/files/text.txt"]],
    shows: /\r\n\r\npqrst/,
  },
  "X-Sendfile": { lines: [["X-Sendfile", "ROOT/files/text.txt"]], shows: /\r\n\r\npqrst/ },
  "X-Accel-Limit-Rate": {
    lines: [["X-Accel-Limit-Rate", "1000000"]],
    shows: /^(?![^]*limit-rate)/i,
  },
};

for (
  const [name, { line = "GET / HTTP/1.1", fields, body = "", shows }] of Object.entries(REQUESTS)
) {
  test(`A request is the same in whichever case its ${name} is`, async () => {
    await withSite(async (gateway) => {
      const texts = new Map<string, string>();
      for (const [kind, change] of Object.entries(CASES)) {
        const lines = fields.map(([field, value]) => `${change(field)}: ${change(value)}\r\n`);
        texts.set(kind, await told(gateway, `${line}\r\n${lines.join("")}\r\n${body}`));
      }
      for (const [kind, text] of texts) {
        assert.match(text, shows, kind);
        assert.equal(text, texts.get("lower case"), kind);
      }
    });
  });
}

for (const [name, { lines, shows }] of Object.entries(LINES)) {
  test(`A response is the same in whichever case its ${name} is`, async () => {
    await withSite(async (gateway, root) => {
      const texts = new Map<string, string>();
      for (const [kind, change] of Object.entries(CASES)) {
        const section = lines.map(([field, value]) =>
          `${change(field)}: ${value.replace("ROOT", root)}`
        ).join("|");
        const text = await told(
          gateway,
          `GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nX-Lines: ${section}\r\n\r\n`,
        );
        // Names go on as they were written.
        const sent = text.slice(0, text.indexOf("\r\n\r\n")).toLowerCase();
        texts.set(kind, sent + text.slice(text.indexOf("\r\n\r\n")));
        assert.match(text, shows, kind);
      }
      for (const [kind, text] of texts) assert.equal(text, texts.get("lower case"), kind);
    });
  });
}

/** Characters that Unicode takes for these letters, when it makes them small or great. */
const LOOKALIKES: Readonly<Record<string, string>> = { k: "\u212a", s: "\u017f", i: "\u0130" };

test("A letter that only Unicode takes for an ASCII one makes no rule match", async () => {
  await withSite(async (gateway) => {
    for (const [letter, other] of Object.entries(LOOKALIKES)) {
      const bytes = Buffer.from(other).toString("latin1");
      const host = `a.te${letter}t`.replace(letter, bytes);
      const asked = await ask(
        gateway,
        `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(asked, /^HTTP\/1\.1 4(?:00|04)/, `Host with ${other}`);
      const coding = await ask(
        gateway,
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n" +
          `Transfer-Encoding: chun${letter === "k" ? bytes : "k"}ed${letter === "k" ? "" : bytes}` +
          "\r\n\r\n0\r\n\r\n",
      );
      assert.match(coding, /^HTTP\/1\.1 (?:400|501)/, `Transfer-Encoding with ${other}`);
    }
  });
});

/** Fields of four letters, of which one alone is looked for, and others of nearly its length. */
const SHORT_NAMES = ["date", "etag", "vary", "link", "from", "age", "via", "allow", "expires"];

test("A response has one Date, ours or the application's, whatever other short fields it has", async () => {
  await withSite(async (gateway) => {
    const own = "Sun, 09 Sep 2001 01:46:40 GMT";
    for (const first of SHORT_NAMES) {
      for (const second of SHORT_NAMES) {
        if (first === second) continue;
        for (const change of Object.values(CASES)) {
          const value = (name: string): string => name === "date" ? own : "x";
          const text = await ask(
            gateway,
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n" +
              `X-Lines: ${change(first)}: ${value(first)}|${change(second)}: ${
                value(second)
              }\r\n\r\n`,
          );
          const dates = text.match(/\r\ndate: [^\r]*/gi) ?? [];
          const what = `${change(first)} and ${change(second)}: ${text.slice(0, 300)}`;
          assert.equal(dates.length, 1, what);
          assert.equal(dates[0]!.endsWith(own), first === "date" || second === "date", what);
        }
      }
    }
  });
});
