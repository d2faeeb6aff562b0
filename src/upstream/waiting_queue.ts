/**
 * Requests that wait for room at an upstream, first come first served. Bounded in length; how long
 * one may wait is its own deadline.
 */

export class WaitingQueue<Item> {
  readonly lengthMax: number;
  /** A Set keeps the order and removes from the middle at once. */
  readonly #items = new Set<Item>();

  constructor(lengthMax: number) {
    this.lengthMax = lengthMax;
  }

  get length(): number {
    return this.#items.size;
  }

  /** False when it is full. */
  push(item: Item): boolean {
    if (this.#items.size >= this.lengthMax) return false;
    this.#items.add(item);
    return true;
  }

  /** The one that has waited longest comes first. Items may be removed on the way. */
  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values();
  }

  /** False for one that is not in the queue. */
  remove(item: Item): boolean {
    return this.#items.delete(item);
  }
}
