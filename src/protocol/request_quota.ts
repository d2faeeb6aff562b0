/**
 * How many requests an application takes at once, counted over all its connections. What
 * FCGI_MAX_REQS tells (section 4.1) and what OVERLOADED answers for (section 5.5).
 */

/** Places that requests take and give back. */
export class RequestQuota {
  readonly max: number;
  #taken = 0;

  constructor(max: number) {
    this.max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a place; false when there is none. */
  take(): boolean {
    if (this.#taken >= this.max) return false;
    this.#taken++;
    return true;
  }

  release(): void {
    if (this.#taken === 0) throw new RangeError("Cannot release a place: none is taken");
    this.#taken--;
  }
}
