/** Waiting until a time on the wall: in slices, so that a clock that is set meanwhile is seen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep, sleepUntil } from "../../src/acme/sleep.ts";
import { HOUR_MS } from "../support/acme_world.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

/** A clock whose wall can be set. */
class SetClock extends ManualClock {
  setByMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.setByMs;
  }
}

function asleep(clock: SetClock, durationMs: number) {
  const stop = new AbortController();
  const state = { isAwake: false, error: undefined as unknown };
  sleepUntil(clock, clock.wallMs() + durationMs, stop.signal).then(
    () => state.isAwake = true,
    (error: unknown) => state.error = error,
  );
  const pass = async (ms: number) => {
    clock.advance(ms);
    await untilIdle();
    return state.isAwake;
  };
  return { state, stop, pass };
}

test("Who sleeps until a time wakes then, and not before", async () => {
  const clock = new SetClock();
  const { pass } = asleep(clock, 2.5 * HOUR_MS);
  assert.equal(await pass(HOUR_MS), false);
  assert.equal(await pass(HOUR_MS), false);
  assert.equal(await pass(0.5 * HOUR_MS - 1), false);
  assert.equal(await pass(1), true);
  assert.equal(clock.timerCount, 0);
});

test("A clock that is set ahead meanwhile wakes within an hour, one that is set back later", async () => {
  for (const [setByMs, hours] of [[20 * HOUR_MS, 1], [-3 * HOUR_MS, 13]] as const) {
    const clock = new SetClock();
    const { pass } = asleep(clock, 10 * HOUR_MS);
    await pass(0);
    clock.setByMs = setByMs;
    for (let hour = 1; hour < hours; hour++) assert.equal(await pass(HOUR_MS), false);
    assert.equal(await pass(HOUR_MS), true, `set by ${setByMs} ms`);
  }
});

test("A time that is over is no wait", async () => {
  const clock = new SetClock();
  for (const durationMs of [0, -1]) {
    const { pass } = asleep(clock, durationMs);
    assert.equal(await pass(0), true);
    assert.equal(clock.timerCount, 0);
  }
});

test("A signal ends a sleep with its reason, and leaves no timer; one that comes late changes nothing", async () => {
  const clock = new SetClock();
  const { state, stop, pass } = asleep(clock, HOUR_MS);
  await pass(1);
  const reason = new Error("Stopped");
  stop.abort(reason);
  await untilIdle();
  assert.equal(state.error, reason);
  assert.equal(clock.timerCount, 0);
  await assert.rejects(sleep(clock, 1, stop.signal), (error) => error === reason);
  assert.equal(clock.timerCount, 0);
  const next = new AbortController();
  const heard: string[] = [];
  const { signal } = next;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, ...rest: unknown[]) => {
    heard.push(`listen ${type}`);
    add(type, ...rest as [() => void]);
  };
  signal.removeEventListener = (type: string, ...rest: unknown[]) => {
    heard.push(`leave ${type}`);
    remove(type, ...rest as [() => void]);
  };
  const sleeping = sleep(clock, 5, signal);
  clock.advance(5);
  await sleeping;
  assert.deepEqual(heard, ["listen abort", "leave abort"]);
});
