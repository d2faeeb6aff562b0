import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coversRoute, EarlierRoutes, type RouteShape } from "../../src/routing/route_cover.ts";
import { SiteRouter } from "../../src/http/site_router.ts";

function route(path?: string, methods?: string[], passesOn = false): RouteShape {
  return { path, methods, passesOn };
}

const COVERED: readonly [string | undefined, string | undefined][] = [
  ["/a*", "/ab"],
  ["/a*", "/a/*"],
  ["/a*", "/ab/*"],
  ["/a*", "/ab*.php"],
  ["/a/*.php", "/a/b.php"],
  ["/a/*.php", "/a/b/*.x.php"],
  [undefined, undefined],
  [undefined, "/a"],
  [undefined, "*.php"],
  ["/*", undefined],
  ["/*", "*.php"],
  ["/a", "/a"],
  ["/a/*", "/a"],
  ["/a/*", "/a/b"],
  ["/a/*", "/a/b/*"],
  ["/a/*", "/a/*"],
  ["*.php", "*.php"],
  ["*.php", "*.x.php"],
  ["*.php", "/a/b.php"],
];

const NOT_COVERED: readonly [string | undefined, string | undefined][] = [
  ["/a*", "/*"],
  ["/a*", "*.php"],
  ["/a/*.php", "/a/*"],
  ["/a/*.php", "*.php"],
  ["/a/b*b", "/a/b"],
  ["/a", undefined],
  ["/a", "/a/*"],
  ["/a", "/a/b"],
  ["/a/*", "/ab"],
  ["/a/*", "/*"],
  ["/a/*", "*.php"],
  ["*.php", "/a/*"],
  ["*.php", "*.html"],
  ["*.x.php", "*.php"],
];

test("A route covers those whose every path it matches", () => {
  for (const [earlier, later] of COVERED) {
    assert.ok(coversRoute(route(earlier), route(later)), `${earlier} covers ${later}`);
  }
});

test("A route does not cover one that also matches other paths", () => {
  for (const [earlier, later] of NOT_COVERED) {
    assert.ok(!coversRoute(route(earlier), route(later)), `${earlier} does not cover ${later}`);
  }
});

test("A route covers only methods that it takes", () => {
  assert.ok(coversRoute(route("/a", ["GET", "POST"]), route("/a", ["GET"])));
  assert.ok(!coversRoute(route("/a", ["GET"]), route("/a", ["GET", "POST"])));
  assert.ok(!coversRoute(route("/a", ["GET"]), route("/a")));
});

test("Expressions and several stars cover what they surely match", () => {
  const covered = [
    ["~ ^/a/", "/a/b"],
    ["~ ^/a/", "~ ^/a/"],
    ["/a/*/c", "/a/b/c"],
    ["/a/*", "~ ^/a/b\\d$"],
    ["/a/*", "/a/*/c/*"],
    ["/a*", "~ ^/abc"],
    [undefined, "~ x"],
  ] as const;
  for (const [earlier, later] of covered) {
    assert.ok(coversRoute(route(earlier), route(later)), `${earlier} covers ${later}`);
  }
  const others = [
    ["~ ^/a/", "/a/*"],
    ["~ ^/a/", "~ ^/a/b"],
    ["~ ^/a/x", "/a/b"],
    ["/a/*", "~ /a/b"],
    ["/a/*", "~* ^/A/b"],
    ["/a/*/c", "/a/*"],
    ["/a/*.php", "~ ^/a/b"],
  ] as const;
  for (const [earlier, later] of others) {
    assert.ok(!coversRoute(route(earlier), route(later)), `${earlier} does not cover ${later}`);
  }
});

test("A route covers only routes that ask for as much", () => {
  const asking = (...conditions: string[]): RouteShape => ({ ...route("/a"), conditions });
  assert.ok(coversRoute(asking("x"), asking("y", "x")));
  assert.ok(coversRoute(route("/a"), asking("x")));
  assert.ok(!coversRoute(asking("x"), route("/a")));
  assert.ok(!coversRoute(asking("x"), asking("y")));
});

test("A route that passes on covers nothing", () => {
  assert.ok(!coversRoute(route(undefined, undefined, true), route("/a")));
});

const PATTERNS: readonly (string | undefined)[] = [
  undefined,
  "/*",
  "/a",
  "/a*",
  "/a/*",
  "/ab",
  "/ab/*",
  "/a/b",
  "/a/b*",
  "/a/b/*",
  "*.php",
  "*.x.php",
  "/a*.php",
  "/a/*.php",
  "/a/b*b",
];
const METHODS: readonly (string[] | undefined)[] = [
  undefined,
  ["GET"],
  ["HEAD"],
  ["POST"],
  ["GET", "HEAD"],
  ["GET", "POST"],
  ["HEAD", "POST"],
];
const ASKED_METHODS = ["GET", "HEAD", "POST", "DELETE"];

