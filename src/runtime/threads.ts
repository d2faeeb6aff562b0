/**
 * Threads of our own process, which run the program's second entry (`src/thread.ts`). They share
 * nothing but what is handed over as shared memory, and descriptors, which are good in each of them.
 */

/** A thread, seen by who has started it. */
export interface Thread {
  /** A copy of the message arrives; shared memory arrives as itself. */
  send(message: object): void;
  /** Ends it at once, whatever it does; what it had open is closed. */
  end(): void;
}

export interface ThreadEvents {
  received(message: unknown): void;
  /** It is no more, because of what it did itself; called once, and nothing after it. */
  died(reason: string): void;
}

export interface Threads {
  start(events: ThreadEvents): Thread;
}

/** Whoever has started this thread, seen from within it. */
export interface ThreadParent {
  send(message: object): void;
  /** Called once: from then on messages arrive, those from before first. */
  listen(received: (message: unknown) => void): void;
}
