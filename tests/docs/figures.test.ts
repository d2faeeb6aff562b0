/** The figures of the documents are those of the benchmark's file of results: nobody has typed them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FIGURES, PUBLISHED, published } from "../../bench/published.ts";
import type { Results } from "../../bench/results.ts";

function text(path: string): string {
  return readFileSync(new URL(`../../bench/${path}`, import.meta.url), "utf8");
}

for (const name of PUBLISHED) {
  test(`The figures of bench/${name} are made of bench/results.json`, () => {
    const results: Results = JSON.parse(text("results.json"));
    assert.ok(results.tables.length > 0);
    assert.equal(text(name), published(text(name), FIGURES[name](results)));
  });
}
