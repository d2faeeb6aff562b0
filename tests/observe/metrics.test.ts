/** Counters, gauges and histograms, and the text that Prometheus reads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsRegistry, type Sample, SERIES_MAX } from "../../src/observe/metrics.ts";

test("A counter without labels is there from the start", () => {
  const registry = new MetricsRegistry();
  const counter = registry.counter("test_total", "What it counts.");
  const headers = "# HELP test_total What it counts.\n# TYPE test_total counter\n";
  assert.equal(registry.render(), `${headers}test_total 0\n`);
  counter.add([]);
  counter.add([], 4);
  assert.equal(registry.render(), `${headers}test_total 5\n`);
});

test("A counter has a series for each combination of labels", () => {
  const registry = new MetricsRegistry();
  const counter = registry.counter("test_total", "Help.", ["a", "b"]);
  assert.equal(registry.render(), "# HELP test_total Help.\n# TYPE test_total counter\n");
  counter.add(["1", "2"]);
  counter.add(["1", "2"], 2);
  counter.add(["12", ""]);
  counter.add(["", "12"]);
  assert.deepEqual(registry.render().trimEnd().split("\n").slice(2), [
    'test_total{a="1",b="2"} 3',
    'test_total{a="12",b=""} 1',
    'test_total{a="",b="12"} 1',
  ]);
});

test("A label's value is escaped", () => {
  const registry = new MetricsRegistry();
  registry.counter("test_total", "Help.", ["a"]).add(['back\\slash "quote"\nline']);
  assert.equal(
    registry.render().trimEnd().split("\n").at(-1),
    'test_total{a="back\\\\slash \\"quote\\"\\nline"} 1',
  );
});

test(`A counter has at most ${SERIES_MAX} series, and one for all others`, () => {
  const registry = new MetricsRegistry();
  const counter = registry.counter("test_total", "Help.", ["a", "b"]);
  for (let index = 0; index < SERIES_MAX; index++) counter.add([`${index}`, "x"]);
  for (let index = 0; index < 3; index++) counter.add([`more${index}`, "x"], 2);
  counter.add(["0", "x"], 5);
  const lines = registry.render().trimEnd().split("\n").slice(2);
  assert.equal(lines.length, SERIES_MAX + 1);
  assert.equal(lines[0], 'test_total{a="0",b="x"} 6');
  assert.equal(lines.at(-1), 'test_total{a="other",b="other"} 6');
});

test("A gauge is asked each time it is read", () => {
  const registry = new MetricsRegistry();
  let samples: Sample[] = [];
  registry.gauge("test_bytes", "Help.", ["a"], () => samples);
  const headers = "# HELP test_bytes Help.\n# TYPE test_bytes gauge\n";
  assert.equal(registry.render(), headers);
  samples = [{ labels: ["x"], value: 1.5 }, { labels: ["y"], value: -2 }];
  assert.equal(registry.render(), `${headers}test_bytes{a="x"} 1.5\ntest_bytes{a="y"} -2\n`);
});

test("A histogram counts each value in every bucket whose bound it does not pass", () => {
  const registry = new MetricsRegistry();
  const histogram = registry.histogram("test_seconds", "Help.", [0.5, 1, 2]);
  for (const value of [0.25, 0.5, 0.75, 2, 8]) histogram.observe(value);
  assert.equal(
    registry.render(),
    "# HELP test_seconds Help.\n# TYPE test_seconds histogram\n" +
      'test_seconds_bucket{le="0.5"} 2\ntest_seconds_bucket{le="1"} 3\n' +
      'test_seconds_bucket{le="2"} 4\ntest_seconds_bucket{le="+Inf"} 5\n' +
      "test_seconds_sum 11.5\ntest_seconds_count 5\n",
  );
});

test("Families come in the order in which they were registered", () => {
  const registry = new MetricsRegistry();
  registry.counter("b_total", "B.");
  registry.gauge("a_now", "A.", [], () => [{ labels: [], value: 1 }]);
  const names = registry.render().match(/(?<=# TYPE )\S+/g);
  assert.deepEqual(names, ["b_total", "a_now"]);
});

test("Series may be kept, and one for all others counts them once", () => {
  const counter = new MetricsRegistry().counter("test_total", "Help.", ["a"]);
  const series = counter.series(["x"]);
  assert.equal(counter.series(["x"]), series);
  for (let index = 1; index < SERIES_MAX; index++) counter.add([`${index}`]);
  const other = counter.series(["y"]);
  assert.deepEqual(other.labels, ["other"]);
  assert.equal(counter.series(["z"]), other);
  assert.equal(counter.series(["other"]), other);
  assert.equal(counter.series(["x"]), series);
});

test("A labelled histogram has a series for each value, up to a bound and one for all others", () => {
  const registry = new MetricsRegistry();
  const family = registry.labelledHistogram("test_seconds", "Help.", [1], "site");
  family.series('a"b').observe(0.5);
  family.series('a"b').observe(2);
  assert.equal(
    registry.render(),
    "# HELP test_seconds Help.\n# TYPE test_seconds histogram\n" +
      'test_seconds_bucket{site="a\\"b",le="1"} 1\n' +
      'test_seconds_bucket{site="a\\"b",le="+Inf"} 2\n' +
      'test_seconds_sum{site="a\\"b"} 2.5\ntest_seconds_count{site="a\\"b"} 2\n',
  );
  const first = family.series('a"b');
  for (let index = 1; index < SERIES_MAX; index++) family.series(`${index}`);
  const other = family.series("more");
  assert.equal(family.series("most"), other);
  assert.equal(family.series("other"), other);
  assert.equal(family.series('a"b'), first);
  assert.equal(registry.render().match(/_count\{/g)?.length, SERIES_MAX + 1);
});

test("A number that nobody knows has no line, one that somebody else counts is asked", () => {
  const registry = new MetricsRegistry();
  const known: number[] = [];
  registry.number("test_now", "Help.", () => known[0]);
  registry.total("test_total", "Help.", () => 7);
  const total = "# HELP test_total Help.\n# TYPE test_total counter\ntest_total 7\n";
  const now = "# HELP test_now Help.\n# TYPE test_now gauge\n";
  assert.equal(registry.render(), now + total);
  known.push(0);
  assert.equal(registry.render(), `${now}test_now 0\n${total}`);
});
