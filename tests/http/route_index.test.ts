/** Many routes are found by the first name of a path; what is found is what looking through all finds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RouteOptions } from "../../src/http/options.ts";
import { INDEXED_ROUTES_MIN, indexRoutes } from "../../src/http/route_index.ts";
import { INDEXED_NAMES_MAX } from "../../src/routing/route_names.ts";
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

test("The methods that a path may have are those of all routes that match it", () => {
  const methods = fc.option(fc.subarray(["GET", "POST", "PUT"], { minLength: 1 }), {
    nil: undefined,
  });
  fc.assert(
    fc.property(
      routes,
      fc.array(methods, { minLength: 24, maxLength: 24 }),
      path,
      (routes, told, path) => {
        const withMethods = routes.map((route, at) => ({ ...route, methods: told[at] }));
        const router = new SiteRouter<never>(withMethods);
        const context = { method: "OPTIONS", target: { path } } as never;
        const allowed = new Set(
          withMethods.flatMap(({ path: pattern, stripPrefix, methods }) =>
            methods !== undefined && compileMatch(pattern, stripPrefix)(path) ? methods : []
          ),
        );
        if (allowed.has("GET")) allowed.add("HEAD");
        const found = router.allowedMethods(context, new Headers());
        assert.deepEqual(new Set(found ?? []), allowed);
        for (const method of ["GET", "HEAD", "POST"]) {
          const first = withMethods.findIndex(({ path: pattern, stripPrefix, methods }) =>
            compileMatch(pattern, stripPrefix)(path) &&
            (methods === undefined || methods.includes(method) ||
              (method === "HEAD" && methods.includes("GET")))
          );
          assert.equal(router.nextOf(method, path, -1), first);
        }
      },
    ),
    { numRuns: 500 },
  );
});

/** The places of the routes that are looked at for a path. */
function candidates(routes: readonly RouteOptions[], path: string, after = -1): number[] {
  const index = indexRoutes(routes)!;
  index.begin(path, after);
  const found: number[] = [];
  for (let place = index.next(); place >= 0; place = index.next()) found.push(place);
  return found;
}

const COUNT = 1_000;
const manyRoutes = (pattern: (at: number) => string) =>
  Array.from({ length: COUNT }, (_, at) => route(pattern(at)));

const SHAPES: Readonly<Record<string, (at: number) => string>> = {
  "a first name of their own": (at) => `/shop-${at}/*`,
  "a name below one that all have": (at) => `/shop/items/${at}/*`,
  "a path of their own": (at) => `/shop/items/${at}`,
  "a path of their own with a slash at its end": (at) => `/shop/items/${at}/`,
  "a suffix behind names of their own": (at) => `/shop/${at}/*.php`,
  "stars behind names of their own": (at) => `/shop/${at}/*/edit/*`,
  "an expression that begins with names of their own": (at) => `~ ^/shop/${at}/(?<item>[^/]+)$`,
  "many names": (at) => `/${at}${"/a".repeat(INDEXED_NAMES_MAX)}/b`,
};

for (const [what, pattern] of Object.entries(SHAPES)) {
  test(`A thousand routes with ${what} are not looked through for one path`, () => {
    const many = manyRoutes(pattern);
    const path = pattern(500).replace("~ ^", "").replace("(?<item>[^/]+)$", "x")
      .replaceAll("*", "x");
    assert.ok(compileMatch(pattern(500), undefined)(path), path);
    const all = [route("*.php"), ...many, route(undefined)];
    assert.deepEqual(candidates(all, path), [0, 501, 1001]);
    assert.deepEqual(candidates(all, path, 0), [501, 1001]);
    assert.deepEqual(candidates(all, path, 501), [1001]);
    assert.deepEqual(candidates(all, path, 1001), []);
    assert.deepEqual(candidates(all, "/other"), [0, 1001]);
  });
}

test("Few routes are looked through as they are", () => {
  const many = manyRoutes((at) => `/${at}/*`);
  assert.equal(indexRoutes(many.slice(0, INDEXED_ROUTES_MIN - 1)), undefined);
});

test("A path of a thousand names is looked at as far as routes have names", () => {
  const many = manyRoutes((at) => `${"/a".repeat(50)}/${at}`);
  const index = indexRoutes(many)!;
  index.begin("/a".repeat(1_000), -1);
  assert.equal(index.next(), 0);
  assert.deepEqual(candidates(many, "/b".repeat(1_000)), []);
});
