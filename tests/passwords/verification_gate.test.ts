/** Guesses of passwords: one at a time, with pauses, and no more of them than a bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PasswordHash } from "../../src/passwords/password_hash.ts";
import {
  gateOf,
  PAUSE_MS_MAX,
  REMEMBERED_MAX,
  REMEMBERED_MS,
  TooManyChecksError,
  VerificationGate,
  WAITING_MAX,
} from "../../src/passwords/verification_gate.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const TURNS_MAX = 10_000;

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Until the hash was asked so often: digests are made on other threads, which takes some turns. */
async function untilAsked(hash: SlowHash, times: number): Promise<void> {
  for (let turns = 0; hash.asked < times; turns++) {
    assert.ok(turns < TURNS_MAX, `The hash was asked ${hash.asked} times, not ${times}`);
    await turn();
  }
}

/** A hash that takes time, of the clock's, until a test lets it go on. */
class SlowHash implements PasswordHash {
  readonly text = "a hash";
  asked = 0;
  readonly #clock: ManualClock;
  readonly #waiting: (() => void)[] = [];

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async matches(password: string): Promise<boolean> {
    this.asked++;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return password === "right";
  }

  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  async finish(tookMs: number): Promise<void> {
    this.#clock.advance(tookMs);
    this.#waiting.shift()!();
    await turn();
  }
}

const quick: PasswordHash = {
  text: "x",
  matches: (password) => Promise.resolve(password === "right"),
};

test("Checks come one after the other, each behind a pause as long as the one before took", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  const first = gate.check("anna", "wrong", hash);
  await untilAsked(hash, 1);
  const second = gate.check("otto", "right", hash);
  await hash.finish(300);
  assert.equal(await first, false);
  clock.advance(299);
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(hash.asked, 1);
  clock.advance(1);
  await untilAsked(hash, 2);
  await hash.finish(1_000_000);
  assert.equal(await second, true);
  const third = gate.check("emil", "wrong", hash);
  clock.advance(PAUSE_MS_MAX);
  await untilAsked(hash, 3);
  await hash.finish(1);
  assert.equal(await third, false);
});

test("With as many as the bound waiting, the next is refused at once", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  // One more may come before them: whose digest is made first is the threads' to decide.
  const checks = Array.from(
    { length: WAITING_MAX },
    (_, at) => gate.check(`u${at}`, "x", hash).catch(() => false),
  );
  await untilAsked(hash, 1);
  await assert.rejects(async () => {
    // Those before it may still be at their digests.
    for (let tries = 0; tries < TURNS_MAX; tries++) {
      const isRight = gate.check("one more", "x", hash);
      await Promise.race([isRight, turn()]);
      checks.push(isRight.catch(() => false));
    }
  }, TooManyChecksError);
  let over = false;
  const results = Promise.all(checks).finally(() => over = true);
  for (let turns = 0; !over; turns++) {
    assert.ok(turns < TURNS_MAX);
    if (hash.isAsked) await hash.finish(1);
    clock.advance(1);
    await turn();
  }
  assert.ok((await results).every((isRight) => !isRight));
  const again = gate.check("one more", "right", hash);
  await untilAsked(hash, hash.asked + 1);
  await hash.finish(1);
  assert.equal(await again, true);
});

test("Who was right is not asked again for a while, but with another password or hash", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  const first = gate.check("anna", "right", hash);
  await untilAsked(hash, 1);
  await hash.finish(0);
  assert.equal(await first, true);
  assert.equal(await gate.check("anna", "right", hash), true);
  assert.equal(hash.asked, 1);
  const never: PasswordHash = { text: "x", matches: () => Promise.resolve(false) };
  assert.equal(await gate.check("anna", "right", never), false);
  assert.equal(await gate.check("annar", "ight", quick), false);
  clock.advance(REMEMBERED_MS);
  void gate.check("anna", "right", hash);
  await untilAsked(hash, 2);
});

