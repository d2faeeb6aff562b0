/** Values, addresses and paths: each small rule of routing by itself, at its edges. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressGroup } from "../../src/routing/address_group.ts";
import { decodePath, withoutDotSegments } from "../../src/routing/decoded_path.ts";
import { coversRoute, type RouteShape } from "../../src/routing/route_cover.ts";
import {
  compilePattern,
  groupNamesOf,
  groupOf,
  matchOf,
  prefixOfPattern,
} from "../../src/routing/route_pattern.ts";
import { compileValuePattern, valuePatternError } from "../../src/routing/value_pattern.ts";

test("A value is the text, a text with stars that stand for anything, or an expression", () => {
  const cases: [pattern: string, yes: readonly string[], no: readonly string[]][] = [
    ["a", ["a"], ["", "A", "aa", "a\n"]],
    ["", [""], ["a"]],
    ["*", ["", "a", "a/b\n"], []],
    ["**", ["", "a"], []],
    ["a*", ["a", "ab", "a\n"], ["", "ba"]],
    ["*a", ["a", "ba"], ["ab"]],
    ["a*c*e", ["ace", "abcde", "a/c/e"], ["ac", "aec", "xace"]],
    ["a.c*", ["a.c"], ["abc"]],
    ["~ ^a+$", ["a", "aa"], ["", "ab"]],
    ["~* ^a$", ["a", "A"], ["b"]],
  ];
  for (const [pattern, yes, no] of cases) {
    const matches = compileValuePattern(pattern);
    assert.equal(valuePatternError(pattern), undefined);
    for (const value of yes) assert.ok(matches(value), `${pattern} ${value}`);
    for (const value of no) assert.ok(!matches(value), `${pattern} ${value}`);
  }
  assert.match(valuePatternError("~ ^(a") ?? "", /without/);
  assert.equal(valuePatternError("(a"), undefined);
});

test("An IPv6 client is counted with all of its /64, one of IPv4 by itself", () => {
  const cases: [host: string, group: string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:0db8:0001:0000:3:4:5:6", "2001:db8:1:0"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:db8:1::2:3", "2001:db8:1:0"],
    ["2001:db8:1:2:3::", "2001:db8:1:2"],
    ["2001::2:3:4:5:6:7", "2001:0:2:3"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["1:2:3:4:5:6:7:8::9", "1:2:3:4"],
  ];
  for (const [host, group] of cases) assert.equal(addressGroup(host), group, host);
});

test("A path that is no UTF-8 is made of its bytes for who asks for it", () => {
  const ofBytes = (bytes: string) => bytes;
  assert.deepEqual(decodePath("/%ff/%2e%2e/%c3%bc%FE", ofBytes), { path: "/\u00c3\u00bc\u00fe" });
  assert.deepEqual(decodePath("/%c3%bc", ofBytes), { path: "/\u00fc" });
  for (const raw of ["/%", "/%a", "/%ag", "/%g0", "/a%"]) {
    assert.deepEqual(decodePath(raw, ofBytes), {
      reason: "The path has a broken percent-encoding",
    });
  }
  assert.deepEqual(decodePath("/%ff%00", ofBytes), { reason: "The path has a NUL" });
  assert.deepEqual(decodePath("/.."), { reason: 'The path leaves the root with ".."' });
});

test("Dot segments go, and what ends in one is a directory", () => {
  const cases: [path: string, expected: string | undefined][] = [
    ["/", "/"],
    ["//", "/"],
    ["/.", "/"],
    ["/a", "/a"],
    ["/a/", "/a/"],
    ["/a/.", "/a/"],
    ["/a/..", "/"],
    ["/a/b/..", "/a/"],
    ["/a/../b", "/b"],
    ["/...", "/..."],
    ["/a/.b/..c", "/a/.b/..c"],
    ["/..", undefined],
    ["/a/../..", undefined],
  ];
  for (const [path, expected] of cases) assert.equal(withoutDotSegments(path), expected, path);
});

test("What a star stands for is known of each shape, without the slash before it", () => {
  const cases: [pattern: string | undefined, path: string, match: string][] = [
    [undefined, "/a/b", "a/b"],
    [undefined, "a", "a"],
    ["*", "/a", "a"],
    ["/*", "/a/b", "a/b"],
    ["/a/*", "/a/b/c", "b/c"],
    ["/a/*", "/a", ""],
    ["/a*", "/ab", "b"],
    ["/a*", "/a/b", "b"],
    ["*.php", "/x/y.php", "x/y"],
    ["/a/*.php", "/a/b.php", "b"],
    ["/a/x*.php", "/a/x/b.php", "b"],
    ["/a", "/a", ""],
    ["/*/b/*", "/a/b/c", "c"],
    ["/*/b/*", "/x", ""],
    ["~ b(.)", "/abc", "bc"],
    ["~ b(.)", "/a", ""],
  ];
  for (const [pattern, path, match] of cases) {
    assert.equal(matchOf(pattern)(path), match, `${pattern} ${path}`);
  }
  for (const name of ["0", "01", "2", "x", "", "10000"]) {
    assert.equal(groupOf("/a*", name), undefined, name);
    assert.equal(groupOf("~ (?<y>a)", name), undefined, name);
  }
  assert.equal(groupOf("/a*", "1")?.("/ab"), "b");
  assert.equal(groupOf("~ (?<y>a)", "y")?.("/b"), "");
  assert.equal(groupOf("~ (?<y>a)", "1")?.("/a"), "a");
  const names: [pattern: string | undefined, names: readonly string[]][] = [
    [undefined, []],
    ["/a", []],
    ["/a*", ["1"]],
    ["/*/a/*", ["1", "2"]],
    ["~ (?<y>a)(b)", ["y", "1", "2"]],
  ];
  for (const [pattern, expected] of names) assert.deepEqual(groupNamesOf(pattern), expected);
});

test("A path matches a beginning and an end that do not overlap in it", () => {
  const cases: [pattern: string | undefined, yes: readonly string[], no: readonly string[]][] = [
    [undefined, ["/", "/a"], []],
    ["*", ["/", "/a"], []],
    ["/*", ["/", "/a"], []],
    ["/a", ["/a"], ["/a/", "/ab", "/", "/b/a"]],
    ["/a/*", ["/a", "/a/", "/a/b"], ["/ab", "/", "/b/a/"]],
    ["/a*", ["/a", "/ab", "/a/b"], ["/", "/b/a"]],
    ["*.php", ["/a.php", ".php"], ["/a.php/", "/a"]],
    ["/ab*ba", ["/abba", "/abxba", "/ab/ba"], ["/aba", "/ab", "/abb"]],
    ["/a/*.php", ["/a/.php", "/a/b.php"], ["/a.php", "/a/b"]],
  ];
  for (const [pattern, yes, no] of cases) {
    const matches = compilePattern(pattern);
    for (const path of yes) assert.ok(matches(path), `${pattern} ${path}`);
    for (const path of no) assert.ok(!matches(path), `${pattern} ${path}`);
  }
  const prefixes: [pattern: string | undefined, prefix: string][] = [
    [undefined, ""],
    ["/a", "/a"],
    ["/a*b", "/a"],
    ["*.php", ""],
    ["~ ^/a", "/a"],
  ];
  for (const [pattern, prefix] of prefixes) assert.equal(prefixOfPattern(pattern), prefix);
});

test("A route covers by its methods and by what else it asks, and none that passes on does", () => {
  const route = (more: Partial<RouteShape>): RouteShape => ({
    path: "/a",
    methods: undefined,
    passesOn: false,
    ...more,
  });
  const cases: [earlier: Partial<RouteShape>, later: Partial<RouteShape>, covers: boolean][] = [
    [{}, {}, true],
    [{ passesOn: true }, {}, false],
    [{}, { passesOn: true }, true],
    [{ methods: ["GET"] }, { methods: ["HEAD"] }, true],
    [{ methods: ["HEAD"] }, { methods: ["GET"] }, false],
    [{ methods: ["POST"] }, { methods: ["HEAD"] }, false],
    [{ methods: ["GET"] }, {}, false],
    [{}, { methods: ["GET"] }, true],
    [{ methods: ["GET", "POST"] }, { methods: ["POST", "HEAD"] }, true],
    [{ methods: ["GET"] }, { methods: ["GET", "POST"] }, false],
    [{ conditions: ["a"] }, {}, false],
    [{ conditions: [] }, {}, true],
    [{}, { conditions: ["a"] }, true],
    [{ conditions: ["a"] }, { conditions: ["b", "a"] }, true],
    [{ conditions: ["a", "b"] }, { conditions: ["a"] }, false],
    [{ path: "/ab*ba" }, { path: "/abba" }, true],
    [{ path: "/ab*ba" }, { path: "/aba" }, false],
    [{ path: "/ab*ba" }, { path: "/ab*cba" }, true],
    [{ path: "/a*" }, { path: "/a" }, true],
    [{ path: "/a*b" }, { path: "/a/*" }, false],
    [{ path: "*b" }, { path: "/a/*" }, false],
    [{ path: "/*" }, { path: undefined }, true],
    [{ path: undefined }, { path: "/b" }, true],
  ];
  for (const [earlier, later, covers] of cases) {
    assert.equal(
      coversRoute(route(earlier), route(later)),
      covers,
      JSON.stringify([earlier, later]),
    );
  }
});
