/** Of many sites each is compiled with its first request, and of few all are at the start. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSites } from "../../src/app/generation_sites.ts";
import type { ProcessParts } from "../../src/app/process_parts.ts";
import { SITES_AT_ONCE_MAX } from "../../src/app/sites.ts";
import { Authorities } from "../../src/certificates/authorities.ts";
import { HTTP_LIMIT_DEFAULTS, type SiteOptions } from "../../src/http/options.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";

interface Counted {
  readonly sites: ReturnType<typeof compileSites>;
  /** How many routes to the upstream have been compiled. */
  readonly count: () => number;
}

function compile(count: number): Counted {
  let compiled = 0;
  const sites = Array.from({ length: count }, (_, at): SiteOptions => ({
    hosts: [`site-${at}.example`],
    root: undefined,
    proxies: undefined,
    traceContext: false,
    routes: [
      {
        path: "/app/*",
        methods: undefined,
        handler: {
          kind: "fastcgi",
          upstream: "app",
          scriptName: "",
          strip: undefined,
          splitPath: undefined,
          index: undefined,
          get params() {
            compiled++;
            return {};
          },
        },
      },
      {
        path: undefined,
        methods: undefined,
        handler: { kind: "respond", status: 200, body: `site ${at}` },
      },
    ],
  }));
  const process = { runtime: currentRuntime(), version: "1" } as unknown as ProcessParts;
  const deps = {
    process,
    upstreams: [{ options: { name: "app" } } as unknown as Upstream],
    authorities: new Authorities(),
  };
  const made = compileSites({ limits: HTTP_LIMIT_DEFAULTS, sites }, deps);
  return { sites: made, count: () => compiled };
}

const context = { method: "GET", target: { path: "/" } } as unknown as RequestContext;
const request = { headers: new Headers() } as unknown as HttpRequest;

test(`${SITES_AT_ONCE_MAX} sites are compiled before the first request`, () => {
  const { sites, count } = compile(SITES_AT_ONCE_MAX);
  assert.equal(sites.length, SITES_AT_ONCE_MAX);
  assert.ok(count() >= SITES_AT_ONCE_MAX);
});

test("Of a thousand sites none is compiled before its first request, and each once", async () => {
  const { sites, count } = compile(1_000);
  assert.equal(count(), 0);
  const { site } = sites[999]!;
  const first = await site.direct(request, context);
  const once = count();
  assert.ok(once > 0);
  const second = await site.direct(request, context);
  assert.equal(count(), once);
  for (const response of [first, second]) assert.equal(response?.status, 200);
  assert.equal(site.name, "site-999.example");
  assert.equal(site.hasRules, false);
});