test("Wrong passwords are not remembered, and right ones up to a bound", async () => {
  const gate = new VerificationGate(new ManualClock());
  assert.equal(await gate.check("anna", "wrong", quick), false);
  assert.equal(gate.size, 0);
  for (let user = 0; user <= REMEMBERED_MAX; user++) await gate.check(`u${user}`, "right", quick);
  assert.equal(gate.size, 1);
});

test("A check that fails is no pause, and the next one goes on", async () => {
  const gate = new VerificationGate(new ManualClock());
  const broken: PasswordHash = { text: "x", matches: () => Promise.reject(new Error("broken")) };
  await assert.rejects(gate.check("anna", "right", broken), /broken/);
  assert.equal(await gate.check("anna", "right", quick), true);
});

test("A password that was right in one thread is asked of the hash in no other", async () => {
  const clock = new ManualClock();
  const heard: ((digest: string) => void)[] = [];
  const gates = [0, 1].map((thread) => {
    const gate = new VerificationGate(clock);
    gate.join({
      secret: new Uint8Array(32).fill(7),
      tell: (digest) => heard[1 - thread]!(digest),
      listen: (hear) => heard[thread] = hear,
    });
    return gate;
  });
  const [first, second] = gates;
  assert.equal(await first!.check("anna", "right", quick), true);
  const slow: PasswordHash = { text: "x", matches: () => Promise.reject(new Error("asked")) };
  assert.equal(await second!.check("anna", "right", slow), true);
  // Of one that was wrong nothing is known.
  assert.equal(await first!.check("anna", "wrong", quick), false);
  await assert.rejects(second!.check("anna", "wrong", slow), /asked/);
  assert.deepEqual(gates.map(({ size }) => size), [1, 1]);
});

test("All sites of a process share one gate", () => {
  const clock = new ManualClock();
  assert.equal(gateOf(clock), gateOf(clock));
  assert.notEqual(gateOf(clock), gateOf(new ManualClock()));
});

test("Who was right is remembered up to the last millisecond", async () => {
  const clock = new ManualClock();
  const gate = new VerificationGate(clock);
  let asked = 0;
  const hash: PasswordHash = { text: "x", matches: () => Promise.resolve(++asked > 0) };
  await gate.check("anna", "right", hash);
  clock.advance(REMEMBERED_MS - 1);
  await gate.check("anna", "right", hash);
  assert.equal(asked, 1);
  clock.advance(1);
  await gate.check("anna", "right", hash);
  assert.equal(asked, 2);
  await gate.check("anna", "right", hash);
  assert.deepEqual([asked, gate.size], [2, 1]);
});

test("A password that is wrong once it is no longer remembered is forgotten", async () => {
  const clock = new ManualClock();
  const gate = new VerificationGate(clock);
  let isRight = true;
  const hash: PasswordHash = { text: "x", matches: () => Promise.resolve(isRight) };
  assert.equal(await gate.check("anna", "right", hash), true);
  isRight = false;
  clock.advance(REMEMBERED_MS);
  assert.equal(await gate.check("anna", "right", hash), false);
  assert.equal(gate.size, 0);
});

test("A check that took no time is no pause, and plans nothing", async () => {
  const clock = new ManualClock();
  const gate = new VerificationGate(clock);
  for (let count = 0; count < 3; count++) await gate.check("anna", "wrong", quick);
  assert.equal(clock.timerCount, 0);
});

test("A pause is as long as the check before took, and two seconds at most", async () => {
  for (
    const [tookMs, pauseMs] of [[1, 1], [1_999, 1_999], [2_000, 2_000], [60_000, 2_000]] as const
  ) {
    const clock = new ManualClock();
    const hash = new SlowHash(clock);
    const gate = new VerificationGate(clock);
    const first = gate.check("anna", "right", hash);
    await untilAsked(hash, 1);
    const second = gate.check("otto", "wrong", hash);
    await hash.finish(tookMs);
    // Of one that was right as well: who has one password may guess others.
    assert.equal(await first, true);
    clock.advance(pauseMs - 1);
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.equal(hash.asked, 1, `${tookMs} ms`);
    clock.advance(1);
    await untilAsked(hash, 2);
    await hash.finish(0);
    assert.equal(await second, false);
    assert.equal(clock.timerCount, 0);
  }
});

