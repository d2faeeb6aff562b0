import assert from "node:assert/strict";
import { test } from "node:test";
import { coversRoute, type RouteShape } from "../../src/config/route_cover.ts";

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
