/** Time for simulators: it stands still until it is moved, and the end of a turn is the next one. */
import { setImmediate } from "node:timers";
import { ManualClock } from "../support/memory/memory.ts";
import "../support/unexpected.ts";

export class QuickClock extends ManualClock {
  override atTurnEnd(callback: () => void): void {
    setImmediate(callback);
  }
}

/** Lets promises and the ends of turns settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
