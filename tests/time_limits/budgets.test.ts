/**
 * What is given back with time: so much of each budget at once, so much of it in each part of its
 * time, however often somebody tries meanwhile, and never more than all of it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientLimits } from "../../src/gemini/client_limits.ts";
import { Budgets } from "../../src/http2/budgets.ts";
import { HTTP2_LIMIT_DEFAULTS } from "../../src/http2/limits.ts";
import { STDERR_BURST, STDERR_RATE, StderrBudget } from "../../src/upstream/stderr_budget.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

interface Budget {
  /** How often something may be had at once, after a quiet time. */
  readonly atOnce: number;
  /** How long it takes until as much may be had again. */
  readonly periodMs: number;
  /** Whether it may be had. */
  take(): boolean;
}

/** What a line costs beside its text. */
const LINE_COST = 256;
const LINE = "x".repeat(1024 - LINE_COST);

const ADDRESS = "192.0.2.1";

function http2Budget(
  name: "resets" | "settings" | "pings" | "empty_frames" | "window_updates",
  atOnce: number,
): (clock: ManualClock) => Budget {
  return (clock) => {
    const budgets = new Budgets(HTTP2_LIMIT_DEFAULTS, clock.nowMs());
    return {
      atOnce,
      periodMs: 30_000,
      take() {
        budgets.refill(clock.nowMs());
        try {
          budgets.take(name);
          return true;
        } catch {
          // It costs, too: who is refused loses his connection.
          budgets.give(name, 1);
          return false;
        }
      },
    };
  };
}

const BUDGETS: Readonly<Record<string, (clock: ManualClock) => Budget>> = {
  "limits.http2.resets": http2Budget("resets", HTTP2_LIMIT_DEFAULTS.resetsMax),
  "limits.http2.settings": http2Budget("settings", HTTP2_LIMIT_DEFAULTS.settingsMax),
  "limits.http2.pings": http2Budget("pings", HTTP2_LIMIT_DEFAULTS.pingsMax),
  "limits.http2.empty_frames": http2Budget("empty_frames", HTTP2_LIMIT_DEFAULTS.emptyFramesMax),
  "limits.http2.window_updates": http2Budget(
    "window_updates",
    HTTP2_LIMIT_DEFAULTS.windowUpdatesMax,
  ),
  "lines of STDERR": (clock) => {
    const budget = new StderrBudget(clock, () => {});
    const lineLength = LINE.length + LINE_COST;
    return {
      atOnce: STDERR_BURST / lineLength,
      periodMs: 1000 * STDERR_BURST / STDERR_RATE,
      take: () => budget.take("app", LINE),
    };
  },
  "requests of a Gemini client": (clock) => {
    const atOnce = 20;
    const limits = new ClientLimits({
      connectionsMax: 10,
      connectionsPerAddressMax: 10,
      requestsPerSecondMax: atOnce,
    }, clock);
    return { atOnce, periodMs: 1000, take: () => limits.request(ADDRESS) === 0 };
  },
};

/** How often something can be had now. */
function takeAll({ take, atOnce }: Budget): number {
  let count = 0;
  while (count <= 2 * atOnce && take()) count++;
  return count;
}

/** The same over some time, in which it is tried so many times. */
function takeWithin(budget: Budget, clock: ManualClock, timeMs: number, tries: number): number {
  let count = 0;
  for (let part = 0; part < tries; part++) {
    clock.advance(timeMs / tries);
    count += takeAll(budget);
  }
  return count;
}

for (const [name, create] of Object.entries(BUDGETS)) {
  test(`The budget of ${name} comes back with time, and no sooner`, () => {
    const clock = new ManualClock();
    const budget = create(clock);
    const { atOnce, periodMs } = budget;
    const isAbout = (count: number, expected: number, what: string): void => {
      assert.ok(Math.abs(count - expected) <= 1, `${what}: ${count} instead of ${expected}`);
    };
    isAbout(takeAll(budget), atOnce, "at once");
    isAbout(takeAll(budget), 0, "at the same time again");
    isAbout(takeWithin(budget, clock, periodMs / 2, 1), atOnce / 2, "in half of its time");
    isAbout(takeWithin(budget, clock, periodMs, 50), atOnce, "where it is tried all the time");
    isAbout(takeWithin(budget, clock, periodMs, 1), atOnce, "after its time");
    isAbout(takeWithin(budget, clock, 100 * periodMs, 1), atOnce, "after a long quiet time");
    isAbout(takeWithin(budget, clock, periodMs / 2, 1), atOnce / 2, "in half of its time again");
  });
}
