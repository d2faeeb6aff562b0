/** Bounds how many orders run at a time; the others wait their turn, first come first served. */

/** Authorities limit how many orders are open; one that is slow must not hold up all the others. */
export const ORDERS_AT_ONCE_MAX = 4;

export class Turns {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max = ORDERS_AT_ONCE_MAX) {
    this.#max = max;
  }

  /** @throws the signal's reason where it fires while waiting; what the action throws */
  async take<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#running >= this.#max) await this.#wait(signal);
    else this.#running++;
    try {
      signal.throwIfAborted();
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const place = this.#waiting.indexOf(go);
        if (place >= 0) this.#waiting.splice(place, 1);
        reject(signal.reason);
      };
      const go = (): void => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#waiting.push(go);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
