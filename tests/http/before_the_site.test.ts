/**
 * What a gateway looks at before a site's routes see a request, and in which order: each look with each
 * way to fail it, what the log says of it, and that a request is open until its response is there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGateway, type GatewayDeps, type GatewaySite } from "../../src/http/gateway.ts";
import { HttpMetrics } from "../../src/http/http_metrics.ts";
import { RequestIdSource } from "../../src/http/request_id.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { asResponse } from "../../src/runtime/http_response.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import { MemoryRuntime, MemorySink } from "../support/memory/memory.ts";

const CHALLENGE = "/.well-known/acme-challenge/";

interface Asked {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly scheme: "http" | "https";
}

/** What the gateway has, beside a site "a.test" that sends plain HTTP to TLS. */
const DEPS: Partial<GatewayDeps> = {
  answerChallenge: (host, token) =>
    host === "acme.test" && token === "known" ? "known.thumbprint" : undefined,
  tlsPort: () => 443,
};

async function ask(
  { method, host, target, scheme }: Asked,
  deps: Partial<GatewayDeps>,
): Promise<{ seen: string; line: Record<string, unknown> }> {
  const { clock } = new MemoryRuntime();
  const [log, access] = [new MemorySink(), new MemorySink()];
  const logOf = (sink: MemorySink) => new Logger({ sink, clock, level: "info", format: "json" });
  const sites = new SiteTable<GatewaySite>();
  sites.add(["a.test"], {
    name: "a",
    app: { fetch: () => assert.fail("nobody asks it") },
    direct: () => new Response("of the site"),
    hasRules: false,
    plainHttp: () => ({ status: 403, code: "https_only" }),
  });
  const open = { begun: 0, ended: 0 };
  const gateway = createGateway({
    clock,
    sites,
    requestIds: new RequestIdSource(),
    metrics: new HttpMetrics(new MetricsRegistry()),
    accessLog: logOf(access),
    log: logOf(log),
    listener: { scheme, host: "127.0.0.1", port: 80 },
    open: { begin: () => void open.begun++, end: () => void open.ended++ },
    ...deps,
  });
  const url = target.startsWith("/") ? `${scheme}://${host}${target}` : target;
  const request = {
    method,
    url,
    headers: new Headers({ Host: host }),
    body: null,
    signal: new AbortController().signal,
  };
  const response = await asResponse(gateway(request, { host: "192.0.2.1", port: 1 }));
  const text = await response.text();
  clock.advance(1_000);
  assert.deepEqual(open, { begun: 1, ended: 1 });
  const lines = access.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.equal(lines.length, 1);
  const [line] = lines;
  assert.equal(line.status, response.status);
  const seen = `${response.status} ${line.code ?? text}`.trim();
  return { seen, line };
}

const SITE: Asked = { method: "GET", host: "a.test", target: "/x", scheme: "https" };
const ACME: Asked = {
  method: "GET",
  host: "acme.test",
  target: `${CHALLENGE}known`,
  scheme: "http",
};

const TABLE: readonly (readonly [asked: Asked, seen: RegExp])[] = [
  [SITE, /^200 of the site$/],
  [{ ...SITE, scheme: "http" }, /^403 https_only$/],
  [{ ...SITE, host: "b.test" }, /^404 no_such_site$/],
  [{ ...SITE, host: "b.test", scheme: "http" }, /^404 no_such_site$/],
  [{ ...SITE, host: "a b" }, /^400 bad_host$/],
  [{ ...SITE, target: "/a%zz" }, /^400 bad_target$/],
  [{ ...SITE, host: "a b", target: "/a%zz" }, /^400 bad_host$/],
  [{ ...SITE, host: "b.test", target: "/a%zz" }, /^400 bad_target$/],
  [{ ...SITE, target: `/${"x".repeat(16_384)}` }, /^414 target_too_long$/],
  [{ ...SITE, method: "TRACE" }, /^405 method_not_allowed$/],
  [{ ...SITE, method: "CONNECT" }, /^405 method_not_allowed$/],
  [{ ...SITE, method: "TRACE", scheme: "http" }, /^405 method_not_allowed$/],
  [{ ...SITE, method: "TRACE", host: "b.test" }, /^405 method_not_allowed$/],
  [{ ...SITE, method: "TRACE", target: "/a%zz" }, /^400 bad_target$/],
  [{ ...SITE, method: "OPTIONS", target: "*" }, /^200$/],
  [{ ...SITE, method: "OPTIONS", target: "*", host: "b.test" }, /^200$/],
  [{ ...SITE, method: "OPTIONS", target: "*", host: "a b" }, /^400 bad_host$/],
  // Of an authority: over plain HTTP, of every host, before anything is refused or redirected.
  [ACME, /^200 known\.thumbprint$/],
  [{ ...ACME, method: "HEAD" }, /^200( known\.thumbprint)?$/],
  [{ ...ACME, host: "Acme.Test.:80" }, /^200 known\.thumbprint$/],
  [{ ...ACME, target: "/.well-known/%61cme-challenge/known" }, /^200 known\.thumbprint$/],
  [{ ...ACME, target: "/.well-known//acme-challenge/./known" }, /^200 known\.thumbprint$/],
  [{ ...ACME, target: `${CHALLENGE}known?x=1` }, /^200 known\.thumbprint$/],
  [{ ...ACME, scheme: "https" }, /^404 no_such_site$/],
  [{ ...ACME, method: "POST" }, /^404 no_such_site$/],
  [{ ...ACME, method: "TRACE" }, /^405 method_not_allowed$/],
  [{ ...ACME, target: `${CHALLENGE}unknown` }, /^404 no_such_site$/],
  [{ ...ACME, target: `${CHALLENGE}known/` }, /^404 no_such_site$/],
  [{ ...ACME, target: `${CHALLENGE}x/../known` }, /^200 known\.thumbprint$/],
  [{ ...ACME, target: CHALLENGE }, /^404 no_such_site$/],
  [{ ...ACME, target: `/x${CHALLENGE}known` }, /^404 no_such_site$/],
  [{ ...ACME, host: "a.test" }, /^403 https_only$/],
  [{ ...ACME, host: "a b" }, /^400 bad_host$/],
];

test("Each look has its place before the others, and one line says what it found", async () => {
  for (const [asked, expected] of TABLE) {
    const { seen, line } = await ask(asked, DEPS);
    assert.match(seen, expected, JSON.stringify(asked));
    assert.equal(line["method"], asked.method);
  }
});

test("A listener that asks its clients lets none by but the authority, and none that it refuses", async () => {
  const checkClient = () => ({ status: 403, code: "client_certificate_required" }) as const;
  for (const [asked, expected] of TABLE) {
    const { seen } = await ask(asked, { ...DEPS, checkClient });
    const isAsked = /of the site|no_such_site|https_only/.test(expected.source);
    assert.match(seen, isAsked ? /^403 client_certificate_required$/ : expected);
    const allowed = await ask(asked, { ...DEPS, checkClient: () => undefined });
    assert.match(allowed.seen, expected);
  }
});

test("Where nobody answers authorities their paths are a site's as any other", async () => {
  for (const host of ["acme.test", "a.test"]) {
    const { seen } = await ask({ ...ACME, host, scheme: "https" }, {});
    assert.equal(seen, host === "a.test" ? "200 of the site" : "404 no_such_site");
    const plain = await ask({ ...ACME, host }, {});
    assert.equal(plain.seen, host === "a.test" ? "403 https_only" : "404 no_such_site");
  }
});
