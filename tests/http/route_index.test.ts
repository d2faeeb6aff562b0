/** Many routes are found by the first name of a path; what is found is what looking through all finds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RouteOptions } from "../../src/http/options.ts";
import { INDEXED_ROUTES_MIN, indexRoutes } from "../../src/http/route_index.ts";
import { compileMatch, SiteRouter } from "../../src/http/site_router.ts";
import { patternError } from "../../src/routing/route_pattern.ts";

function route(path: string | undefined, stripPrefix?: string): RouteOptions {
  return {
    path,
    methods: undefined,
    handler: { kind: "respond", status: 200, body: "" },
    ...(stripPrefix && { stripPrefix }),
  };
}

const name = fc.constantFrom("a", "b", "ab", "a*", "*", "*b", "x.php");
const EXPRESSIONS = ["~ ^/a/", "~ ^/a", "~ ^/(a|b)/", "~* ^/A/b", "~ /a/", "~ ^/ab/.*$"];
const pattern = fc.oneof(
  fc.array(name, { maxLength: 3 }).map((names) => `/${names.join("/")}`),
  fc.array(name, { maxLength: 2 }).map((names) => `/${names.join("/")}*`),
  fc.constantFrom("*.php", "/", "/*", ...EXPRESSIONS),
).filter((text) => patternError(text) === undefined);
const prefix = fc.constantFrom(undefined, undefined, "/a", "/ab/b");
const routes = fc.array(
  fc.tuple(fc.option(pattern, { nil: undefined }), prefix).map(([path, prefix]) =>
    route(path, prefix)
  ),
  { minLength: INDEXED_ROUTES_MIN, maxLength: 24 },
);
const path = fc.array(fc.constantFrom("a", "b", "ab", "x.php", ""), { maxLength: 3 })
  .map((names) => `/${names.join("/")}`);

test("Of many routes those are found that match, in their order", () => {
  fc.assert(
    fc.property(routes, path, (routes, path) => {
      const router = new SiteRouter<never>(routes);
      const context = { method: "GET", target: { path } } as never;
      const found: number[] = [];
      for (let at = router.next(context, new Headers(), -1); at >= 0;) {
        found.push(at);
        at = router.next(context, new Headers(), at);
      }
      const matching = routes.flatMap(({ path: pattern, stripPrefix }, at) =>
        compileMatch(pattern, stripPrefix)(path) ? [at] : []
      );
      assert.deepEqual(found, matching);
    }),
    { numRuns: 1_000 },
  );
});

test("A thousand routes are not looked through for one path", () => {
  const many = Array.from({ length: 1_000 }, (_, at) => route(`/shop-${at}/*`));
  const index = indexRoutes([route("*.php"), ...many, route(undefined)])!;
  assert.deepEqual(index("/shop-500/x"), [0, 501, 1001]);
  assert.deepEqual(index("/other"), [0, 1001]);
  assert.equal(indexRoutes(many.slice(0, INDEXED_ROUTES_MIN - 1)), undefined);
});
