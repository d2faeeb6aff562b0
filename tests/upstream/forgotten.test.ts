/**
 * What comes back behind an address may be another application: once something is to be forgotten, who
 * has seen much behaves as who has seen nothing, whatever comes next. And what is left out of the log
 * is told once, all of it. Both by seed, against a new one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../simulation/random.ts";
import {
  ApplicationTraits,
  CLOSED_AFTER_MS,
  type EndedConnection,
  type Trait,
} from "../../src/upstream/application_traits.ts";
import { ConnectionLimit } from "../../src/upstream/connection_limit.ts";
import { STDERR_BURST, StderrBudget } from "../../src/upstream/stderr_budget.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const SEEDS = 300;

/** One thing that happens, the same to each that it is told. */
type Act<Subject> = (subject: Subject) => unknown;

function compare<Subject>(
  seed: number,
  create: () => Subject,
  next: (random: Random) => Act<Subject>,
  forget: (subject: Subject) => void,
): void {
  const random = new Random(seed);
  const old = create();
  for (let step = random.between(0, 12); step > 0; step--) next(random)(old);
  forget(old);
  const fresh = create();
  for (let step = 1; step <= 12; step++) {
    const act = next(random);
    assert.deepEqual(act(old), act(fresh), `seed ${seed}, step ${step} behind it`);
  }
}

test("How many connections an application takes is forgotten with it (300 seeds)", () => {
  let nowMs = 0;
  const next = (random: Random): Act<ConnectionLimit> => {
    const count = random.between(1, 10);
    nowMs += random.pick([0, 500, 1_000, 2_000, 60_000]);
    const atMs = nowMs;
    const act = random.pick<Act<ConnectionLimit>>([
      (limit) => limit.say(count),
      (limit) => limit.find(count, atMs),
      (limit) => limit.taken(count, atMs),
      (limit) => limit.tryMore(atMs),
    ]);
    return (limit) => [act(limit), limit.single, limit.shared];
  };
  for (let seed = 1; seed <= SEEDS; seed++) {
    compare(seed, () => new ConnectionLimit(8), next, (limit) => limit.forget());
  }
});

interface Seen {
  readonly traits: ApplicationTraits;
  readonly told: Trait[];
}

function seen(): Seen {
  const told: Trait[] = [];
  return { told, traits: new ApplicationTraits((trait) => told.push(trait)) };
}

test("What an application has shown of itself is forgotten when it takes no connection (300 seeds)", () => {
  const next = (random: Random): Act<Seen> => {
    const ended: EndedConnection = {
      multiplexed: random.chance(0.5),
      life: {
        keeps: random.chance(0.9),
        wasClosedByUs: random.chance(0.1),
        requestsEnded: random.pick([0, 1, 1, 1, 2]),
        requestsLost: random.pick([0, 0, 1]),
        closedWithResponse: random.chance(0.5),
      },
    };
    const idleMs = random.pick([undefined, 0, CLOSED_AFTER_MS - 1, CLOSED_AFTER_MS]);
    const outcome = random.pick(["answered", "silent", "unread"] as const);
    const act = random.pick<Act<Seen>>([
      ({ traits }) => traits.closed(ended, idleMs),
      ({ traits }) => traits.closed(ended, idleMs),
      ({ traits }) => traits.closed(ended, idleMs),
      ({ traits }) => traits.asked(outcome),
      ({ traits }) => traits.connected(),
    ]);
    return (one) => {
      const before = one.told.length;
      act(one);
      return [one.traits.keeps, one.traits.closes, one.told.slice(before)];
    };
  };
  for (let seed = 1; seed <= SEEDS; seed++) {
    compare(seed, seen, next, ({ traits }) => traits.connectFailed());
  }
});

test("What is left out of an application's STDERR is told once, all of it (300 seeds)", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random(seed);
    const clock = new ManualClock();
    const told = new Map<string, [lines: number, bytes: number]>();
    const left = new Map<string, [lines: number, bytes: number]>();
    const add = (sums: typeof told, upstream: string, lines: number, bytes: number): void => {
      const [linesBefore, bytesBefore] = sums.get(upstream) ?? [0, 0];
      sums.set(upstream, [linesBefore + lines, bytesBefore + bytes]);
    };
    const budget = new StderrBudget(clock, (...what) => add(told, ...what));
    for (let step = 0; step < 30; step++) {
      const upstream = random.pick(["a", "b"]);
      const line = "x".repeat(random.pick([1, 1_000, STDERR_BURST]));
      for (let count = random.between(1, 5); count > 0; count--) {
        if (!budget.take(upstream, line)) add(left, upstream, 1, line.length);
      }
      const bytes = new TextEncoder().encode("one\ntwo\nthr");
      if (budget.leavesOut(upstream, bytes, 7)) add(left, upstream, 2, bytes.length + 7);
      if (random.chance(0.4)) clock.advance(random.pick([100, 1_000, 5_000]));
    }
    clock.advance(1_000);
    assert.deepEqual([...told].toSorted(), [...left].toSorted(), `seed ${seed}`);
    assert.equal(clock.timerCount, 0);
  }
});
