/** What is said of the main thread where it is the only one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BEAT_INTERVAL_MS } from "../../src/threads/heartbeat.ts";
import { LoneThread } from "../../src/threads/lone_thread.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const OWN = [
  "# HELP afcgi_http_requests_total Requests.",
  "# TYPE afcgi_http_requests_total counter",
  'afcgi_http_requests_total{site="a"} 3',
  'afcgi_http_requests_total{site="b"} 4',
  "# HELP afcgi_client_connections Connections.",
  "# TYPE afcgi_client_connections gauge",
  'afcgi_client_connections{state="idle"} 5',
  'afcgi_client_connections{state="reading"} 1',
  "",
].join("\n");

test("One thread alone is told as threads are: its clients, requests and delay", async () => {
  const clock = new ManualClock();
  const thread = new LoneThread(clock);
  await clock.advance(BEAT_INTERVAL_MS);
  const text = await thread.metrics(OWN);
  assert.ok(text.startsWith(OWN));
  const value = (name: string) =>
    new RegExp(`^${name}(?:\\{worker="main"\\})? (\\S+)$`, "m").exec(text)?.[1];
  assert.equal(value("afcgi_worker_connections"), "6");
  assert.equal(value("afcgi_worker_requests_total"), "7");
  assert.equal(value("afcgi_worker_restarts_total"), "0");
  assert.equal(value("afcgi_worker_event_loop_delay_seconds"), "0");
  assert.equal(value("afcgi_event_loop_delay_seconds"), "0");
  const { workers, version } = await thread.status({ version: "1", upstreams: [] } as never) as {
    version: string;
    workers: readonly { name: string; state: string }[];
  };
  assert.equal(version, "1");
  assert.deepEqual(workers.map(({ name, state }) => [name, state]), [["main", "serving"]]);
  thread.close();
});
