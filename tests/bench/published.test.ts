/** The tables of the documents, from a file of results as it is written and read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIGURES, published } from "../../bench/published.ts";
import { type Results, resultsText } from "../../bench/results.ts";

function rounds(...rates: readonly number[]) {
  return rates.map((requestsPerSecond) => ({ requestsPerSecond, p99Ms: 1000 / requestsPerSecond }));
}

const RESULTS: Results = {
  system: "Debian",
  processors: "2 × AMD EPYC",
  memory: "24 GiB",
  versions: { afcgi: "0.1.0", nginx: "1.22.1" },
  rounds: 3,
  seconds: 1,
  tables: [{
    case: "small",
    title: "responses of 12 bytes, 64 clients",
    columns: ["requestsPerSecond", "p99Ms"],
    compared: "requestsPerSecond",
    rows: [
      { name: "nginx", rounds: rounds(10_000, 20_000, 10_000.123) },
      { name: "Caddy", rounds: [], broken: "It has ended" },
      { name: "afcgi", rounds: rounds(12_000, 22_000, 11_000) },
    ],
    wanted: [
      { row: "afcgi", text: "at least 1 × nginx: reached (1.10)", reached: true, certain: true },
    ],
  }],
};

test("A file of results is read as it was written, to five digits, with a line for each row", () => {
  const text = resultsText(RESULTS);
  const rate = RESULTS.tables[0]!.rows[0]!.rounds[2]!.requestsPerSecond;
  assert.equal(rate, 10_000.123);
  const read: Results = JSON.parse(text);
  assert.equal(read.tables[0]!.rows[0]!.rounds[2]!.requestsPerSecond, 10_000);
  assert.deepEqual(read.tables[0]!.rows[2], {
    ...RESULTS.tables[0]!.rows[2],
    rounds: [{ requestsPerSecond: 12_000, p99Ms: 0.083333 }, {
      requestsPerSecond: 22_000,
      p99Ms: 0.045455,
    }, { requestsPerSecond: 11_000, p99Ms: 0.090909 }],
  });
  assert.equal(text.split("\n").filter((line) => line.startsWith('{"name":')).length, 3);
  assert.equal(resultsText(read), text);
  assert.deepEqual(JSON.parse(resultsText({ ...RESULTS, tables: [] })), { ...RESULTS, tables: [] });
});

test("The benchmark's page has every table, with where it was measured", () => {
  assert.equal(
    FIGURES["README.md"](RESULTS),
    `\`\`\`
Debian, 2 × AMD EPYC, 24 GiB; 3 rounds of 1 s
afcgi 0.1.0, nginx 1.22.1

small: responses of 12 bytes, 64 clients
Caddy broke: It has ended
        requests/s      p99 ms           × nginx  wanted
nginx  10000 ±50 %  0.10 ±25 %              1.00
Caddy            –           –                 –
afcgi  12000 ±46 %  0.08 ±27 %  1.10 [1.10–1.20]  at least 1 × nginx: reached (1.10)
\`\`\``,
  );
});

test("The README has the main rows of a few tables", () => {
  assert.equal(
    FIGURES["../README.md"](RESULTS),
    `
| case                                           | proxy | requests/s | p99 ms | CPU µs/request | upstream connections | ratio |
| ---------------------------------------------- | ----- | ---------- | ------ | -------------- | -------------------- | ----- |
| 12 bytes, multiplexing application, 64 clients | nginx | 10,000     | 0.1    | –              | –                    | 1.00  |
|                                                | afcgi | 12,000     | 0.1    | –              | –                    | 1.10  |
`.trim(),
  );
});

test("A document has its figures replaced, and nothing else", () => {
  const document =
    "a\n\n<!-- figures: made by bench/publish.ts -->\n\nold\n\n<!-- end of figures -->\nb";
  const fresh = published(document, "new");
  assert.equal(fresh, document.replace("old", "new"));
  assert.equal(published(fresh, "new"), fresh);
  assert.throws(() => published("a", "new"), /Cannot find "<!-- figures/);
});
