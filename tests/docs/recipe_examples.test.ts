/** What docs/recipes.md says is a file of examples/ is that file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";

const PAGE = readFileSync(new URL("../../docs/recipes.md", import.meta.url), "utf8");
const SAME = /\[`examples\/([\w-]+)`\]\([^)]*\) is this file\.\n\n```yaml\n(.*?)```/gs;

test("Each example that a recipe says it is has the recipe's upstreams and sites", () => {
  const found = [...PAGE.matchAll(SAME)];
  const names = ["mapserver", "mediawiki", "roundcube", "phpmyadmin", "icingaweb2"];
  assert.deepEqual(found.map(([, name]) => name), names);
  for (const [, name, block] of found) {
    const file = new URL(`../../examples/${name}/afcgi.yaml`, import.meta.url);
    const { upstreams, sites } = parse(readFileSync(file, "utf8"));
    assert.deepEqual({ upstreams, sites }, parse(block!));
  }
});
