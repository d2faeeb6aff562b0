/** Patterns of paths: several stars, expressions, and what their parts stand for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  compilePattern,
  groupNamesOf,
  groupOf,
  isSimple,
  matchOf,
  patternError,
  prefixOfPattern,
} from "../../src/routing/route_pattern.ts";

const PATHS = [
  "/",
  "/users",
  "/users/",
  "/users/ann",
  "/users/ann/files",
  "/users/ann/files/",
  "/users/ann/files/a/b.txt",
  "/users/ann/bob/files/a",
  "/users//files",
  "/wp-admin/x.php",
];

const matched = (pattern: string): string[] => PATHS.filter(compilePattern(pattern));

test("A star with a slash behind it is one name, the last one is anything", () => {
  assert.deepEqual(matched("/users/*/files/*"), [
    "/users/ann/files",
    "/users/ann/files/",
    "/users/ann/files/a/b.txt",
  ]);
  assert.deepEqual(matched("/users/*/files"), ["/users/ann/files"]);
  assert.deepEqual(matched("/users/*/*.txt"), ["/users/ann/files/a/b.txt"]);
  assert.deepEqual(matched("/*/ann"), ["/users/ann"]);
  assert.deepEqual(matched("/us*s/a*/files"), ["/users/ann/files"]);
  assert.deepEqual(matched("/wp-*.p*"), ["/wp-admin/x.php"]);
  assert.deepEqual(matched("*-*.php"), ["/wp-admin/x.php"]);
});

test("Plain characters of a pattern with stars are no expression", () => {
  assert.ok(compilePattern("/a.b/*/c+(d)/*")("/a.b/x/c+(d)/y"));
  assert.ok(!compilePattern("/a.b/*/c")("/aXb/x/c"));
});

test("Stars and groups have numbers, groups may have names", () => {
  const part = (pattern: string | undefined, name: string, path: string) =>
    groupOf(pattern, name)?.(path);
  assert.equal(part("/users/*/files/*", "1", "/users/ann/files/a/b"), "ann");
  assert.equal(part("/users/*/files/*", "2", "/users/ann/files/a/b"), "a/b");
  assert.equal(part("/users/*/files/*", "2", "/users/ann/files"), "");
  assert.equal(part("/users/*/files/*", "3", "/users/ann/files"), undefined);
  assert.equal(part("/api/*", "1", "/api/x/y"), "x/y");
  assert.equal(part("/exact", "1", "/exact"), undefined);
  assert.equal(part(undefined, "1", "/exact"), undefined);
  const site = "~ ^/(?<site>[^/]+)/(.*)$";
  assert.equal(part(site, "site", "/blog/x"), "blog");
  assert.equal(part(site, "2", "/blog/x"), "x");
  assert.equal(part(site, "other", "/blog/x"), undefined);
  assert.deepEqual(groupNamesOf(site), ["site", "1", "2"]);
});

test("${match} is the last star, or all that an expression matches", () => {
  assert.equal(matchOf("/users/*/files/*")("/users/ann/files/a/b"), "a/b");
  assert.equal(matchOf("~ wp-[a-z]+")("/wp-admin/x.php"), "wp-admin");
});

test("What is no pattern says so", () => {
  for (const pattern of ["", "users", "/a**", "**", "*", "*/a", "https://x/*"]) {
    assert.notEqual(patternError(pattern), undefined, pattern);
  }
  assert.match(patternError("~ ^/(a+)+$") ?? "", /many ways/);
  assert.match(patternError("~ ^/(") ?? "", /without/);
});

test("Every path that a pattern matches begins with its plain characters", () => {
  assert.equal(prefixOfPattern("~ ^/api/v\\d/"), "/api/v");
  assert.equal(prefixOfPattern("~ /api/"), "", "not anchored");
  assert.equal(prefixOfPattern("~* ^/api/"), "/", "letters of either case");
  assert.equal(prefixOfPattern("/users/*/files"), "/users/");
});

/** The sentence of the documentation, written down once more. */
function matchesByHand(pattern: string, path: string): boolean {
  const directory = pattern.endsWith("/*") ? pattern.slice(0, -2) : undefined;
  if (directory !== undefined) {
    for (let end = 0; end <= path.length; end++) {
      if ((end === path.length || path[end] === "/") && walk(directory, path.slice(0, end), true)) {
        return true;
      }
    }
    return false;
  }
  return walk(pattern, path, false);
}

function walk(pattern: string, path: string, withinDirectory: boolean): boolean {
  if (pattern === "") return path === "";
  if (pattern[0] !== "*") {
    return pattern[0] === path[0] && walk(pattern.slice(1), path.slice(1), withinDirectory);
  }
  const rest = pattern.slice(1);
  const stays = withinDirectory || rest.includes("/");
  for (let end = 0; end <= path.length; end++) {
    if (stays && path.slice(0, end).includes("/")) break;
    if (walk(rest, path.slice(end), withinDirectory)) return true;
  }
  return false;
}

test("Patterns match as the documentation says, whatever their stars", () => {
  const name = fc.array(fc.constantFrom("a", "b", ".", "*"), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join("").replaceAll(/\*+/g, "*"));
  const pattern = fc.array(name, { minLength: 1, maxLength: 4 })
    .map((names) => `/${names.join("/")}`)
    // A whole name that is a star is never empty, which the walk does not know.
    .filter((text) => patternError(text) === undefined && !isSimple(text) && !/\/\*\//.test(text));
  const path = fc.array(fc.constantFrom("a", "b", ".", "/"), { maxLength: 8 })
    .map((parts) => `/${parts.join("")}`);
  fc.assert(
    fc.property(pattern, path, (text, one) => {
      assert.equal(compilePattern(text)(one), matchesByHand(text, one), `${text} ${one}`);
    }),
    { numRuns: 2_000 },
  );
});
