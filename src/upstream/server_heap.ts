/**
 * Many servers, with the one on top that is to get the next request: the least busy one for its weight
 * (or, where only turns count, any), and of those the one whose turn it is. A turn comes when it is
 * due: each request that a server gets puts it off by 1 / weight (earliest due first), so equal ones
 * take turns in their order. To find the top takes no look at the others, and to put a server in its
 * place one at as many as its number has binary digits.
 *
 * What is kept of a server is never more than it has: who has got more requests than is known is found
 * out when it is on top, who has fewer is told ({@link ServerHeap.changed}). Those ejected leave the
 * heap when they are on top, and are asked one by one whether they are back. Backups are not in it.
 */
import type { Server } from "./server.ts";

/** What is looked at. */
type Ranked = Pick<Server, "weight" | "streams" | "isEjected" | "isBackup">;

/** The index of a server that is not in the heap. */
const RESTS = -1;

interface Entry<Item> {
  readonly server: Item;
  /** In the configuration, from where turns begin. */
  readonly place: number;
  load: number;
  due: number;
  index: number;
}

export class ServerHeap<Item extends Ranked = Server> {
  /** Whether it counts how busy they are, or turns alone. */
  readonly #countsLoad: boolean;
  /** Which of them is the first, as a part of all. */
  readonly #start: number;
  #entries = new Map<Item, Entry<Item>>();
  #heap: Entry<Item>[] = [];
  #resting: Entry<Item>[] = [];
  #asked = 0;
  /** When the server was due that got the last request. */
  #due = 0;

  constructor(countsLoad: boolean, start = 0) {
    this.#countsLoad = countsLoad;
    this.#start = start;
  }

  /** From now on these; those that stay keep their turn. */
  use(servers: readonly Item[]): void {
    const before = this.#entries;
    this.#entries = new Map();
    const behind = servers.length - Math.floor(servers.length * this.#start);
    servers.forEach((server, index) => {
      const place = (index + behind) % servers.length;
      const due = before.get(server)?.due ?? this.#due + 1 / server.weight;
      this.#entries.set(server, { server, place, load: this.#loadOf(server), due, index: RESTS });
    });
    this.#heap = [];
    this.#resting = [];
    for (const entry of this.#entries.values()) if (!entry.server.isBackup) this.#insert(entry);
  }

  /** As two stand to each other, where all are looked at. */
  readonly compare = (a: Item, b: Item): number =>
    this.#loadOf(a) - this.#loadOf(b) || this.#dueOf(a) - this.#dueOf(b);

  /** Who is to get the next request; undefined where all rest. */
  top(): Item | undefined {
    this.#askResting();
    for (let entry = this.#heap[0]; entry !== undefined; entry = this.#heap[0]) {
      if (entry.server.isEjected) this.#rest(entry);
      else if (!this.#hasMore(entry)) return entry.server;
    }
    return undefined;
  }

  /** It gets a request. */
  took(server: Item): void {
    const entry = this.#entries.get(server);
    if (entry === undefined) return;
    // One that was passed over for long is not owed what it has missed.
    this.#due = Math.max(this.#due, entry.due);
    entry.due = this.#due + 1 / server.weight;
    if (entry.index !== RESTS) this.#sink(entry);
  }

  /** It has fewer requests than before, or another weight. */
  changed(server: Item): void {
    const entry = this.#entries.get(server);
    if (entry === undefined) return;
    entry.load = this.#loadOf(server);
    if (entry.index === RESTS) return;
    this.#rise(entry);
    this.#sink(entry);
  }

  #dueOf(server: Item): number {
    return this.#entries.get(server)?.due ?? 0;
  }

  #loadOf({ streams, weight }: Ranked): number {
    return this.#countsLoad ? streams / weight : 0;
  }

  /** Whether the one on top is busier than was known; then it is in its place now. */
  #hasMore(entry: Entry<Item>): boolean {
    const load = this.#loadOf(entry.server);
    if (load <= entry.load) return false;
    entry.load = load;
    this.#sink(entry);
    return true;
  }

  #rest(entry: Entry<Item>): void {
    const last = this.#heap.pop()!;
    entry.index = RESTS;
    this.#resting.push(entry);
    if (last === entry) return;
    this.#put(last, 0);
    this.#sink(last);
  }

  /** One at a time, so that many that are away cost no more than few. */
  #askResting(): void {
    const resting = this.#resting;
    if (resting.length === 0) return;
    this.#asked = (this.#asked + 1) % resting.length;
    const entry = resting[this.#asked]!;
    if (entry.server.isEjected) return;
    const last = resting.pop()!;
    if (last !== entry) resting[this.#asked] = last;
    entry.load = this.#loadOf(entry.server);
    this.#insert(entry);
  }

  #insert(entry: Entry<Item>): void {
    this.#heap.push(entry);
    entry.index = this.#heap.length - 1;
    this.#rise(entry);
  }

  #rise(entry: Entry<Item>): void {
    let { index } = entry;
    while (index > 0) {
      const parent = this.#heap[(index - 1) >> 1]!;
      if (!isBefore(entry, parent)) break;
      this.#put(parent, index);
      index = (index - 1) >> 1;
    }
    this.#put(entry, index);
  }

  #sink(entry: Entry<Item>): void {
    const heap = this.#heap;
    let { index } = entry;
    for (let child = 2 * index + 1; child < heap.length; child = 2 * index + 1) {
      const other = heap[child + 1];
      if (other !== undefined && isBefore(other, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      this.#put(heap[child]!, index);
      index = child;
    }
    this.#put(entry, index);
  }

  #put(entry: Entry<Item>, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

function isBefore<Item>(a: Entry<Item>, b: Entry<Item>): boolean {
  if (a.load !== b.load) return a.load < b.load;
  if (a.due !== b.due) return a.due < b.due;
  return a.place < b.place;
}
