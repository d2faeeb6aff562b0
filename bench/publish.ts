/**
 * `npx bun bench/publish.ts FILE`: keeps a file of `--json` as `results.json` and makes the tables of
 * both README files from it. A test shows that nobody has typed a figure there.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { FIGURES, PUBLISHED, published } from "./published.ts";
import { type Results, resultsText } from "./results.ts";
import { benchFile } from "./scope.ts";

const [file = benchFile("results.json")] = process.argv.slice(2);
const results: Results = JSON.parse(readFileSync(file, "utf8"));
writeFileSync(benchFile("results.json"), resultsText(results));
for (const name of PUBLISHED) {
  const path = benchFile(name);
  writeFileSync(path, published(readFileSync(path, "utf8"), FIGURES[name](results)));
}
