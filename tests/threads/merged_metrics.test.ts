/** One text for Prometheus out of those of all threads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { countsOf, mergeMetrics, totalOfFamily } from "../../src/threads/merged_metrics.ts";

function textOf(count: number, isUp: number): string {
  const registry = new MetricsRegistry();
  registry.counter("afcgi_http_requests_total", "Requests.", ["site"]).add(["a b"], count);
  registry.histogram("afcgi_seconds", "Seconds.", [1, 2]).observe(count);
  registry.gauge("afcgi_upstream_server_up", "Up.", [], () => [{ labels: [], value: isUp }]);
  registry.gauge("process_open_fds", "Files.", [], () => [{ labels: [], value: count }]);
  registry.gauge("afcgi_client_connections_max", "Max.", [], () => [{ labels: [], value: 9 }]);
  return registry.render();
}

test("Counters and histograms are added up, what is the process's is not, who is down is down", () => {
  const merged = mergeMetrics([textOf(1, 1), textOf(2, 0), textOf(4, 1)]);
  assert.equal(
    merged,
    [
      "# HELP afcgi_http_requests_total Requests.",
      "# TYPE afcgi_http_requests_total counter",
      'afcgi_http_requests_total{site="a b"} 7',
      "# HELP afcgi_seconds Seconds.",
      "# TYPE afcgi_seconds histogram",
      'afcgi_seconds_bucket{le="1"} 1',
      'afcgi_seconds_bucket{le="2"} 2',
      'afcgi_seconds_bucket{le="+Inf"} 3',
      "afcgi_seconds_sum 7",
      "afcgi_seconds_count 3",
      "# HELP afcgi_upstream_server_up Up.",
      "# TYPE afcgi_upstream_server_up gauge",
      "afcgi_upstream_server_up 0",
      "# HELP process_open_fds Files.",
      "# TYPE process_open_fds gauge",
      "process_open_fds 1",
      "# HELP afcgi_client_connections_max Max.",
      "# TYPE afcgi_client_connections_max gauge",
      "afcgi_client_connections_max 9",
      "",
    ].join("\n"),
  );
  assert.equal(totalOfFamily(merged, "afcgi_http_requests_total"), 7);
  assert.equal(totalOfFamily(merged, "afcgi_none"), 0);
});

test("Of a thread that is dead what it had counted stays, and nothing else", () => {
  const counts = countsOf(textOf(3, 0));
  assert.equal(totalOfFamily(counts, "afcgi_http_requests_total"), 3);
  assert.doesNotMatch(counts, /server_up|open_fds|connections_max/);
  assert.match(counts, /afcgi_seconds_count 1/);
});

test("A family that only a thread has is there, and one text stays what it is", () => {
  const text = textOf(3, 1);
  assert.equal(mergeMetrics([text]), text);
  assert.equal(mergeMetrics(["", text]), text);
});

test("A line that only one thread has is there, among those of its family", () => {
  const text = (site: string, count: number) => {
    const registry = new MetricsRegistry();
    registry.counter("afcgi_http_requests_total", "Requests.", ["site"]).add([site], count);
    return registry.render();
  };
  const lines = mergeMetrics([text("a", 1), text("b", 2), text("a", 3)]).trimEnd().split("\n");
  assert.deepEqual(lines.slice(2), [
    'afcgi_http_requests_total{site="a"} 4',
    'afcgi_http_requests_total{site="b"} 2',
  ]);
});
