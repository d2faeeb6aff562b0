import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, measureRounds, ratioOf, type Row } from "../../bench/comparison.ts";
import { median, medianInterval, spread } from "../../bench/measure/statistics.ts";

/** Gives one figure after the other, and notes who was measured. */
function row(name: string, rates: readonly (number | Error)[], seen: string[]): Row {
  let round = 0;
  return {
    name,
    async measure(seconds) {
      seen.push(`${name} ${seconds}`);
      const rate = rates[round++]!;
      if (rate instanceof Error) throw rate;
      return { requestsPerSecond: rate };
    },
  };
}

const OPTIONS = { rounds: 2, seconds: 3, warmUpSeconds: 8, isOver: () => false };

test("Rows are measured in turn, and their first round is thrown away", async () => {
  const seen: string[] = [];
  const rows = [row("a", [1, 2, 3], seen), row("b", [10, 20, 30], seen)];
  const measured = await measureRounds(rows, OPTIONS);
  assert.deepEqual(seen, ["a 8", "b 8", "a 3", "b 3", "a 3", "b 3"]);
  assert.deepEqual(measured, [
    { name: "a", rounds: [{ requestsPerSecond: 2 }, { requestsPerSecond: 3 }] },
    { name: "b", rounds: [{ requestsPerSecond: 20 }, { requestsPerSecond: 30 }] },
  ]);
});

test("A row that breaks is measured no further, and keeps the others going", async () => {
  const seen: string[] = [];
  const rows = [row("a", [1, new Error("It has ended")], seen), row("b", [10, 20, 30], seen)];
  const measured = await measureRounds(rows, OPTIONS);
  assert.deepEqual(seen, ["a 8", "b 8", "a 3", "b 3", "b 3"]);
  assert.deepEqual(measured[0], { name: "a", rounds: [], broken: "It has ended" });
  assert.equal(measured[1]!.rounds.length, 2);
});

test("A benchmark that was stopped ends with the error instead of a broken row", async () => {
  const rows = [row("a", [new Error("It was stopped")], [])];
  await assert.rejects(measureRounds(rows, { ...OPTIONS, isOver: () => true }), /It was stopped/);
});

const MEASURED = [
  { name: "nginx", rounds: [{ requestsPerSecond: 100, p99Ms: 2 }, { requestsPerSecond: 200 }] },
  { name: "afcgi", rounds: [{ requestsPerSecond: 110 }, { requestsPerSecond: 220 }] },
];

test("A ratio is the median of the ratios of rounds next to each other", () => {
  const rounds = (...rates: readonly number[]) =>
    rates.map((requestsPerSecond) => ({ requestsPerSecond }));
  const nginx = { name: "nginx", rounds: rounds(100, 50, 10, 80, 100, 100, 90, 100, 100) };
  const afcgi = { name: "afcgi", rounds: rounds(120, 55, 13, 64, 110, 130, 117, 20, 300) };
  // 1.2, 1.1, 1.3, 0.8, 1.1, 1.3, 1.3, 0.2, 3
  assert.deepEqual(ratioOf(afcgi, "requestsPerSecond", nginx), { value: 1.2, low: 0.8, high: 1.3 });
  const broken = { name: "broken", rounds: rounds(100) };
  assert.equal(ratioOf(broken, "requestsPerSecond", nginx)?.value, 1);
  assert.equal(ratioOf({ name: "none", rounds: [] }, "requestsPerSecond", nginx), undefined);
});

test("The interval of a median leaves out what lies beyond nine chances in ten", () => {
  const range = (count: number) => Array.from({ length: count }, (_, index) => count - index);
  assert.deepEqual(medianInterval(range(1)), [1, 1]);
  assert.deepEqual(medianInterval(range(5)), [1, 5]);
  assert.deepEqual(medianInterval(range(7)), [1, 7]);
  assert.deepEqual(medianInterval(range(8)), [2, 7]);
  assert.deepEqual(medianInterval(range(9)), [2, 8]);
  assert.deepEqual(medianInterval(range(25)), [8, 18]);
});

test("A bound within the interval is said not to be certain", () => {
  const rounds = [100, 101, 99, 120, 80].map((requestsPerSecond) => ({ requestsPerSecond }));
  const verdict = (least: number) =>
    judge(
      [{ row: "a", column: "requestsPerSecond", least }],
      [{ name: "a", rounds }],
      undefined,
    )[0];
  assert.equal(verdict(70)?.text, "requests/s at least 70: reached (100)");
  assert.equal(verdict(90)?.text, "requests/s at least 90: reached, not certain (100)");
  assert.equal(verdict(110)?.text, "requests/s at least 110: not reached, not certain (100)");
  assert.equal(verdict(130)?.text, "requests/s at least 130: not reached (100)");
});

test("A bound is judged by the median, as a ratio to another row where it says so", () => {
  const bound = { row: "afcgi", column: "requestsPerSecond", of: { row: "nginx" } } as const;
  const verdicts = judge(
    [{ ...bound, least: 1.1 }, { ...bound, least: 1.2 }, { ...bound, most: 1 }],
    MEASURED,
    "requestsPerSecond",
  );
  assert.deepEqual(verdicts.map(({ text }) => text), [
    "at least 1.1 × nginx: reached (1.10)",
    "at least 1.2 × nginx: not reached (1.10)",
    "at most 1 × nginx: not reached (1.10)",
  ]);
  assert.deepEqual(verdicts.map(({ reached }) => reached), [true, false, false]);
});

test("A bound of a figure by itself names the figure", () => {
  const bounds = [{ row: "nginx", column: "p99Ms", most: 2 }] as const;
  assert.deepEqual(judge(bounds, MEASURED, "requestsPerSecond"), [
    { row: "nginx", text: "p99 ms at most 2: reached (2.00)", reached: true, certain: true },
  ]);
});

test("A bound is left out when its row, or what it is compared with, was not measured", () => {
  const bounds = [
    { row: "afcgi", column: "requestsPerSecond", least: 1, of: { row: "HAProxy" } },
    { row: "HAProxy", column: "requestsPerSecond", least: 1 },
    { row: "afcgi", column: "p99Ms", most: 1 },
  ] as const;
  assert.deepEqual(judge(bounds, MEASURED, "requestsPerSecond"), []);
});

test("The median of an even number of rounds lies between the two in the middle", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([3, 1, 2]), 2);
});

test("The spread is half the distance between the least and the greatest, by the median", () => {
  assert.equal(spread([90, 100, 130]), 0.2);
  assert.equal(spread([0, 0, 0]), 0);
});
