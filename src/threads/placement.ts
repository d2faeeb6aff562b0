/**
 * Which thread a client's connection goes to: the one that has fewest, in turns where several do. A
 * thread counts from when it is ready until it dies. What nobody takes yet waits here, up to a bound.
 *
 * A connection that was given to a thread and not taken when it died is given to another.
 */
import type { SharedWords } from "../shared/steps.ts";

/** Connections that wait for the first thread, or for one that takes the place of the dead. */
export const PENDING_MAX = 1_024;

export interface Connection {
  /** The address in force. */
  readonly listener: string;
  readonly descriptor: number;
}

export interface PlacementDeps {
  readonly words: SharedWords;
  /** Of each thread: connections that it has, and those that it has ever taken. */
  readonly places: { readonly placed: number; readonly taken: number };
  readonly give: (thread: number, connection: Connection) => void;
  /** There are too many of those that wait. */
  readonly refuse: (connection: Connection) => void;
}

export class Placement {
  readonly #deps: PlacementDeps;
  /** Of each thread that is ready: what it was given, and has not said that it took. */
  readonly #given = new Map<number, Connection[]>();
  /** Of what it was given: how many it has taken. */
  readonly #takenBefore = new Map<number, number>();
  #pending: Connection[] = [];
  #last = -1;

  constructor(deps: PlacementDeps) {
    this.#deps = deps;
  }

  place(connection: Connection): void {
    const thread = this.#leastBusy();
    if (thread !== undefined) this.#give(thread, connection);
    else if (this.#pending.length < PENDING_MAX) this.#pending.push(connection);
    else this.#deps.refuse(connection);
  }

  /** The thread takes connections from now on. */
  add(thread: number): void {
    this.#given.set(thread, []);
    this.#takenBefore.set(thread, 0);
    const pending = this.#pending;
    this.#pending = [];
    for (const connection of pending) this.place(connection);
  }

  /** The thread is dead; what it had not taken goes to others. */
  remove(thread: number): void {
    this.#forgetTaken(thread);
    const left = this.#given.get(thread) ?? [];
    this.#given.delete(thread);
    this.#takenBefore.delete(thread);
    for (const connection of left) this.place(connection);
  }

  /** Nothing that waits is served any more. */
  close(): void {
    for (const connection of this.#pending) this.#deps.refuse(connection);
    this.#pending = [];
  }

  #give(thread: number, connection: Connection): void {
    const { words, places, give } = this.#deps;
    this.#last = thread;
    this.#forgetTaken(thread);
    this.#given.get(thread)!.push(connection);
    Atomics.add(words, places.placed + thread, 1);
    give(thread, connection);
  }

  /** They arrive, and are taken, in their order. */
  #forgetTaken(thread: number): void {
    const { words, places } = this.#deps;
    const taken = Atomics.load(words, places.taken + thread);
    const before = this.#takenBefore.get(thread) ?? 0;
    this.#given.get(thread)?.splice(0, taken - before);
    this.#takenBefore.set(thread, taken);
  }

  #leastBusy(): number | undefined {
    const { words, places: { placed } } = this.#deps;
    const threads = [...this.#given.keys()].sort((a, b) => a - b);
    // From the one behind the last on, so that those that are equally busy have turns.
    const next = threads.findIndex((thread) => thread > this.#last);
    const turns = next < 0 ? threads : [...threads.slice(next), ...threads.slice(0, next)];
    let best: number | undefined;
    let least = Infinity;
    for (const thread of turns) {
      const count = Atomics.load(words, placed + thread);
      if (count >= least) continue;
      best = thread;
      least = count;
    }
    return best;
  }
}