/** Paths of up to three parts, some with "/" at their end. */
function askedPaths(): string[] {
  const names = ["a", "ab", "b", "bb", "abc", "a.php", "b.x.php", ".php", ".x.php", "c"];
  let paths = ["/"];
  const all = new Set(paths);
  for (let depth = 0; depth < 3; depth++) {
    paths = paths.flatMap((path) => names.map((name) => `${path.replace(/\/$/, "")}/${name}`));
    for (const path of paths) {
      all.add(path);
      if (depth === 0) all.add(`${path}/`);
    }
  }
  return [...all];
}

/** What a router with this route alone takes. */
function taken({ path, methods }: RouteShape, asked: readonly string[][]): Set<string> {
  const handler = { kind: "respond", status: 200, body: "" } as const;
  const router = new SiteRouter([{ path, methods, handler }]);
  return new Set(
    asked.filter(([method, target]) => router.nextOf(method!, target!, -1) === 0)
      .map((request) => request.join(" ")),
  );
}

function isWithin(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return [...one].every((request) => other.has(request));
}

test("A route covers another exactly when no request is left to that, whatever paths and methods", () => {
  const paths = askedPaths().map((path) => ["GET", path]);
  const methods = ASKED_METHODS.map((method) => [method, "/a"]);
  const byPath = PATTERNS.map((path) => ({ path, taken: taken(route(path), paths) }));
  const byMethods = METHODS.map((names) => ({
    names,
    taken: taken(route(undefined, names), methods),
  }));
  const shapes = byPath.flatMap((one) => byMethods.map((other) => ({ one, other })));
  let covered = 0;
  for (const earlier of shapes) {
    for (const later of shapes) {
      const nothingIsLeft = isWithin(later.one.taken, earlier.one.taken) &&
        isWithin(later.other.taken, earlier.other.taken);
      const covers = coversRoute(
        route(earlier.one.path, earlier.other.names),
        route(later.one.path, later.other.names),
      );
      const what = `${earlier.other.names} ${earlier.one.path} before ` +
        `${later.other.names} ${later.one.path}`;
      assert.equal(covers, nothingIsLeft, what);
      if (covers) covered++;
    }
  }
  assert.ok(covered > shapes.length, `${covered} are covered`);
});

const shapes: fc.Arbitrary<RouteShape> = fc.record({
  path: fc.constantFrom(
    ...PATTERNS,
    "/a/b/c",
    "/a/*/c",
    "~ ^/a/",
    "~ ^/a/b",
    "~* ^/A/",
    "~ x",
    "/a/b/*.php",
    `${"/a".repeat(10)}/*`,
    `${"/a".repeat(12)}`,
  ),
  methods: fc.constantFrom(...METHODS),
  conditions: fc.constantFrom<readonly string[]>([], ["x"], ["y"], ["x", "y"], ["y", "x"]),
  passesOn: fc.constantFrom(false, false, false, true),
});

test("property: of the routes so far the first that covers one is found, as by a look at each", () => {
  fc.assert(
    fc.property(fc.array(shapes, { maxLength: 30 }), shapes, (all, later) => {
      const earlier = new EarlierRoutes<number>();
      all.forEach((shape, index) => earlier.add(shape, index));
      const first = all.findIndex((shape) => coversRoute(shape, later));
      assert.equal(earlier.coverOf(later), first < 0 ? undefined : first);
    }),
    { numRuns: 2_000 },
  );
});

const MANY = 1_000;
const KINDS: Readonly<Record<string, (at: number) => Omit<RouteShape, "passesOn" | "methods">>> = {
  "names of their own": (at) => ({ path: `/shop-${at}/*` }),
  "whole paths": (at) => ({ path: `/shop/items/${at}/page` }),
  "expressions": (at) => ({ path: `~ ^/shop/items/${at}/` }),
  "conditions": (at) => ({ path: undefined, conditions: [`host ${at}`] }),
  "paths and conditions": (at) => ({ path: "/shop/*", conditions: [`host ${at}`, "scheme"] }),
};

for (const [kind, shapeOf] of Object.entries(KINDS)) {
  test(`Of ${MANY} routes with ${kind} each is compared with few others`, () => {
    const earlier = new EarlierRoutes<number>();
    let looked = 0;
    for (let at = 0; at < MANY; at++) {
      const shape: RouteShape = { ...shapeOf(at), methods: undefined, passesOn: false };
      earlier.coverOf(shape);
      earlier.add({
        ...shape,
        get methods() {
          looked++;
          return undefined;
        },
      }, at);
    }
    assert.ok(looked <= 12 * MANY, `${looked} comparisons`);
  });
}
