/** What comes back with time and is spent by several threads: never more than one burst and its rate. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isSpent, spend } from "../../src/shared/spent_time.ts";
import { access, run, type Steps } from "../../src/shared/steps.ts";

const BURST = 1_000;
const AT = 0;

function words(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Who may spend does, so many ticks each time. */
function* spendOnce(now: number, ticks: number): Steps<number> {
  if (yield* isSpent(AT, now, BURST)) return 0;
  yield* spend(AT, now, BURST, ticks);
  return ticks;
}

test("A burst may be spent at once, and then what comes back", () => {
  const memory = words();
  const flood = (now: number) => {
    let spent = 0;
    for (let turn = 0; turn < 500; turn++) spent += run(memory, spendOnce(now, 10));
    return spent;
  };
  for (const start of [0, 2 ** 31 - 50, -5]) {
    memory[AT] = 0;
    run(memory, spend(AT, start - 10 * BURST | 0, BURST, 1));
    assert.equal(flood(start), BURST);
    assert.equal(flood(start + 100), 100);
    assert.equal(flood(start + 100 + 5 * BURST), BURST, "no more than a burst gathers");
  }
});

test("What is spent is counted to the tick, also where 32 bits begin again", () => {
  const memory = words();
  for (const [now, ticks, until] of [[100, 10, 110], [100, 4, 114], [114, 1, 115], [200, 6, 206]]) {
    run(memory, spend(AT, now!, BURST, ticks!));
    assert.equal(memory[AT], until);
  }
  run(memory, spend(AT, 2 ** 31 - 2, BURST, 4));
  assert.equal(memory[AT], -(2 ** 31) + 2);
});

test("A clock that was moved back keeps nobody from it for long", () => {
  const memory = words();
  run(memory, spend(AT, 1_000_000, BURST, 10));
  assert.equal(run(memory, spendOnce(0, 10)), 10);
});

test("Two threads in any order spend a burst, and one step each beyond it at most", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const memory = words();
    let random = seed;
    const coin = () => (random = (random * 1_103_515_245 + 12_345) & 0x7fffffff) & 0x10000;
    let spent = 0;
    let threads = [0, 1].map(() => spendOnce(0, 10));
    let waiting = threads.map((thread) => thread.next());
    for (let step = 0; step < 2_000; step++) {
      const one = coin() ? 1 : 0;
      const { value, done } = waiting[one]!;
      if (done) {
        spent += value as number;
        threads = threads.with(one, spendOnce(0, 10));
        waiting = waiting.with(one, threads[one]!.next());
      } else waiting = waiting.with(one, threads[one]!.next(access(memory, value as never)));
    }
    assert.ok(spent >= BURST && spent <= BURST + 10, `${spent} with seed ${seed}`);
  }
});
