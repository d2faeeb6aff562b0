/** A word of shared memory that a thread sleeps on: whoever changes it wakes that thread's event loop. */
import type { SharedWords } from "../shared/steps.ts";

/** Wakes who listens at the word. */
export function ringBell(words: SharedWords, at: number): void {
  Atomics.add(words, at, 1);
  Atomics.notify(words, at);
}

/** Calls each time the bell was rung, once for all that came together. Returns what ends it. */
export function listenToBell(words: SharedWords, at: number, rung: () => void): () => void {
  let isOver = false;
  let seen = Atomics.load(words, at);
  const wait = (): void => {
    const { async: isAsync, value } = Atomics.waitAsync(words, at, seen);
    if (isAsync) void value.then(wake);
    else queueMicrotask(wake);
  };
  const wake = (): void => {
    if (isOver) return;
    seen = Atomics.load(words, at);
    rung();
    wait();
  };
  wait();
  return () => {
    isOver = true;
    ringBell(words, at);
  };
}
