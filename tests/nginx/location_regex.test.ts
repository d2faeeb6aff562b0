import assert from "node:assert/strict";
import { test } from "node:test";
import { patternsOf } from "../../src/nginx/location_regex.ts";

/** Paths of an expression; those that match more than it does end with " and more". */
function said(source: string, everyCase = false): (string | undefined)[] | undefined {
  return patternsOf(source, everyCase)?.patterns
    .map(({ path, isExact }) => isExact ? path : `${path} and more`);
}

const EXACT: readonly [string, (string | undefined)[]][] = [
  ["\\.php$", ["*.php"]],
  ["^/wp-admin/.*\\.php$", ["/wp-admin/*.php"]],
  ["\\.(jpg|css|jpe?g)$", ["*.jpg", "*.css", "*.jpeg"]],
  ["^/(?:a|b)(?:$|/)", ["/a/*", "/b/*"]],
  ["^/(config|tmp)", ["/config*", "/tmp*"]],
  ["^/index\\.php$", ["/index.php"]],
  ["^/index\\.php(/|$)", ["/index.php/*"]],
  ["^/ocs/v[12]\\.php$", ["/ocs/v1.php", "/ocs/v2.php"]],
  ["^.+\\.php$", ["*.php"]],
  ["^/(?<name>x|y)$", ["/x", "/y"]],
  [".*", [undefined]],
];

for (const [source, paths] of EXACT) {
  test(`The expression ${source} is said by ${paths.join(" ")}`, () => {
    assert.deepEqual(said(source), paths);
  });
}

test("What no row of texts says is said by patterns that match more", () => {
  assert.deepEqual(said("^/a/.*/b/"), ["/a/* and more"]);
  assert.deepEqual(said("/(?:uploads|files)/.*\\.php$"), ["*.php and more"]);
  assert.deepEqual(said("^/a/[^/]+\\.php$"), ["/a/*.php and more"]);
});

test("Hidden names need no pattern, except for those that static shows", () => {
  assert.deepEqual(said("/\\."), ["/.well-known/*"]);
  assert.deepEqual(said("(^|/)\\."), ["/.well-known/*"]);
  assert.deepEqual(said("/\\.ht"), []);
  assert.deepEqual(said("/\\.(?!well-known).*"), []);
});

test("Sets, counts, looks ahead and references cannot be said", () => {
  for (const source of ["^/[a-z]+$", "^/a{2}$", "^/(?!x)", "^/(a)\\1$", "^/a*$", "^/(a"]) {
    assert.equal(said(source), undefined, source);
  }
});

test("Upper and lower case are unfolded where all of them count", () => {
  assert.deepEqual(said("\\.ab$", true), ["*.ab", "*.aB", "*.Ab", "*.AB"]);
  assert.deepEqual(said("\\.php$", true), ["*.php"], "no handler takes scripts in upper case");
  assert.deepEqual(said("^/uploads/.*\\.php$", true), ["*.php and more"]);
  assert.equal(said("^/somewhere/", true), undefined);
});

test("More than 64 alternatives are too many", () => {
  const names = Array.from({ length: 65 }, (_, index) => `n${index}`);
  assert.equal(said(`^/(${names.slice(1).join("|")})$`)?.length, 64);
  assert.equal(said(`^/(${names.join("|")})$`), undefined);
});
