/**
 * The least rate of a body against a model of a few lines: time that a read waits adds up to windows,
 * also over many reads; time between reads does not count; a window in which enough came is followed
 * by a new one. All times lie on the grid of {@link TICK_MS}, so the model is exact: a client is cut
 * at the very tick, and not one before.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { Deadlines, TICK_MS } from "../../src/upstream/deadlines.ts";
import { pieceReader, RATE_WINDOW_MS } from "../../src/upstream/paced_reader.ts";

const RATE = 10;
const ENOUGH = RATE * RATE_WINDOW_MS / 1000;

/** A piece comes `waitMs` after it was asked for, and the next one is asked for `pauseMs` later. */
interface Piece {
  readonly waitMs: number;
  readonly length: number;
  readonly pauseMs: number;
}

/** When the client is cut, counted from the first read; undefined when it is not. */
function cutMs(pieces: readonly Piece[]): number | undefined {
  let nowMs = 0;
  let waitedMs = 0;
  let bytes = 0;
  for (const { waitMs, length, pauseMs } of pieces) {
    let leftMs = waitMs;
    while (waitedMs + leftMs >= RATE_WINDOW_MS) {
      const untilMs = RATE_WINDOW_MS - waitedMs;
      nowMs += untilMs;
      if (bytes < ENOUGH) return nowMs;
      leftMs -= untilMs;
      [waitedMs, bytes] = [0, 0];
    }
    nowMs += leftMs + pauseMs;
    waitedMs += leftMs;
    bytes += length;
  }
  return undefined;
}

/** The same, of the reader. */
async function measuredCutMs(pieces: readonly Piece[]): Promise<number | undefined> {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let cancels = 0;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void cancels++,
  }, { highWaterMark: 0 });
  const reader = pieceReader(stream, RATE, deadlines);
  for (const { waitMs, length, pauseMs } of pieces) {
    let error: unknown;
    let isSettled = false;
    const reading = reader.read().then(
      (read) => assert.equal(read.value?.length, length),
      (thrown) => void (error = thrown),
    ).finally(() => isSettled = true);
    for (let waited = 0; waited < waitMs; waited += TICK_MS) {
      clock.advance(TICK_MS);
      if (cancels > 0) break;
    }
    if (cancels === 0) controller.enqueue(new Uint8Array(length));
    await reading;
    assert.equal(isSettled, true);
    if (error !== undefined) {
      assert.equal((error as { code?: string }).code, "request_body_timeout");
      assert.equal(deadlines.size, 0);
      const atMs = clock.nowMs();
      clock.advance(TICK_MS);
      assert.equal(clock.timerCount, 0);
      return atMs;
    }
    clock.advance(pauseMs);
  }
  controller.close();
  assert.equal((await reader.read()).done, true);
  assert.equal(deadlines.size, 0);
  clock.advance(TICK_MS);
  assert.equal(clock.timerCount, 0);
  return undefined;
}

const ticks = (max: number) => fc.integer({ min: 0, max }).map((count) => count * TICK_MS);

const piece = fc.record({
  waitMs: fc.oneof(
    ticks(20),
    ticks(700),
    fc.constantFrom(RATE_WINDOW_MS, RATE_WINDOW_MS - TICK_MS),
  ),
  length: fc.constantFrom(1, 2, ENOUGH - 1, ENOUGH, ENOUGH + 1),
  pauseMs: fc.oneof(ticks(10), fc.constant(2 * RATE_WINDOW_MS)),
});

test("A client is cut when the model says so, however its bytes and its waiting fall", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 12 }), async (pieces) => {
      assert.equal(await measuredCutMs(pieces), cutMs(pieces));
    }),
    { numRuns: 300, seed: 7 },
  );
});

test("A byte now and then is too slow, though no single read waits for long", async () => {
  const drops = Array.from({ length: 40 }, () => ({ waitMs: 1_000, length: 1, pauseMs: 0 }));
  assert.equal(await measuredCutMs(drops), RATE_WINDOW_MS);
});

test("A window that was good is no credit for the next one", async () => {
  const pieces = [
    { waitMs: 1_000, length: 10 * ENOUGH, pauseMs: 0 },
    { waitMs: 2 * RATE_WINDOW_MS, length: 1, pauseMs: 0 },
  ];
  assert.equal(await measuredCutMs(pieces), 2 * RATE_WINDOW_MS);
});

test("What reads slowly makes no client slow", async () => {
  const pauses = Array.from({ length: 5 }, () => ({
    waitMs: 100,
    length: 1,
    pauseMs: 2 * RATE_WINDOW_MS,
  }));
  assert.equal(await measuredCutMs(pauses), undefined);
});

test("A reader that is given up, or whose client breaks off, is looked at no more", async () => {
  for (const ending of ["cancel", "cancel between reads", "break"] as const) {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
    const reader = pieceReader(stream, RATE, deadlines);
    if (ending === "cancel between reads") {
      controller.enqueue(new Uint8Array(1));
      await reader.read();
    }
    const reading = ending === "cancel between reads"
      ? undefined
      : reader.read().catch((error) => error);
    assert.equal(deadlines.size, 1);
    const broken = new Error("The client has left");
    if (ending === "break") controller.error(broken);
    else await reader.cancel();
    const read = await reading;
    if (ending === "break") assert.equal(read, broken);
    assert.equal(deadlines.size, 0, ending);
    clock.advance(TICK_MS);
    assert.equal(clock.timerCount, 0, ending);
  }
});

test("Who is too slow is told as the client's fault, of a request that may have been sent", async () => {
  const clock = new ManualClock();
  const reader = pieceReader(new ReadableStream<Uint8Array>(), RATE, new Deadlines(clock));
  const reading = reader.read().catch((error) => error);
  clock.advance(RATE_WINDOW_MS);
  const { code, fault, phase, sent } = await reading;
  assert.deepEqual({ code, fault, phase, sent }, {
    code: "request_body_timeout",
    fault: "client",
    phase: "send",
    sent: true,
  });
});

test("One byte a second is a rate, too", async () => {
  const clock = new ManualClock();
  const reader = pieceReader(new ReadableStream<Uint8Array>(), 1, new Deadlines(clock));
  const reading = reader.read().catch((error) => error);
  clock.advance(RATE_WINDOW_MS);
  assert.equal((await reading).code, "request_body_timeout");
});
