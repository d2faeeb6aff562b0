/**
 * What of a shared connection waits for somebody: bodies that the application has not read, clients
 * that read slowly, requests that were aborted. Each to the millisecond, with what is forgotten.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AbortedRequests } from "../../src/upstream/aborted_requests.ts";
import { ReadingPauses } from "../../src/upstream/reading_pauses.ts";
import { UntakenBodies } from "../../src/upstream/untaken_bodies.ts";

const LOOK_MS = 100;
const STALL_MS = 250;
const whole = () => true;
const part = () => false;

test("A body is looked at 100 ms after it began, and each 100 ms from then on", () => {
  const bodies = new UntakenBodies(true);
  assert.deepEqual([bodies.deadlineMs, bodies.isClear], [Infinity, true]);
  bodies.add(1, 7);
  bodies.add(2, 50);
  assert.deepEqual([bodies.deadlineMs, bodies.isClear], [7 + LOOK_MS, false]);
  bodies.look(110, 1, part);
  assert.equal(bodies.deadlineMs, 110 + LOOK_MS);
  bodies.remove(3);
  bodies.remove(1);
  assert.deepEqual([bodies.deadlineMs, bodies.isClear], [110 + LOOK_MS, false]);
  bodies.remove(2);
  assert.deepEqual([bodies.deadlineMs, bodies.isClear], [Infinity, true]);
});

test("An application that does not answer questions is asked none", () => {
  const bodies = new UntakenBodies(false);
  bodies.add(1, 0);
  assert.deepEqual([bodies.deadlineMs, bodies.isClear, bodies.isStalled(10_000)], [
    ...[Infinity, false, false],
  ]);
});

test("A question that is open for 250 ms shows that the application does not read", () => {
  const bodies = new UntakenBodies(true);
  bodies.add(1, 0);
  assert.equal(bodies.look(100, 1, part), true);
  assert.deepEqual([99 + STALL_MS, 100 + STALL_MS].map((nowMs) => bodies.isStalled(nowMs)), [
    ...[false, true],
  ]);
  assert.equal(bodies.look(200, 2, whole), false, "it is still open");
  assert.equal(bodies.answered(), true);
  assert.equal(bodies.isStalled(10_000), false);
  assert.equal(bodies.isClear, false, "its end was sent behind the question");
  assert.equal(bodies.answered(), false, "nobody has asked");
});

test("A response proves those bodies read that were whole when it was asked for", () => {
  const bodies = new UntakenBodies(true);
  for (const id of [1, 2, 3]) bodies.add(id, 0);
  assert.equal(bodies.look(100, 5, (id) => id !== 2), true);
  bodies.add(4, 110);
  assert.equal(bodies.answered(), true);
  assert.equal(bodies.isClear, false);
  bodies.remove(2);
  assert.equal(bodies.isClear, false);
  assert.equal(bodies.look(200, 5, whole), true);
  assert.equal(bodies.answered(), true);
  assert.deepEqual([bodies.isClear, bodies.deadlineMs], [true, Infinity]);
});

test("Nothing is asked again as long as nothing more was sent", () => {
  const bodies = new UntakenBodies(true);
  bodies.add(1, 0);
  assert.equal(bodies.look(100, 0, part), true);
  bodies.answered();
  assert.equal(bodies.look(200, 0, part), false);
  assert.equal(bodies.look(300, 1, part), true);
  bodies.answered();
  assert.equal(bodies.look(400, 1, whole), true, "all of it was sent");
});

test("A question that nobody needs any more says nothing, and its response comes first", () => {
  const bodies = new UntakenBodies(true);
  bodies.add(1, 0);
  bodies.look(100, 1, whole);
  bodies.remove(1);
  bodies.add(2, 200);
  assert.equal(bodies.isStalled(10_000), false);
  assert.equal(bodies.look(300, 2, whole), true);
  assert.equal(bodies.answered(), false, "to the first question");
  assert.equal(bodies.isClear, false);
  assert.equal(bodies.answered(), true);
  assert.equal(bodies.isClear, true);
  bodies.add(3, 500);
  assert.equal(bodies.answered(), false);
  assert.equal(bodies.isClear, false);
});

test("After three questions without any response no more are asked, with one they are", () => {
  for (const hasAnswered of [false, true]) {
    const bodies = new UntakenBodies(true);
    if (hasAnswered) {
      bodies.add(0, 0);
      bodies.look(100, 0, part);
      bodies.answered();
      bodies.remove(0);
    }
    const asked: boolean[] = [];
    for (let id = 1; id <= 4; id++) {
      bodies.add(id, 1_000 * id);
      asked.push(bodies.look(1_000 * id + LOOK_MS, id, whole));
      bodies.remove(id);
    }
    assert.deepEqual(asked, [true, true, true, hasAnswered]);
  }
});

test("The first slow client stops reading, the last lets it go on", () => {
  const pauses = new ReadingPauses();
  assert.deepEqual([pauses.isPaused, pauses.count, pauses.first], [false, 0, undefined]);
  assert.equal(pauses.deadlineMs, Infinity);
  assert.deepEqual([pauses.add(5, 1_000), pauses.add(4, 1_100), pauses.add(5, 1_200)], [
    ...[true, false, false],
  ]);
  assert.deepEqual([pauses.isPaused, pauses.count, pauses.first], [true, 2, 5]);
  assert.equal(pauses.deadlineMs, 1_000 + 5_250);
  assert.deepEqual([pauses.remove(9, 1_300), pauses.remove(5, 1_300)], [false, false]);
  assert.deepEqual([pauses.first, pauses.deadlineMs], [4, 6_250]);
  assert.equal(pauses.remove(4, 1_300), true);
  assert.deepEqual([pauses.isPaused, pauses.deadlineMs], [false, Infinity]);
  assert.equal(pauses.remove(4, 1_400), false);
});

test("What a pause takes beyond 250 ms is owed, up to 5 s, and reading pays it back", () => {
  const cases: [tookMs: number, readMs: number, leftMs: number][] = [
    [250, 0, 5_250],
    [251, 0, 5_249],
    [1_250, 0, 4_250],
    [1_250, 400, 4_650],
    [1_250, 1_000, 5_250],
    [1_250, 9_000, 5_250],
    [5_250, 0, 250],
    [90_000, 0, 250],
    [90_000, 5_000, 5_250],
  ];
  for (const [tookMs, readMs, leftMs] of cases) {
    const pauses = new ReadingPauses();
    pauses.add(1, 10_000);
    pauses.remove(1, 10_000 + tookMs);
    const nowMs = 10_000 + tookMs + readMs;
    pauses.add(2, nowMs);
    assert.equal(pauses.deadlineMs - nowMs, leftMs, `${tookMs} ${readMs}`);
    // What is owed adds up.
    pauses.remove(2, nowMs + 1_250);
    pauses.add(3, nowMs + 1_250);
    assert.equal(pauses.deadlineMs - nowMs - 1_250, Math.max(250, leftMs - 1_000));
  }
});

test("A limit that harms nobody is looked at again after 250 ms, and none without a pause", () => {
  const pauses = new ReadingPauses();
  pauses.postpone(100);
  assert.equal(pauses.deadlineMs, Infinity);
  pauses.add(1, 100);
  pauses.postpone(7_000);
  assert.equal(pauses.deadlineMs, 7_250);
  pauses.clear();
  assert.deepEqual([pauses.deadlineMs, pauses.isPaused], [Infinity, false]);
});

test("Aborted requests are waited for until their time, each given up once", () => {
  const aborted = new AbortedRequests();
  assert.deepEqual([aborted.deadlineMs, aborted.giveUp(1e9)], [Infinity, false]);
  aborted.add(1, 200);
  aborted.add(2, 100);
  aborted.add(3, 300);
  assert.equal(aborted.deadlineMs, 100);
  assert.deepEqual([aborted.giveUp(99), aborted.deadlineMs], [false, 100]);
  assert.deepEqual([aborted.giveUp(100), aborted.deadlineMs], [true, 200]);
  assert.equal(aborted.giveUp(199), false);
  aborted.remove(1);
  assert.equal(aborted.deadlineMs, 300);
  assert.deepEqual([aborted.giveUp(400), aborted.deadlineMs, aborted.giveUp(400)], [
    ...[true, Infinity, false],
  ]);
});
