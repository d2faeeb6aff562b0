/** Reasons of slow tests (tests/run/slow_tests.json) belong to tests that are there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

interface Entry {
  readonly file: string;
  readonly test: string;
  readonly why: string;
}

test("Every reason for a slow test says one, of a test that is there", () => {
  const text = readFileSync(new URL("../run/slow_tests.json", import.meta.url), "utf8");
  for (const { file, test: name, why } of JSON.parse(text) as Entry[]) {
    assert.ok(why.split(" ").length > 3, `${file}: ${why}`);
    const url = new URL(`../../${file}`, import.meta.url);
    assert.ok(existsSync(url), `${file} is not there`);
    assert.ok(readFileSync(url, "utf8").includes(name), `${file} has no test "${name}"`);
  }
});
