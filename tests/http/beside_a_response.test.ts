/**
 * What goes along with a response and is no part of it: counts, ids, hints, traces, what the log is
 * told, what the client's TLS was.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { passEarlyHints } from "../../src/http/early_hints.ts";
import { withFieldsApart } from "../../src/http/fields_apart.ts";
import { warnForwarded } from "../../src/http/forwarded_warnings.ts";
import { OpenCount } from "../../src/http/open_count.ts";
import type { BodyWatch, RequestContext } from "../../src/http/request_context.ts";
import { RequestIdSource } from "../../src/http/request_id.ts";
import { TLS_REFERENCE_NAMES, tlsParameters, tlsReference } from "../../src/http/tls_parameters.ts";
import { traced } from "../../src/http/trace_context.ts";
import { WatchedBody } from "../../src/http/watched_body.ts";
import type { LimitedLog } from "../../src/observe/limited_log.ts";
import type { CgiHeaderSection } from "../../src/protocol/cgi_response.ts";
import { StreamResponse } from "../../src/runtime/http_response.ts";
import type { PeerCertificate, TlsDetails } from "../../src/runtime/tls_details.ts";

function contextOf(part: Partial<RequestContext> = {}): RequestContext {
  return {
    id: "abc-1",
    method: "GET",
    target: { kind: "target", raw: "/a", path: "/a", query: "" },
    host: { name: "a.example", port: undefined },
    peer: { host: "192.0.2.1", port: 1 },
    listener: { scheme: "https", host: "", port: 0 },
    startedMs: 0,
    trace: {},
    passed: undefined,
    extra: undefined,
    rules: undefined,
    bodyProgress: undefined,
    ...part,
  };
}

test("Who waits until no request is open is told when the last one ends, each once", async () => {
  const open = new OpenCount();
  await open.idle();
  open.begin();
  open.begin();
  assert.equal(open.count, 2);
  const seen: number[] = [];
  void open.idle().then(() => seen.push(1));
  void open.idle().then(() => seen.push(2));
  open.end();
  await Promise.resolve();
  assert.deepEqual([open.count, seen], [1, []]);
  open.end();
  await Promise.resolve();
  assert.deepEqual([open.count, seen], [0, [1, 2]]);
  open.begin();
  open.end();
  await open.idle();
  assert.deepEqual(seen, [1, 2]);
});

test("Ids of a process are its own prefix and a count from one", () => {
  const ids = new RequestIdSource();
  const [first, second] = [ids.next(), ids.next()];
  assert.match(first, /^[0-9a-f]{8}-1$/);
  assert.equal(second, first.replace(/1$/, "2"));
  assert.notEqual(new RequestIdSource().next(), first);
});

/** A stream of these pieces that then ends, breaks or goes on without saying more. */
function streamOf(
  pieces: readonly number[],
  then: "end" | "break" | "wait",
  cancelled: unknown[] = [],
) {
  const waiting = [...pieces];
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const length = waiting.shift();
      if (length !== undefined) return controller.enqueue(new Uint8Array(length));
      if (then === "end") controller.close();
      else if (then === "break") controller.error(new DOMException("It broke", "NetworkError"));
      else return new Promise(() => {});
    },
    cancel: (reason) => void cancelled.push(reason),
  }, { highWaterMark: 0 });
}

test("A watched body says how much went and how it ended, once", async () => {
  const inner: BodyWatch = {
    bytes: 0,
    ended: true,
    error: { code: "idle_timeout", message: "inner" },
    onEnded: undefined,
  };
  for (
    const [then, withInner, code] of [
      ["end", false, undefined],
      ["end", true, undefined],
      ["break", false, "answer_broke_off"],
      ["break", true, "idle_timeout"],
      ["wait", false, "client_gone"],
      ["wait", true, "idle_timeout"],
    ] as const
  ) {
    const cancelled: unknown[] = [];
    const watched = new WatchedBody(
      streamOf([3, 4], then, cancelled),
      withInner ? inner : undefined,
    );
    let ended = 0;
    watched.onEnded = () => ended++;
    const reader = watched.stream.getReader();
    await reader.read();
    assert.deepEqual([watched.bytes, watched.ended, ended], [3, false, 0]);
    await reader.read();
    if (then === "end") assert.equal((await reader.read()).done, true);
    if (then === "break") await reader.read().then(() => assert.fail(), () => {});
    if (then === "wait") {
      void reader.read().catch(() => {});
      await reader.cancel("enough");
      assert.deepEqual(cancelled, ["enough"]);
    }
    assert.deepEqual([watched.bytes, watched.ended, ended], [7, true, 1], then);
    assert.equal(watched.error?.code, code, then);
    await reader.cancel().catch(() => {});
    assert.equal(ended, 1);
  }
});

test("What a proxy says that nobody can read is told once a minute for each kind and site", () => {
  const told: unknown[][] = [];
  const log: Pick<LimitedLog, "log"> = {
    log: (key, level, message, fields, intervalMs) => {
      const { code, site, proxy, value, request_id } = fields;
      told.push([key, level, message, code, site, proxy, value, request_id, intervalMs]);
    },
  };
  const warn = (site: string, isClientUnknown: boolean, value: string) =>
    warnForwarded(log as LimitedLog, site, contextOf({ proxy: "10.0.0.1" }), {
      field: "X",
      value,
      isClientUnknown,
    });
  warn("a", true, "x".repeat(201));
  warn("b", false, "v");
  const last = ["abc-1", 60_000];
  const unknown = "Client is unknown: cannot read what a trusted proxy says in X";
  const ignored = "Cannot read what a trusted proxy says in X; it does not count";
  assert.deepEqual(told, [
    [
      "client_unknown a",
      "warn",
      unknown,
      "client_unknown",
      "a",
      "10.0.0.1",
      "x".repeat(200),
      ...last,
    ],
    ["forwarded_ignored b", "warn", ignored, "forwarded_ignored", "b", "10.0.0.1", "v", ...last],
  ]);
});

