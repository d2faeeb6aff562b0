/**
 * How long a stream of an answer keeps an error to itself. Bun writes the head and the first bytes of
 * an answer a turn of the event loop after it got them, and drops both when the stream has an error
 * by then; but a client that sees no answer at all may take its request for one that nobody has
 * looked at, and send it again.
 */
import type { Clock } from "./runtime.ts";

const ERROR_TURNS = 2;

/** Resolves when what a stream has given before has been written. */
export async function turnsBeforeError(clock: Pick<Clock, "atTurnEnd">): Promise<void> {
  for (let turn = 0; turn < ERROR_TURNS; turn++) {
    await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
  }
}
