/**
 * What a client gets does not depend on how the application wrote its response: in which records, in
 * which turns, small or large. Status, fields and body are the same; only how the body is framed may
 * differ. Shown for what has once depended on it: more than the declared length, fields that come
 * again, statuses beyond 599, phrases, an empty header section.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RouteOptions } from "../../src/http/options.ts";
import { cut, pieces } from "../support/fragments.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { FASTCGI_ROUTE, freshPath, withGateway } from "../support/gateway.ts";
import { runCount } from "../support/long_runs.ts";
import { HttpConnection, requestHeaders } from "../support/raw_http.ts";

const LONG = "0123456789abcdef".repeat(8192);

/** What the application says, and what the client is to see of it. */
interface Case {
  readonly name: string;
  readonly stdout: string;
  readonly status: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly method?: string;
}

const CASES: readonly Case[] = [
  {
    name: "more than its length",
    stdout: "Content-Length: 10\r\nX-A: 1\r\n\r\n0123456789\nand more",
    status: "200 OK",
    fields: ["x-a: 1"],
    body: "0123456789",
  },
  {
    name: "much more than a long length",
    stdout: `Content-Length: 70000\r\n\r\n${LONG}`,
    status: "200 OK",
    fields: [],
    body: LONG.slice(0, 70_000),
  },
  {
    name: "a length of nothing, and a body",
    stdout: "Content-Length: 0\r\n\r\nbody",
    status: "200 OK",
    fields: [],
    body: "",
  },
  {
    name: "fields that come again",
    stdout: "Expires: Thu, 01 Jan 1970 00:00:00 GMT\nExpires: 0\nLocation: /a\nlocation: /b\n" +
      "Status: 302\nContent-Type: a/b\nContent-Type: c/d\nSet-Cookie: a\nSet-Cookie: b\n\nbody",
    status: "302 Found",
    fields: [
      "content-type: a/b",
      "expires: 0",
      "expires: Thu, 01 Jan 1970 00:00:00 GMT",
      "location: /a",
      "set-cookie: a",
      "set-cookie: b",
    ],
    body: "body",
  },
  {
    name: "an empty header section",
    stdout: "\r\nbody",
    status: "200 OK",
    fields: [],
    body: "body",
  },
  { name: "status 999", stdout: "Status: 999\n\nbody", status: "999 ", fields: [], body: "body" },
  {
    name: "a phrase",
    stdout: "Status: 404 No such thing\nX-B: 2\n\nbody",
    status: "404 No such thing",
    fields: ["x-b: 2"],
    body: "body",
  },
  {
    name: "HEAD, and a body that nobody asked for",
    stdout: "Content-Length: 4\n\nbody and more",
    status: "200 OK",
    fields: [],
    body: "",
    method: "HEAD",
  },
];

/** Nothing, and rules and security headers, which want a Response of every response. */
const ROUTES: readonly (readonly [name: string, route: RouteOptions])[] = [
  ["as it is", FASTCGI_ROUTE],
  ["by rules", {
    ...FASTCGI_ROUTE,
    responses: {
      errorPages: {},
      interceptErrors: false,
      headers: [{ set: {}, add: {}, remove: ["x-none"] }],
    },
  }],
];

const OURS: readonly string[] = ["date", "content-length", "transfer-encoding", "connection"];

type Exchange = (one: Case, parts: readonly Uint8Array[], isSlow: boolean) => Promise<Case>;

/** One connection of a client and one of the application's, for all that `use` asks. */
async function withExchange(
  route: RouteOptions,
  use: (exchange: Exchange) => Promise<void>,
): Promise<void> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  try {
    await withGateway({ server: { transport: "unix", path }, routes: [route] }, async (gateway) => {
      const client = await HttpConnection.open(gateway.port);
      await use((one, parts, isSlow) => exchange(client, peer, one, parts, isSlow));
      client.destroy();
    });
  } finally {
    await peer.stop();
  }
}

/** What came of a request, in the words of a case. */
async function exchange(
  client: HttpConnection,
  peer: FaultPeer,
  one: Case,
  parts: readonly Uint8Array[],
  isSlow: boolean,
): Promise<Case> {
  peer.behaviour = {
    async onRequest({ id, connection }) {
      for (const part of parts.filter(({ length }) => length > 0)) {
        connection.send(new ResponseRecords().stdout(id, part));
        if (isSlow) await new Promise((resolve) => setImmediate(resolve));
      }
      connection.send(new ResponseRecords().stdoutEnd(id).end(id));
    },
  };
  await client.write(requestHeaders({ method: one.method ?? "GET" }));
  const { text, body, complete } = await client.readResponse(one.method);
  assert.ok(complete);
  const [line = "", ...fields] = text.trimEnd().split("\r\n");
  return {
    ...one,
    status: line.slice("HTTP/1.1 ".length),
    fields: fields.map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase()))
      .filter((field) => !OURS.includes(field.split(":")[0]!)).sort(),
    body: body.toString("latin1"),
  };
}

for (const [how, route] of ROUTES) {
  for (const one of CASES) {
    test(`A client gets the same however it was written, ${how}: ${one.name}`, async () => {
      const bytes = Buffer.from(one.stdout, "latin1");
      await withExchange(route, async (exchange) => {
        const step = Math.max(1, Math.floor(bytes.length / 40));
        for (let at = 0; at <= bytes.length; at += step) {
          for (const isSlow of [false, true]) {
            assert.deepEqual(await exchange(one, cut(bytes, [at]), isSlow), one, `cut at ${at}`);
          }
        }
        const length = Math.ceil(bytes.length / 100);
        assert.deepEqual(await exchange(one, pieces(bytes, length), true), one, "in pieces");
      });
    });
  }
}

test("Cut anywhere, in any turns, one behind the other on a connection, all is the same", async () => {
  await withExchange(FASTCGI_ROUTE, async (exchange) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...CASES),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
        fc.boolean(),
        async (one, places, isSlow) => {
          const bytes = Buffer.from(one.stdout, "latin1");
          const offsets = places.map((place) => Math.floor(place * bytes.length));
          assert.deepEqual(await exchange(one, cut(bytes, offsets), isSlow), one);
        },
      ),
      { numRuns: runCount(200, 5_000) },
    );
  });
});
