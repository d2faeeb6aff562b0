/**
 * Requests that wait for room at an upstream, first come first served. Bounded in length, with those
 * that wait in other threads; how long one may wait is its own deadline.
 */
import type { UpstreamShare } from "./upstream_share.ts";

export class WaitingQueue<Item> {
  readonly lengthMax: number;
  /** A Set keeps the order and removes from the middle at once. */
  readonly #items = new Set<Item>();
  readonly #share: Pick<UpstreamShare, "enterQueue" | "leaveQueue"> | undefined;

  constructor(lengthMax: number, share?: Pick<UpstreamShare, "enterQueue" | "leaveQueue">) {
    this.lengthMax = lengthMax;
    this.#share = share;
  }

  get length(): number {
    return this.#items.size;
  }

  /** False when it is full. */
  push(item: Item): boolean {
    if (this.#items.size >= this.lengthMax) return false;
    if (this.#share?.enterQueue(this.lengthMax) === false) return false;
    this.#items.add(item);
    return true;
  }

  /** The one that has waited longest comes first. Items may be removed on the way. */
  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values();
  }

  /** False for one that is not in the queue. */
  remove(item: Item): boolean {
    if (!this.#items.delete(item)) return false;
    this.#share?.leaveQueue();
    return true;
  }
}
