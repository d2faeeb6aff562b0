/** Time as the runtime has it; both runtimes offer the same timers. */
import { setImmediate } from "node:timers";
import type { Clock, TimerId } from "./clock.ts";

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs) as unknown as TimerId,
  clearTimer: (id) => clearTimeout(id as unknown as number),
  atTurnEnd: (callback) => void setImmediate(callback),
};
