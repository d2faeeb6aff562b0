/**
 * Every time limit, asked the same: it fires, not before its time, moved by what should move it and
 * by nothing else, while it is paused, and with each of its neighbours taken away. Every key of the
 * configuration that is a time is in a table here, or is shown by the test that is named.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ADMIN_TIMES } from "./admin_times.ts";
import { GEMINI_LIMITS } from "./gemini_limits.ts";
import { HTTP_UPSTREAM_LIMITS } from "./http_upstream_limits.ts";
import { HTTP1_LIMITS } from "./http1_limits.ts";
import { HTTP2_LIMITS } from "./http2_limits.ts";
import type { Running, TimeLimit } from "./limit.ts";
import { RESPONDER_LIMITS } from "./responder_limits.ts";
import { SHOWN_ELSEWHERE } from "./shown_elsewhere.ts";
import { SPAWN_LIMITS } from "./spawn_limits.ts";
import { UPSTREAM_LIMITS } from "./upstream_limits.ts";

const LIMITS: readonly TimeLimit[] = [
  ...UPSTREAM_LIMITS,
  ...HTTP_UPSTREAM_LIMITS,
  ...SPAWN_LIMITS,
  ...HTTP1_LIMITS,
  ...ADMIN_TIMES,
  ...HTTP2_LIMITS,
  ...GEMINI_LIMITS,
  ...RESPONDER_LIMITS,
];

/** Of the limit that passes before something happens that may move it. */
const FIRST_PART = 0.75;

async function withRunning(
  limit: TimeLimit,
  off: string | undefined,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const running = await limit.begin(off);
  try {
    await use(running);
  } finally {
    await running.end();
  }
}

/** It has not fired, and does within its time. */
async function firesWithin(running: Running, limit: TimeLimit, leftMs: number): Promise<void> {
  await running.advance(leftMs - 1);
  assert.equal(await running.fired(), undefined, "before its time");
  await running.advance(1 + limit.lateMs);
  assert.equal(await running.fired(), running.firesAs, "when its time is over");
}

for (const limit of LIMITS) {
  const name = `${limit.key}, ${limit.when}`;

  test(`${name}: fires at its time`, () =>
    withRunning(limit, undefined, (running) => firesWithin(running, limit, limit.limitMs)));

  for (const neighbour of limit.neighbours) {
    test(`${name}: fires without ${neighbour}`, () =>
      withRunning(limit, neighbour, (running) => firesWithin(running, limit, limit.limitMs)));
  }

  for (const act of limit.movedBy) {
    test(`${name}: is moved by ${act}`, () =>
      withRunning(limit, undefined, async (running) => {
        await running.advance(limit.limitMs * FIRST_PART);
        await running.acts[act]!();
        // What is noticed late is moved to a later time by as much.
        await firesWithin(running, { ...limit, lateMs: 2 * limit.lateMs }, limit.limitMs);
      }));
  }

  for (const act of limit.notMovedBy) {
    test(`${name}: is not moved by ${act}`, () =>
      withRunning(limit, undefined, async (running) => {
        await running.advance(limit.limitMs * FIRST_PART);
        await running.acts[act]!();
        await firesWithin(running, limit, limit.limitMs * (1 - FIRST_PART));
      }));
  }

  const { paused } = limit;
  if (paused !== undefined) {
    test(`${name}: ${paused.waits ? "waits" : "does not wait"} while ${paused.by}`, () =>
      withRunning(limit, undefined, async (running) => {
        await running.acts[paused.by]!();
        await running.advance(2 * limit.limitMs);
        assert.equal(await running.fired(), paused.waits ? undefined : running.firesAs);
      }));
  }
}

/** Keys whose type is a time, from the reference that is made of the schema. */
function timeKeys(): string[] {
  const keys: string[] = [];
  let section = "";
  const url = new URL("../../docs/config-reference.md", import.meta.url);
  for (const line of readFileSync(url, "utf8").split("\n")) {
    const heading = /^##+ `([^`]+)`/.exec(line)?.[1];
    if (heading !== undefined) section = heading;
    const [, key, type] = /^\| `([^`]+)`\s*\| (time\b[^|]*)\|/.exec(line) ?? [];
    if (key !== undefined && type !== undefined) keys.push(`${section}.${key}`);
  }
  return keys;
}

test("Every key that is a time is in the tables, or has a test of its own", () => {
  const known = new Set([...LIMITS.map(({ key }) => key), ...Object.keys(SHOWN_ELSEWHERE)]);
  const keys = timeKeys();
  assert.ok(keys.length > 15, "the reference is read");
  assert.deepEqual(keys.filter((key) => !known.has(key)), []);
});

test("Tests that are named in the place of a table are there", () => {
  for (const [key, { file, test: name }] of Object.entries(SHOWN_ELSEWHERE)) {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
    assert.ok(text.includes(name), `${key}: ${file} has no test "${name}"`);
  }
});
