/**
 * Limits that a user can see, as they are written in no other test: who changes one changes this file,
 * and the page that tells it. Tests that reach a limit import its constant, and would follow a change
 * without a word.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url);

/** Directory below `src/`, name and value; sizes in bytes, times in milliseconds. */
const CONSTANTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  http1: {
    TRAILER_LENGTH_MAX: 16_384,
    DRAINED_LENGTH_MAX: 262_144,
    LINGERED_LENGTH_MAX: 16_777_216,
    EARLY_HINTS_MAX: 16,
    PIPELINED_LENGTH_MAX: 2_097_152,
    REQUEST_FIELDS_MAX: 256,
    EMPTY_LINES_MAX: 4,
    REFUSED_MAX: 32,
  },
  http: {
    INTERNAL_REDIRECTS_MAX: 10,
    TARGET_LENGTH_MAX: 16_384,
    PASSWORD_LENGTH_MAX: 1_024,
    HOST_LENGTH_MAX: 260,
  },
  protocol: {
    RESPONSE_FIELDS_MAX: 512,
    CONTENT_LENGTH_MAX: 65_535,
    PADDING_LENGTH_MAX: 255,
    REQUEST_ID_MAX: 65_535,
    REASON_LENGTH_MAX: 128,
  },
  upstream: {
    TICK_MS: 50,
    RATE_WINDOW_MS: 30_000,
    IDLE_TIMEOUT_MULTIPLEXED_MS: 60_000,
    IDLE_TIMEOUT_SINGLE_MS: 5_000,
    PAUSE_MAX_MS: 5_000,
    PAUSE_FREE_MS: 250,
    EXCESS_LENGTH_MAX: 1_048_576,
    FAILED_SERVER_REST_MS: 10_000,
    LOOKUP_TTL_MIN_MS: 1_000,
    LOOKUP_TTL_MAX_MS: 3_600_000,
    FAILED_LOOKUP_PAUSE_MS: 2_000,
    ADDRESSES_MAX: 256,
    SERVICE_HOSTS_MAX: 64,
    RETIRED_IDS_MAX: 256,
    STDERR_LINE_MAX: 8_192,
    SPACE_TIMEOUT_MS: 30_000,
    NEGOTIATION_TIMEOUT_MS: 1_000,
    AUTO_SINGLE_MAX: 128,
    AUTO_BLIND_MAX: 8,
    AUTO_SHARED_MAX: 8,
    REPEATABLE_LENGTH_MAX: 65_536,
    BODY_MEMORY_MAX: 65_536,
  },
  responder: {
    OUTPUT_LENGTH_MAX: 131_072,
    PIECE_LENGTH_MAX: 32_768,
    REPLIES_LENGTH_MAX: 1_048_576,
    LINGER_MS: 2_000,
    SHUTDOWN_GRACE_MS: 30_000,
  },
  static: {
    LISTED_ENTRIES_MAX: 1_000,
    RANGES_MAX: 16,
    SYMLINKS_REMEMBERED_MS: 1_000,
  },
  spawn: {
    WELL_AFTER_MS: 10_000,
    WORKERS_MAX: 1_024,
    SETTLE_MS: 300,
  },
  gemini: {
    URI_LENGTH_MAX: 1_024,
    META_LENGTH_MAX: 1_024,
    NAME_LENGTH_MAX: 253,
  },
  app: {
    ADMIN_CONNECTIONS_MAX: 16,
    SCRIPT_NAMES_MAX: 5_000,
    SCRIPT_DEPTH_MAX: 6,
    STUCK_LINE_INTERVAL_MS: 60_000,
  },
  observe: {
    LIMITED_LOG_MS: 1_000,
    SERIES_MAX: 1_000,
  },
  runtime: {
    QUEUE_LENGTH_MAX: 8_388_608,
    UNIX_PATH_MAX: 107,
    PATH_LENGTH_MAX: 4_096,
  },
};

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
  "shutdown.grace": "30s",
};

/** Numbers that the directory's files give names to; a name may have one in each of several files. */
function constantsOf(directory: string): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const where = new URL(`src/${directory}/`, ROOT);
  for (const file of readdirSync(where, { recursive: true }).map(String)) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(new URL(file, where), "utf8");
    for (const [, name, value] of text.matchAll(/^(?:export )?const ([A-Z]\w*) = ([\d_ *]+);$/gm)) {
      const product = value!.replaceAll("_", "").split("*").map(Number)
        .reduce((so, factor) => so * factor, 1);
      found.set(name!, [...found.get(name!) ?? [], product]);
    }
  }
  return found;
}

test("Limits that a user can see are what they were", () => {
  for (const [directory, limits] of Object.entries(CONSTANTS)) {
    const found = constantsOf(directory);
    for (const [name, value] of Object.entries(limits)) {
      const values = found.get(name) ?? [];
      assert.ok(values.includes(value), `src/${directory}: ${name} is ${values}, and was ${value}`);
    }
  }
});

test("Defaults of limits that a user can set are what they were", () => {
  const found = new Map<string, string>();
  let section = "";
  for (const line of readFileSync(new URL("docs/config-reference.md", ROOT), "utf8").split("\n")) {
    section = /^##+ `([^`]+)`/.exec(line)?.[1] ?? section;
    const [, key, byDefault] = /^\| `([^`]+)`\s*\|[^|]*\| `([^`]+)`\s*\|/.exec(line) ?? [];
    if (key !== undefined && byDefault !== undefined) found.set(`${section}.${key}`, byDefault);
  }
  for (const [key, byDefault] of Object.entries(DEFAULTS)) {
    assert.equal(found.get(key), byDefault, key);
  }
});
