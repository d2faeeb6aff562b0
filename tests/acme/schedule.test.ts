/**
 * Times of an authority and of ours, as numbers: when a certificate is renewed, how long an order that
 * failed waits, what a `Retry-After` says, and what a process that starts anew still knows.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readRetryAfter } from "../../src/acme/client.ts";
import { FailureMemory, notBefore, type OrderFailure } from "../../src/acme/failure_memory.ts";
import { adviceAgeMs, backOffMs, renewalMs } from "../../src/acme/schedule.ts";
import { CertificateStore } from "../../src/certificates/store.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../support/acme_world.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";

/** To the millisecond: shares of a lifetime are no whole numbers. */
function assertNear(actualMs: number, expectedMs: number, message = "rounded"): void {
  assert.equal(Math.round(actualMs), expectedMs, message);
}

test("A certificate is renewed behind two thirds of its life, spread over a thirtieth of it", () => {
  const lifetime = { notBeforeMs: 100 * DAY_MS, notAfterMs: 190 * DAY_MS };
  for (const [random, day] of [[0, 160], [0.5, 161.5], [1, 163]] as const) {
    assertNear(renewalMs(lifetime, random), day * DAY_MS);
  }
  const short = { notBeforeMs: 0, notAfterMs: 6 * DAY_MS };
  assertNear(renewalMs(short, 0), 4 * DAY_MS);
});

test("Within an authority's window it is spread as well, and no later than a twelfth before the end", () => {
  const lifetime = { notBeforeMs: 100 * DAY_MS, notAfterMs: 190 * DAY_MS };
  const window = (start: number, end: number) => ({
    startMs: start * DAY_MS,
    endMs: end * DAY_MS,
  });
  const cases = [
    [110, 120, 0, 110],
    [110, 120, 0.5, 115],
    [110, 120, 1, 120],
    [182, 182, 0.5, 182],
    [182, 190, 0.5, 182.5],
    [300, 400, 0, 182.5],
  ] as const;
  for (const [start, end, random, day] of cases) {
    assertNear(renewalMs(lifetime, random, window(start, end)), day * DAY_MS, `${start} to ${end}`);
  }
});

test("An order that failed waits a minute, then twice as long each time, up to six hours", () => {
  const cases = [
    [1, 0, 60_000],
    [1, 0.5, 60_000],
    [1, 1, 66_000],
    [2, 0, 108_000],
    [2, 0.5, 120_000],
    [2, 1, 132_000],
    [5, 0.5, 960_000],
    [9, 0.5, 15_360_000],
    [10, 0, 21_600_000],
    [2_000, 0.5, 21_600_000],
  ] as const;
  for (const [failures, random, expectedMs] of cases) {
    assertNear(backOffMs(failures, random), expectedMs, `${failures} failures, ${random}`);
  }
});

test("An authority is asked for its advice after six hours, or when it says, within bounds", () => {
  const cases: readonly (readonly [number | undefined, number])[] = [
    [undefined, 6 * HOUR_MS],
    [0, MINUTE_MS],
    [MINUTE_MS + 1, MINUTE_MS + 1],
    [7 * HOUR_MS, 7 * HOUR_MS],
    [DAY_MS + 1, DAY_MS],
  ];
  for (const [saidMs, expectedMs] of cases) assert.equal(adviceAgeMs(saidMs), expectedMs);
});

test("Retry-After is seconds or a date, never in the past and never more than a week", () => {
  const nowMs = Date.parse("2026-03-01T12:00:00Z");
  const cases: readonly (readonly [string | null, number | undefined])[] = [
    [null, undefined],
    ["", undefined],
    ["soon", undefined],
    ["0", 0],
    ["120", 120_000],
    ["604800", 7 * DAY_MS],
    ["604801", 7 * DAY_MS],
    ["999999999", 7 * DAY_MS],
    ["Sun, 01 Mar 2026 12:00:30 GMT", 30 * SECOND_MS],
    ["Sun, 01 Mar 2026 11:59:30 GMT", 0],
    ["Sun, 01 Mar 2027 12:00:00 GMT", 7 * DAY_MS],
  ];
  for (const [value, expectedMs] of cases) {
    assert.equal(readRetryAfter(value, nowMs), expectedMs, `"${value}"`);
  }
});

test("Who starts anew waits a minute behind a failure, unless the authority itself said how long", () => {
  const failure: OrderFailure = {
    count: 5,
    failedMs: HOUR_MS,
    retryMs: 2 * HOUR_MS,
    isOrdered: false,
    settings: "",
  };
  const ordered = { ...failure, isOrdered: true };
  const soon = { ...failure, retryMs: HOUR_MS + 10 * SECOND_MS };
  const cases: readonly (readonly [OrderFailure, boolean, number, number])[] = [
    [failure, false, HOUR_MS, 2 * HOUR_MS],
    [failure, true, HOUR_MS, HOUR_MS + MINUTE_MS],
    [failure, true, 9 * HOUR_MS, HOUR_MS + MINUTE_MS],
    [soon, true, HOUR_MS, HOUR_MS + 10 * SECOND_MS],
    [ordered, true, HOUR_MS, 2 * HOUR_MS],
    [ordered, false, HOUR_MS, 2 * HOUR_MS],
    // A clock that was set back.
    [ordered, false, HOUR_MS - 1, HOUR_MS - 1],
    [failure, true, 7, 7],
  ];
  for (const [remembered, isRestarted, nowMs, expectedMs] of cases) {
    assert.equal(notBefore(remembered, isRestarted, nowMs), expectedMs);
  }
});

test("A failure is remembered whole or not at all, for its own certificate, and forgotten at once", async () => {
  const store = CertificateStore.open("/store", new MemoryRuntime());
  const memory = new FailureMemory(store, "a.test");
  const failure: OrderFailure = {
    count: 2,
    failedMs: 10,
    retryMs: 20,
    isOrdered: true,
    settings: "x",
  };
  assert.equal(memory.read(), undefined);
  await memory.write(failure);
  assert.deepEqual(memory.read(), failure);
  assert.equal(new FailureMemory(store, "b.test").read(), undefined);
  for (const key of Object.keys(failure)) {
    for (const wrong of [undefined, [], null]) {
      await store.write("failures", "a.test.json", JSON.stringify({ ...failure, [key]: wrong }));
      assert.equal(memory.read(), undefined, `${key}: ${wrong}`);
    }
  }
  for (const text of ["", "[]", "7", '{"count":2']) {
    await store.write("failures", "a.test.json", text);
    assert.equal(memory.read(), undefined, text);
  }
  await memory.write({ ...failure, isOrdered: false });
  assert.equal(memory.read()?.isOrdered, false);
  memory.clear();
  assert.equal(memory.read(), undefined);
});
