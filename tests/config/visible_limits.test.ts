/**
 * Limits that a user can see, as they are written in no other test: who changes one changes this file,
 * and the page that tells it. Tests that reach a limit import its constant, and would follow a change
 * without a word.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { BOUNDS } from "./bounds.ts";

const ROOT = new URL("../../", import.meta.url);

/** Key and default, as the reference of the configuration gives it. */
const DEFAULTS: Readonly<Record<string, string>> = {
  "upstreams.NAME.spawn.workers": "auto",
  "upstreams.NAME.spawn.max_requests": "0",
  "upstreams.NAME.spawn.start_timeout": "30s",
  "upstreams.NAME.spawn.stop_timeout": "10s",
  "upstreams.NAME.spawn.restart.backoff": "250ms",
  "upstreams.NAME.spawn.restart.backoff_max": "30s",
  "upstreams.NAME.connections.max": "auto",
  "upstreams.NAME.connections.streams": "1024",
  "upstreams.NAME.connections.max_requests": "0",
  "upstreams.NAME.queue.max": "1024",
  "upstreams.NAME.queue.timeout": "30s",
  "upstreams.NAME.timeouts.connect": "3s",
  "upstreams.NAME.timeouts.first_byte": "60s",
  "upstreams.NAME.timeouts.idle": "60s",
  "upstreams.NAME.timeouts.total": "0s",
  "upstreams.NAME.timeouts.abort": "5s",
  "upstreams.NAME.retry.attempts": "2",
  "upstreams.NAME.retry.delay": "250ms",
  "upstreams.NAME.health.interval": "0s",
  "upstreams.NAME.health.timeout": "2s",
  "upstreams.NAME.health.rise": "2",
  "upstreams.NAME.health.fall": "3",
  "upstreams.NAME.resolve.ttl": "30s",
  "upstreams.NAME.resolve.timeout": "5s",
  "limits.request_body": "64MiB",
  "limits.request_rate": "100B",
  "limits.request_header": "64KiB",
  "limits.request_buffer": "64KiB",
  "limits.response_header": "64KiB",
  "limits.response_buffer": "256KiB",
  "limits.spill": "1GiB",
  "limits.spill_total": "8GiB",
  "limits.memory": "256MiB",
  "limits.http.requests_per_connection": "0",
  "limits.http.handshake_timeout": "10s",
  "limits.http.head_timeout": "60s",
  "limits.http.idle_timeout": "75s",
  "limits.http.send_timeout": "300s",
  "limits.http.close_timeout": "5s",
  "limits.gemini.connections": "4096",
  "limits.gemini.connections_per_address": "64",
  "limits.gemini.requests_per_second": "50",
  "limits.gemini.request_timeout": "10s",
  "limits.gemini.send_timeout": "60s",
  "limits.gemini.close_timeout": "5s",
  "upstreams.NAME.slow_start": "0s",
  "upstreams.NAME.servers[].weight": "1",
  "upstreams.NAME.http[].weight": "1",
  "upstreams.NAME.tunnels.max": "1024",
  "upstreams.NAME.tunnels.idle_timeout": "3600s",
  "sites[].hsts.max_age": "180d",
  "sites[].compression.min_size": "1KiB",
  "sites[].compression.max_concurrent": "256",
  "sites[].routes[].respond.status": "200",
  "sites[].routes[].redirect.status": "302",
  "gemini[].tls.min": "1.2",
  "gemini[].routes[].fastcgi.strip": "0",
  "limits.http2.streams": "128",
  "limits.http2.header_table": "4KiB",
  "limits.http2.continuations": "8",
  "limits.http2.resets": "500",
  "limits.http2.settings": "100",
  "limits.http2.pings": "500",
  "limits.http2.empty_frames": "500",
  "limits.http2.window_updates": "2000",
  "limits.http2.memory": "16MiB",
  "shutdown.delay": "0s",
  "shutdown.grace": "30s",
};

const PRODUCT = /^(?:export )?const ([A-Z]\w*) = ([\d_ *]+);$/gm;

/** Numbers that the directory's files give names to; a name may have one in each of several files. */
function constantsOf(directory: string): Map<string, ReadonlySet<number>> {
  const found = new Map<string, Set<number>>();
  const where = new URL(`src/${directory}/`, ROOT);
  for (const file of readdirSync(where, { recursive: true }).map(String)) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(new URL(file, where), "utf8");
    for (const [, name, value] of text.matchAll(PRODUCT)) {
      const product = value!.replaceAll("_", "").split(/(?<!\*)\*(?!\*)/).map(factorOf)
        .reduce((so, factor) => so * factor, 1);
      found.set(name!, (found.get(name!) ?? new Set()).add(product));
    }
  }
  return found;
}

/** A number, or a power of two of them. */
function factorOf(text: string): number {
  const [base, exponent = "1"] = text.split("**");
  return Number(base) ** Number(exponent);
}

test("Bounds and times in the source are what they were", () => {
  for (const [directory, bounds] of Object.entries(BOUNDS)) {
    const found = constantsOf(directory);
    for (const [name, values] of Object.entries(bounds)) {
      const are = [...found.get(name) ?? []].sort((one, other) => one - other);
      assert.deepEqual(are, values, `src/${directory}: ${name} is another one than it was`);
    }
  }
});

test("Defaults of limits that a user can set are what they were", () => {
  const found = new Map<string, string>();
  let section = "";
  for (const line of readFileSync(new URL("docs/config-reference.md", ROOT), "utf8").split("\n")) {
    section = /^##+ `([^`]+)`/.exec(line)?.[1] ?? section;
    const [, key, byDefault] = /^\| `([^`]+)`\s*\|[^|]*\| `([^`]+)`\s*\|/.exec(line) ?? [];
    if (key !== undefined && byDefault !== undefined) {
      found.set(section === "" ? key : `${section}.${key}`, byDefault);
    }
  }
  for (const [key, byDefault] of Object.entries(DEFAULTS)) {
    assert.equal(found.get(key), byDefault, key);
  }
  const isNumber = (text: string) => /^[\d.]+[A-Za-z]*$/.test(text);
  const others = [...found].filter(([key, text]) =>
    /^(?:limits|upstreams|shutdown)\b/.test(key) && isNumber(text) && !(key in DEFAULTS)
  );
  assert.deepEqual(others, [], "add them above");
});
