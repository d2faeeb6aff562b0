/**
 * How many requests an application takes at once, counted over all its connections. What
 * FCGI_MAX_REQS tells (section 4.1) and what OVERLOADED answers for (section 5.5).
 */

/** Places that requests take and give back. */
export class RequestQuota {
  readonly max: number;
  readonly #reserved: number;
  #taken = 0;

  /**
   * @param reserved the last places, which are for connections that hold fewer than so many
   * themselves: so none takes all places from the others
   */
  constructor(max: number, reserved = 0) {
    this.max = max;
    this.#reserved = reserved;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a place for a connection that holds so many; false when there is none for it. */
  take(held = 0): boolean {
    const isFew = held < this.#reserved;
    if (this.#taken >= (isFew ? this.max : this.max - this.#reserved)) return false;
    this.#taken++;
    return true;
  }

  release(): void {
    if (this.#taken === 0) throw new RangeError("Cannot release a place: none is taken");
    this.#taken--;
  }
}
