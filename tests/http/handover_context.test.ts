/**
 * What a request that an application hands over has of the one that led to it, as a table over every
 * field of a context: what a route has noted on the way is never the next one's. A field that is new
 * has no place in the table, which tsc says.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Handover, handOver } from "../../src/http/handover.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

/** `its own`: another value than the one before; `free`: whoever responds sets it. */
type Fate = "kept" | "forgotten" | "its own" | "free";

const FATES: Readonly<Record<keyof RequestContext, Fate>> = {
  id: "kept",
  method: "its own",
  target: "its own",
  host: "kept",
  peer: "kept",
  listener: "kept",
  startedMs: "kept",
  proxy: "kept",
  trace: "kept",
  handedOver: "its own",
  clientVerdict: "kept",
  passed: "forgotten",
  matchedPath: "forgotten",
  rewrites: "forgotten",
  goesOnBehind: "forgotten",
  reachesInternal: "kept",
  extra: "kept",
  forwarded: "forgotten",
  rules: "free",
  bodyProgress: "forgotten",
};

const NO_BODY = { bytes: 0, ended: true, error: undefined, onEnded: undefined };

/** All that routes may have noted of a POST before the application was asked. */
function noted(): RequestContext {
  return {
    id: "r1",
    method: "POST",
    target: { kind: "target", raw: "/app?a=b", path: "/app", query: "a=b" },
    host: { name: "site.test", port: 8080 },
    peer: { host: "192.0.2.1", port: 1234 },
    listener: { scheme: "https", host: "127.0.0.1", port: 443 },
    startedMs: 17,
    proxy: "192.0.2.9",
    trace: { code: "no_such_file" },
    handedOver: { hops: 3, contentType: "text/x-before" },
    clientVerdict: "SUCCESS",
    passed: { status: 405, code: "method_not_allowed", headers: { allow: "GET" } },
    matchedPath: "/before",
    rewrites: { count: 9, by: new Set([0, 1, 2]) },
    goesOnBehind: 7,
    reachesInternal: true,
    extra: new Map([["REMOTE_USER", "alice"]]),
    forwarded: new Request("http://localhost/forwarded"),
    rules: { apply: (_context, _asked, response) => Promise.resolve(response) },
    bodyProgress: { ...NO_BODY, bytes: 99 },
  };
}

function responseWith(headers: Partial<UpstreamResponse["head"]>): UpstreamResponse {
  return {
    head: { status: 200, headers: [], contentLength: undefined, ...headers },
    body: new Uint8Array(0),
    progress: NO_BODY,
    source: { server: "unix:/app.sock", connection: 1, stream: 1, headMs: 0 },
  } as unknown as UpstreamResponse;
}

const WAYS: Readonly<Record<string, Partial<UpstreamResponse["head"]>>> = {
  "X-Accel-Redirect": { directives: new Map([["x-accel-redirect", "/inner?c=d"]]) },
  "a local Location": { localRedirect: "/inner?c=d" },
};

for (const [way, head] of Object.entries(WAYS)) {
  test(`A request that ${way} makes has nothing that routes have noted of the first one`, async () => {
    const before = noted();
    const context = noted();
    let inner: RequestContext | undefined;
    let asked: HttpRequest | undefined;
    const handover: Handover = {
      clock: new ManualClock(),
      sendNamedFile: () => undefined,
      keepsBytes: false,
      localRedirects: true,
      fetch(request, given) {
        [asked, inner] = [request, given];
        return new Response("inner");
      },
    };
    const request = new Request("http://localhost/", {
      method: "POST",
      headers: { "content-type": "text/x-upload", "x-own": "1" },
      body: "upload",
    });
    await handOver(handover, request, context, responseWith(head), () => {
      throw new Error("It is handed over");
    });

    const unknown = Object.keys(inner!).filter((name) => !(name in FATES));
    assert.deepEqual(unknown, [], "fields that the table does not know");
    for (const [name, fate] of Object.entries(FATES)) {
      const key = name as keyof RequestContext;
      if (fate === "forgotten") assert.equal(inner![key], undefined, `${name} is the first one's`);
      else if (fate === "kept") assert.equal(inner![key], context[key], `${name} is lost`);
      else if (fate === "its own") assert.notDeepEqual(inner![key], before[key], name);
    }
    assert.equal(inner!.method, "GET");
    assert.deepEqual([inner!.target.path, inner!.target.query], ["/inner", "c=d"]);
    assert.equal(inner!.handedOver!.hops, 4);
    assert.deepEqual([asked!.method, asked!.body, [...asked!.headers]], ["GET", null, [
      ["x-own", "1"],
    ]]);
    // What the first one has is still its own.
    for (const name of ["passed", "matchedPath", "rewrites", "goesOnBehind", "target"] as const) {
      assert.deepEqual(context[name], before[name], name);
    }
  });
}