test("Who is remembered is let in at once, however many guesses wait", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  assert.equal(await gate.check("anna", "right", quick), true);
  const guesses = Array.from(
    { length: WAITING_MAX },
    (_, at) => gate.check(`u${at}`, "guess", hash).catch(() => false),
  );
  // So many wait when the next one is refused; whose digest is made first is the threads' to decide.
  for (let turns = 0;; turns++) {
    assert.ok(turns < TURNS_MAX);
    const more = gate.check("emil", "guess", quick);
    const end = await Promise.race([more.catch((error: unknown) => error), turn()]);
    if (end instanceof TooManyChecksError) break;
    if (end === undefined) guesses.push(more.catch(() => false));
  }
  assert.equal(await gate.check("anna", "right", quick), true);
  await assert.rejects(gate.check("anna", "wrong", quick), TooManyChecksError);
  let isOver = false;
  void Promise.all(guesses).then(() => isOver = true);
  while (!isOver) {
    if (hash.isAsked) await hash.finish(0);
    await turn();
  }
});

test("A password of another thread is remembered for its time from then on, and no longer", async () => {
  const clock = new ManualClock();
  const gate = new VerificationGate(clock);
  const other = new VerificationGate(clock);
  const told: string[] = [];
  let hear = (_digest: string): void => {};
  const secret = new Uint8Array(32).fill(3);
  other.join({ secret, tell: (digest) => void told.push(digest), listen: () => {} });
  gate.join({
    secret,
    tell: () => assert.fail("what was heard is told to nobody"),
    listen: (heard) => hear = heard,
  });
  assert.equal(await other.check("anna", "right", quick), true);
  clock.advance(1_000);
  for (const digest of told) hear(digest);
  const never: PasswordHash = { text: "x", matches: () => Promise.resolve(false) };
  clock.advance(REMEMBERED_MS - 1);
  assert.equal(await gate.check("anna", "right", never), true);
  clock.advance(1);
  assert.equal(await gate.check("anna", "right", never), false);
});

test("Digests of one process say nothing to another: each has its own secret", async () => {
  const digests: string[] = [];
  const clock = new ManualClock();
  for (const fill of [1, 2]) {
    const gate = new VerificationGate(clock);
    gate.join({
      secret: new Uint8Array(32).fill(fill),
      tell: (digest) => void digests.push(digest),
      listen: () => {},
    });
    await gate.check("anna", "right", quick);
  }
  assert.equal(new Set(digests).size, 2);
  assert.deepEqual(digests.map(({ length }) => length), [32, 32]);
});

test("Sixty-four checks wait, and the sixty-fifth is refused, until one of them is over", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  const checks: Promise<boolean>[] = [];
  for (let user = 0; user < 64; user++) {
    checks.push(gate.check(`u${user}`, "guess", hash));
    await untilIdle();
  }
  await assert.rejects(gate.check("one more", "guess", hash), TooManyChecksError);
  await hash.finish(0);
  assert.equal(await checks[0], false);
  await untilIdle();
  checks.push(gate.check("one more", "guess", hash));
  await untilIdle();
  await assert.rejects(gate.check("and one more", "guess", hash), TooManyChecksError);
  while (hash.isAsked) await hash.finish(0);
  assert.deepEqual(new Set(await Promise.all(checks)), new Set([false]));
});

test("Passwords of several users are remembered beside each other, for five minutes", async () => {
  const clock = new ManualClock();
  const gate = new VerificationGate(clock);
  for (const user of ["anna", "otto", "emil"]) await gate.check(user, "right", quick);
  assert.equal(gate.size, 3);
  const never: PasswordHash = { text: "x", matches: () => Promise.resolve(false) };
  clock.advance(299_999);
  assert.equal(await gate.check("anna", "right", never), true);
  clock.advance(1);
  assert.equal(await gate.check("otto", "right", never), false);
});