test("Links of an early hint go on, and nothing else, whatever becomes of them", () => {
  const sent: (readonly string[])[] = [];
  const pass = (status: number, headers: [string, string][]) =>
    passEarlyHints({ status, headers } as unknown as CgiHeaderSection, (links) => {
      sent.push(links);
      if (links.includes("bad")) throw new TypeError("No link");
    });
  pass(103, [["Link", "<a>"], ["X-Other", "b"], ["LINK", "<c>"]]);
  pass(103, [["X-Other", "b"]]);
  pass(102, [["Link", "<a>"]]);
  pass(103, [["link", "bad"]]);
  assert.deepEqual(sent, [["<a>", "<c>"], ["bad"]]);
});

test("Fields that came twice go out apart where nobody has changed them meanwhile", async () => {
  const once = [["a", "1"], ["set-cookie", "x"], ["Set-Cookie", "y"]] as const;
  const untouched = new Response(null);
  assert.equal(withFieldsApart(untouched, once), untouched);
  const sent = [["Expires", "1"], ["expires", "2"], ["B", "3"], ["b", "4"], ["c", "5"]] as const;
  for (let time = 0; time < 2; time++) {
    const headers = new Headers({ b: "changed", c: "5", "content-length": "4" });
    for (const value of ["1", "2"]) headers.append("expires", value);
    for (const value of ["x", "y"]) headers.append("set-cookie", value);
    headers.set("connection", "close");
    const response = new Response("body", { status: 201, statusText: "Odd", headers });
    const apart = withFieldsApart(response, sent);
    assert.ok(apart instanceof StreamResponse);
    assert.deepEqual(apart.fields.toSorted(([a], [b]) => a.localeCompare(b)), [
      ["b", "changed"],
      ["c", "5"],
      ...response.headers.has("content-type")
        ? [["content-type", response.headers.get("content-type")!]]
        : [],
      ["expires", "1"],
      ["expires", "2"],
      ["set-cookie", "x"],
      ["set-cookie", "y"],
    ]);
    assert.deepEqual([apart.status, apart.reason, apart.length], [201, "Odd", 4]);
    assert.equal(await new Response(apart.body as ReadableStream).text(), "body");
  }
  const bare = withFieldsApart(new Response("x", { headers: { "content-length": "x1" } }), sent);
  assert.ok(bare instanceof StreamResponse);
  assert.deepEqual([bare.length, bare.reason], [undefined, undefined]);
});

test("A trace is started with ids that are none of them zero", () => {
  const { getRandomValues } = crypto;
  try {
    crypto.getRandomValues = ((array: unknown) => array) as typeof getRandomValues;
    const context = contextOf();
    traced(context, new Headers());
    assert.equal(context.trace.traceId, `01${"0".repeat(30)}`);
    assert.equal(
      context.extra?.get("HTTP_TRACEPARENT"),
      `00-01${"0".repeat(30)}-01${"0".repeat(14)}-01`,
    );
    assert.equal(context.extra?.has("HTTP_TRACESTATE"), false);
  } finally {
    crypto.getRandomValues = getRandomValues;
  }
});

test("An application is told of the client's TLS, and of its certificate where somebody has asked", () => {
  const der = Uint8Array.from({ length: 60 }, (_, at) => at);
  const certificate = {
    sha256: "a".repeat(64),
    sha1: "b".repeat(40),
    der,
    subject: "/CN=Alice",
    issuer: "/CN=Root",
    serial: "0A",
    notBeforeMs: 0,
    notAfterMs: 1,
  } as unknown as PeerCertificate;
  const tls: TlsDetails = {
    serverName: "a.example",
    version: "TLSv1.3",
    cipher: "TLS_AES",
    protocol: undefined,
    certificate: undefined,
    intermediates: [],
  };
  const peer = { host: "192.0.2.1", port: 1 };
  assert.equal(tlsParameters({ peer, clientVerdict: "SUCCESS" }), undefined);
  const of = (details: TlsDetails, clientVerdict?: "NONE" | "SUCCESS") =>
    Object.fromEntries(tlsParameters({ peer: { ...peer, tls: details }, clientVerdict })!);
  const handshake = { SSL_PROTOCOL: "TLSv1.3", SSL_CIPHER: "TLS_AES" };
  const named = { ...handshake, SSL_SERVER_NAME: "a.example" };
  assert.deepEqual(of(tls), named);
  assert.deepEqual(of({ ...tls, serverName: undefined }), handshake);
  assert.deepEqual(of(tls, "NONE"), { ...named, SSL_CLIENT_VERIFY: "NONE" });
  const shown = { ...tls, certificate };
  assert.deepEqual(of(shown), named, "nobody has asked");
  // One that cannot be read has no names.
  const expected = { ...named, SSL_CLIENT_VERIFY: "SUCCESS" };
  for (let time = 0; time < 2; time++) assert.deepEqual(of(shown, "SUCCESS"), expected);
  const context = contextOf({ peer: { ...peer, tls: shown }, clientVerdict: "SUCCESS" });
  const texts = TLS_REFERENCE_NAMES.map((name) => tlsReference(name)!(context));
  assert.deepEqual(
    texts.filter((text) => text !== "").toSorted(),
    Object.values(expected).toSorted(),
  );
  assert.equal(tlsReference("tls.version")!(contextOf()), "");
  for (const none of ["tls.none", "constructor", "toString"]) {
    assert.equal(tlsReference(none), undefined);
  }
});
