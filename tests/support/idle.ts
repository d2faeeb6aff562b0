/**
 * "Until idle" for worlds in memory: everything happens that waits for nothing but a turn of the
 * event loop. Such a world is idle when no promise is left to run, nobody waits for the end of a turn,
 * and nobody has asked anything of its clock for some turns. And `until` and
 * `untilTold`, for what takes real time.
 */
import { setImmediate } from "node:timers";
import { ManualClock } from "./memory/manual_clock.ts";

/**
 * Turns in a row without anything. One would do where everything is promises; streams and digests of
 * the runtime take turns of their own.
 */
const QUIET_TURNS = 4;

/** What does not come to rest is a world that runs in a circle. */
const TURNS_MAX = 100_000;

/** How long something may be waited for in real time; far above what any takes. */
export const WAIT_MAX_MS = 20_000;

/** Turns in which it is looked for without a rest; then once a millisecond. */
const BUSY_TURNS = 1_000;

let digests = 0;

/** Signatures, digests and keys of the runtime that are being made on another thread. */
export function digestsUnderWay(): number {
  return digests;
}

type Method = (...given: unknown[]) => Promise<unknown>;
const subtle = SubtleCrypto.prototype as unknown as Record<string, Method>;
for (const name of ["digest", "sign", "verify", "generateKey", "importKey", "exportKey"]) {
  const method = subtle[name]!;
  subtle[name] = async function (this: unknown, ...given: unknown[]): Promise<unknown> {
    digests++;
    try {
      return await method.apply(this, given);
    } finally {
      digests--;
    }
  };
}

/** One turn of the event loop, with all promises that can run in it. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Until no clock of a test is asked anything any more, and no promise is left to run. */
export async function untilIdle(): Promise<void> {
  let asked = ManualClock.asked;
  let quiet = 0;
  for (let turns = 0; turns < TURNS_MAX; turns++) {
    await turn();
    const isQuiet = ManualClock.asked === asked && ManualClock.turnEndsOwed + digests === 0;
    quiet = isQuiet ? quiet + 1 : 0;
    if (quiet === QUIET_TURNS) return;
    asked = ManualClock.asked;
  }
  throw new Error(`The world does not come to rest within ${TURNS_MAX} turns`);
}

/**
 * Until it holds, for what takes turns of the event loop or real time: looks repeatedly.
 *
 * @param what is awaited, as a sentence goes on: "the file's end"
 * @throws when it does not come to hold
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  withinMs = WAIT_MAX_MS,
): Promise<void> {
  const endMs = performance.now() + withinMs;
  for (let turns = 0; !await holds(); turns++) {
    if (performance.now() > endMs) throw new Error(`Cannot see ${what} within ${withinMs} ms`);
    if (turns < BUSY_TURNS) await turn();
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/**
 * Until it holds, for what tells of its changes: looks after each.
 *
 * @param nextChange is given what the next change calls
 * @throws when it does not come to hold
 */
export async function untilTold(
  holds: () => boolean,
  nextChange: (wake: () => void) => void,
  what: string = `${holds}`,
  withinMs = WAIT_MAX_MS,
): Promise<void> {
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const timer = setTimeout(() => {
    late.reject(new Error(`Cannot see ${what} within ${withinMs} ms`));
  }, withinMs);
  try {
    while (!holds()) await Promise.race([new Promise<void>(nextChange), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
