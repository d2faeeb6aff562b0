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
import { ManualClock } from "../../src/runtime/manual_clock.ts";

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

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
  const second = gate.check("otto", "right", hash);
  await turn();
  assert.equal(hash.asked, 1);
  await hash.finish(300);
  assert.equal(await first, false);
  clock.advance(299);
  await turn();
  assert.equal(hash.asked, 1);
  clock.advance(1);
  await turn();
  assert.equal(hash.asked, 2);
  await hash.finish(1_000_000);
  assert.equal(await second, true);
  const third = gate.check("emil", "wrong", hash);
  await turn();
  clock.advance(PAUSE_MS_MAX);
  await turn();
  assert.equal(hash.asked, 3);
  await hash.finish(1);
  assert.equal(await third, false);
});

test("With as many as the bound waiting, the next is refused at once", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  const checks = Array.from({ length: WAITING_MAX }, (_, at) => gate.check(`u${at}`, "x", hash));
  await turn();
  await assert.rejects(gate.check("one more", "x", hash), TooManyChecksError);
  for (let done = 0; done < WAITING_MAX; done++) {
    await hash.finish(1);
    clock.advance(1);
    await turn();
  }
  assert.deepEqual(await Promise.all(checks), checks.map(() => false));
  const again = gate.check("one more", "right", hash);
  await turn();
  await hash.finish(1);
  assert.equal(await again, true);
});

test("Who was right is not asked again for a while, but with another password or hash", async () => {
  const clock = new ManualClock();
  const hash = new SlowHash(clock);
  const gate = new VerificationGate(clock);
  const first = gate.check("anna", "right", hash);
  await turn();
  await hash.finish(0);
  assert.equal(await first, true);
  assert.equal(await gate.check("anna", "right", hash), true);
  assert.equal(hash.asked, 1);
  assert.equal(
    await gate.check("anna", "right", { ...quick, matches: () => Promise.resolve(false) }),
    false,
  );
  assert.equal(await gate.check("annar", "ight", quick), false);
  clock.advance(REMEMBERED_MS);
  void gate.check("anna", "right", hash);
  await turn();
  assert.equal(hash.asked, 2);
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

test("All sites of a process share one gate", () => {
  const clock = new ManualClock();
  assert.equal(gateOf(clock), gateOf(clock));
  assert.notEqual(gateOf(clock), gateOf(new ManualClock()));
});
