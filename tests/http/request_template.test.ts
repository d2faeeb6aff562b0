/** Texts with references to the request: what they stand for, and which are refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../../src/http/request_context.ts";
import {
  compileTemplate,
  REFERENCE_NAMES,
  TemplateError,
} from "../../src/http/request_template.ts";
import { matchOf } from "../../src/routing/route_pattern.ts";

const CONTEXT: RequestContext = {
  id: "abc-1",
  method: "GET",
  target: { kind: "target", raw: "/caf%C3%A9/x?q=1", path: "/café/x", query: "q=1" },
  host: { name: "example.com", port: undefined },
  peer: { host: "192.0.2.1", port: 4711 },
  listener: { scheme: "https", host: "", port: 0 },
  startedMs: 0,
  trace: {},
  passed: undefined,
  extra: new Map([["REMOTE_USER", "anna"]]),
  rules: undefined,
  bodyProgress: undefined,
};

function textOf(
  text: string,
  { pattern, headers = new Headers(), context = {} }: {
    pattern?: string;
    headers?: Headers;
    context?: Partial<RequestContext>;
  } = {},
): string {
  const compiled = compileTemplate(text, { pattern });
  assert.equal(typeof compiled, "function");
  return typeof compiled === "string" ? "" : compiled({ ...CONTEXT, ...context }, headers);
}

test("A text without a reference stays a text", () => {
  for (const text of ["", "plain", "$", "$$", "{}", "$ {x}", "café"]) {
    assert.equal(compileTemplate(text, {}), text);
  }
  assert.equal(compileTemplate("a$${request.id}b", {}), "a${request.id}b");
});

test("Each reference stands for its part of the request", () => {
  const seen = Object.fromEntries(
    REFERENCE_NAMES.map((name) => [name, textOf(`\${${name}}`, { pattern: "/café/*" })]),
  );
  const cafe = "caf\u00c3\u00a9";
  assert.deepEqual(seen, {
    "request.method": "GET",
    "request.scheme": "https",
    "request.host": "example.com",
    "request.port": "443",
    "request.target": "/caf%C3%A9/x?q=1",
    "request.path": `/${cafe}/x`,
    "request.query": "q=1",
    "request.id": "abc-1",
    "client.address": "192.0.2.1",
    "client.port": "4711",
    "client.user": "anna",
    "match": "x",
  });
});

test("The port is the one that the client named, else the listener's", () => {
  const host = { name: "a", port: 8443 };
  assert.equal(textOf("${request.port}", { context: { host } }), "8443");
  const listener = { scheme: "http" as const, host: "", port: 8080 };
  assert.equal(textOf("${request.port}", { context: { listener } }), "8080");
});

test("A header's value keeps its bytes, whatever stands around it", () => {
  const headers = new Headers({ "X-A": "\u00e9" });
  const text = textOf("é${request.header.x-a}${request.header.None}é", { headers });
  assert.equal(text, "\u00c3\u00a9\u00e9\u00c3\u00a9");
});

test("A client on a unix socket has neither address nor port", () => {
  const peer = { host: "", port: 0 };
  assert.equal(textOf("[${client.address}${client.port}]", { context: { peer } }), "[]");
  assert.equal(textOf("[${client.user}]", { context: { extra: undefined } }), "[]");
});

test("What stands between references stays, and an escape among them", () => {
  assert.equal(textOf("$${a}${request.id}-${request.id}$"), "${a}abc-1-abc-1$");
});

test("A match is what the star stands for, without a slash before it", () => {
  const cases: [pattern: string | undefined, path: string, match: string][] = [
    ["/a/*", "/a/b/c", "b/c"],
    ["/a/*", "/a/", ""],
    ["/a/*", "/a", ""],
    ["/*", "/a/b", "a/b"],
    ["*", "/a/b", "a/b"],
    [undefined, "/a/b", "a/b"],
    [undefined, "/", ""],
    ["*.php", "/a/b.php", "a/b"],
    ["*.php", "/.php", ""],
    ["/a*", "/ab/c", "b/c"],
    ["/a/*.php", "/a/b/c.php", "b/c"],
    ["/exact", "/exact", ""],
  ];
  for (const [pattern, path, match] of cases) {
    assert.equal(matchOf(pattern)(path), match, `${pattern} ${path}`);
  }
});

const REFUSED: Readonly<Record<string, RegExp>> = {
  "${": /has no "}"/,
  "a ${request.id": /has no "}"/,
  "${}": /"\$\{\}" stands for nothing/,
  "${request.nothing}":
    /stands for nothing \(use request\.header\.NAME, request\.query\.NAME, request\.cookie\.NAME, path\.NAME, map\.NAME, request\.method/,
  "${constructor}": /stands for nothing/,
  "${request.header.}": /names no header/,
  "${request.header.a b}": /names no header/,
  "${tls.client_subject}": /stands for nothing \(use tls\.version/,
};

for (const [text, message] of Object.entries(REFUSED)) {
  test(`The text ${text} is refused`, () => {
    assert.throws(() => compileTemplate(text, {}), (error) => {
      return error instanceof TemplateError && message.test(error.message);
    });
  });
}
