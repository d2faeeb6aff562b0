/**
 * Which thread a client's connection goes to: the one that has fewest, in turns where several do. A
 * thread counts from when it is ready until it dies. What nobody takes yet waits here, up to a bound.
 *
 * A connection that was given to a thread, and not taken when it died or stood still, is given to
 * another (`shared/handover.ts`). One that stands still gets none while others do not.
 */
import { nextNumber, nextUntaken, numbersBetween, takeBack } from "../shared/handover.ts";
import { run, type SharedWords } from "../shared/steps.ts";

/** Connections that wait for the first thread, or for one that takes the place of the dead. */
export const PENDING_MAX = 1_024;

export interface Connection {
  /** The address in force. */
  readonly listener: string;
  readonly descriptor: number;
}

export interface PlacementDeps {
  readonly words: SharedWords;
  /** Of each thread: connections that it has, and which it may take next. */
  readonly places: { readonly placed: number; readonly taken: number };
  readonly give: (thread: number, connection: Connection & { readonly number: number }) => void;
  /** There are too many of those that wait. */
  readonly refuse: (connection: Connection) => void;
}

/** What a thread was given, and is not known to have taken. */
interface Given {
  readonly connections: Connection[];
  /** The number of the first of them. */
  first: number;
  /** That of the next one. */
  end: number;
}

export class Placement {
  readonly #deps: PlacementDeps;
  /** Of each thread that is ready. */
  readonly #given = new Map<number, Given>();
  /** Those of them that stand still. */
  readonly #late = new Set<number>();
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
    const { words, places } = this.#deps;
    const first = run(words, nextUntaken(places, thread));
    this.#given.set(thread, { connections: [], first, end: first });
    const pending = this.#pending;
    this.#pending = [];
    for (const connection of pending) this.place(connection);
  }

  /** The thread is dead; what it had not taken goes to others. */
  remove(thread: number): void {
    const left = this.#takeBack(thread);
    this.#given.delete(thread);
    this.#late.delete(thread);
    for (const connection of left) this.place(connection);
  }

  /** Whether the thread stands still; what it has not taken goes to others then. */
  setLate(thread: number, isLate: boolean): void {
    if (!this.#given.has(thread) || this.#late.has(thread) === isLate) return;
    if (!isLate) return void this.#late.delete(thread);
    this.#late.add(thread);
    if (this.#late.size === this.#given.size) return;
    const { words, places } = this.#deps;
    const left = this.#takeBack(thread);
    Atomics.sub(words, places.placed + thread, left.length);
    for (const connection of left) this.place(connection);
  }

  /** Whether a thread has yet to take what it was given. */
  get hasUntaken(): boolean {
    for (const thread of this.#given.keys()) {
      this.#forgetTaken(thread);
      if (this.#given.get(thread)!.connections.length > 0) return true;
    }
    return false;
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
    const given = this.#given.get(thread)!;
    const number = given.end;
    given.connections.push(connection);
    given.end = nextNumber(number);
    Atomics.add(words, places.placed + thread, 1);
    give(thread, { ...connection, number });
  }

  /** They arrive, and are taken, in their order. */
  #forgetTaken(thread: number): void {
    const { words, places } = this.#deps;
    this.#forgetUntil(thread, run(words, nextUntaken(places, thread)));
  }

  #forgetUntil(thread: number, number: number): void {
    const given = this.#given.get(thread)!;
    given.connections.splice(0, numbersBetween(given.first, number));
    given.first = number;
  }

  #takeBack(thread: number): readonly Connection[] {
    const given = this.#given.get(thread);
    if (given === undefined) return [];
    const { words, places } = this.#deps;
    this.#forgetUntil(thread, run(words, takeBack(places, thread, given.end)));
    given.first = given.end;
    return given.connections.splice(0);
  }

  #leastBusy(): number | undefined {
    const { words, places: { placed } } = this.#deps;
    const areAllLate = this.#late.size === this.#given.size;
    const threads = [...this.#given.keys()]
      .filter((thread) => areAllLate || !this.#late.has(thread))
      .sort((a, b) => a - b);
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
