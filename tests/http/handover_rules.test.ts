/**
 * Whose rules a response has that was handed over: those of the route which gave it, never those of the
 * route that was asked, whatever the rule, the way to hand over, and the place of the rule.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";
import type { HttpResponse } from "../support/raw_http.ts";

const TEXT = "the content of the file, which is long enough to be packed\n".repeat(40);

const PLACES = ["the asked route", "the inner route", "both routes", "the site", "none"] as const;
type Place = (typeof PLACES)[number];

/** What a rule is written as, with the name of who has it, and what it does to a response. */
interface Rule {
  readonly yaml: (owner: string) => string;
  /** Whether sites may have it, too. */
  readonly isOfSites?: boolean;
  /** Whether it shows on what is not there: then the inner route is for applications alone. */
  readonly isOfMissing?: boolean;
  /** Who has marked the response; undefined: nobody. */
  readonly markOf: (response: HttpResponse) => string | undefined;
}

const RULES: Readonly<Record<string, Rule>> = {
  "headers that are set": {
    yaml: (owner) => `headers: { set: { X-Mark: ${owner} } }`,
    isOfSites: true,
    markOf: ({ headers }) => headers.get("x-mark"),
  },
  "headers that are added": {
    yaml: (owner) => `headers: { add: { X-Mark: ${owner} } }`,
    isOfSites: true,
    markOf: ({ headers }) => headers.get("x-mark"),
  },
  "error pages": {
    yaml: (owner) => `error_pages: { 404: { body: "page of ${owner}", type: text/plain } }`,
    isOfSites: true,
    isOfMissing: true,
    markOf: ({ body }) => /^page of (\S+)$/.exec(body.toString())?.[1],
  },
};

const WAYS: Readonly<Record<string, string>> = {
  "X-Accel-Redirect": "x-accel-redirect",
  "a local redirect": "location",
};

/** Who marks the response: the inner route has its own, or else the site's. */
const EXPECTED: Readonly<Record<Place, string | undefined>> = {
  "the asked route": undefined,
  "the inner route": "inner",
  "both routes": "inner",
  "the site": "site",
  "none": undefined,
};

function configOf(
  { yaml, isOfMissing }: Rule,
  place: Place,
  root: string,
  upstreams: string,
): string {
  const asked = place === "the asked route" || place === "both routes" ? `${yaml("asked")}, ` : "";
  const inner = place === "the inner route" || place === "both routes" ? `${yaml("inner")}, ` : "";
  return `
${upstreams}
sites:
  - root: ${root}
    local_redirects: true
    ${place === "the site" ? yaml("site") : ""}
    routes:
      - { path: /inner/*, ${isOfMissing ? "internal: true, " : ""}${inner}static: {} }
      - { ${asked}fastcgi: { upstream: app } }
`;
}

/** The application leads to where the query says. */
async function withSite(
  configOf: (upstreams: string) => string,
  use: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const query = new URLSearchParams(params.get("QUERY_STRING"));
      // A local redirect has neither a status nor a body.
      const stdout = Buffer.from(`${query.get("way")}: ${query.get("to")}\n\n`);
      connection.send(new ResponseRecords().stdout(id, stdout).stdoutEnd(id).end(id));
    },
  };
  try {
    const upstreams = `upstreams: { app: { servers: ["unix:${path}"], multiplex: "on" } }`;
    await withConfig({ text: configOf(upstreams) }, use);
  } finally {
    await peer.stop();
  }
}

function rootWithFile(): string {
  const root = freshPath();
  mkdirSync(join(root, "inner"), { recursive: true });
  writeFileSync(join(root, "inner/file.txt"), TEXT);
  return root;
}

for (const [name, rule] of Object.entries(RULES)) {
  for (const place of PLACES) {
    if (place === "the site" && !rule.isOfSites) continue;
    test(`A response that is handed over has its own route's ${name}, with them at ${place}`, async () => {
      const text = (upstreams: string) => configOf(rule, place, rootWithFile(), upstreams);
      await withSite(text, async (gateway) => {
        const path = rule.isOfMissing ? "/inner/none.txt" : "/inner/file.txt";
        if (!rule.isOfMissing) {
          const plain = await gateway.send(path);
          assert.equal(rule.markOf(plain), EXPECTED[place], "asked by a client");
        }
        for (const [way, field] of Object.entries(WAYS)) {
          const response = await gateway.send(`/ask?way=${field}&to=${path}`);
          assert.equal(response.status, rule.isOfMissing ? 404 : 200, way);
          assert.equal(rule.markOf(response), EXPECTED[place], way);
        }
      });
    });
  }
}

test("What keeps clients out of the inner route keeps out those that are handed over to it", async () => {
  const guards: Readonly<Record<string, readonly [yaml: string, status: number]>> = {
    "a password": ["basic_auth: { realm: r, users: { a: b } }", 401],
    "an address": ["ip_restriction: { deny: [127.0.0.0/8, '::1'] }", 403],
    "a method": ["methods: [POST]", 404],
  };
  for (const [what, [yaml, status]] of Object.entries(guards)) {
    const text = (upstreams: string) => `
${upstreams}
sites:
  - root: ${rootWithFile()}
    local_redirects: true
    routes:
      - { path: /inner/*, ${yaml}, static: {} }
      - { path: /ask, fastcgi: { upstream: app } }
`;
    await withSite(text, async (gateway) => {
      for (const [way, field] of Object.entries(WAYS)) {
        const response = await gateway.send(`/ask?way=${field}&to=/inner/file.txt`);
        assert.notEqual(response.body.toString(), TEXT, `${what}, ${way}`);
        const isAsExpected = response.status === status ||
          (what === "a method" && response.status === 405);
        assert.ok(isAsExpected, `${what}, ${way}: ${response.status}`);
      }
    });
  }
});

test("A response is packed once, by the route that gave it, whichever of the two would", async () => {
  const compression = "compression: { types: [text/plain], min_size: 1 }";
  for (const [asked, inner] of [["", ""], [compression, ""], ["", compression]] as const) {
    const text = (upstreams: string) => `
${upstreams}
sites:
  - root: ${rootWithFile()}
    local_redirects: true
    routes:
      - { path: /inner/*, ${inner ? `${inner}, ` : ""}static: {} }
      - { ${asked ? `${asked}, ` : ""}fastcgi: { upstream: app } }
`;
    await withSite(text, async (gateway) => {
      for (const [way, field] of Object.entries(WAYS)) {
        const response = await gateway.send({
          target: `/ask?way=${field}&to=/inner/file.txt`,
          headers: { "Accept-Encoding": "gzip" },
        });
        const coding = response.headers.get("content-encoding");
        const what = `${way}, asked: ${asked !== ""}, inner: ${inner !== ""}`;
        assert.equal(coding, inner === "" ? undefined : "gzip", what);
        const body = coding === undefined ? response.body.toString() : await new Response(
          new Blob([new Uint8Array(response.body)]).stream()
            .pipeThrough(new DecompressionStream("gzip")),
        ).text();
        assert.equal(body, TEXT, what);
      }
    });
  }
});
