/** Which transitions of a table are taken, found out without a word in the code that takes them. */
import type { Transitions } from "../../src/protocol/transitions.ts";

type Table = Record<string, Record<string, string | undefined>>;

export interface WatchedTransitions {
  /** How often each was taken, by `state event`; those that never were are there with 0. */
  readonly taken: ReadonlyMap<string, number>;
  /** Those that were never taken. */
  missing(): string[];
  /** Gives the table back as it was. */
  restore(): void;
}

/** Puts a getter that counts in the place of each transition of a table, until `restore`. */
export function watchTransitions<State extends string, Event extends string>(
  transitions: Transitions<State, Event>,
): WatchedTransitions {
  const table = transitions as Table;
  const taken = new Map<string, number>();
  const undo: (() => void)[] = [];
  for (const [state, row] of Object.entries(table)) {
    for (const [event, value] of Object.entries(row)) {
      const name = `${state} ${event}`;
      taken.set(name, 0);
      const get = (): string | undefined => {
        taken.set(name, taken.get(name)! + 1);
        return value;
      };
      Object.defineProperty(row, event, { configurable: true, enumerable: true, get });
      undo.push(() =>
        Object.defineProperty(row, event, {
          configurable: true,
          enumerable: true,
          writable: true,
          value,
        })
      );
    }
  }
  return {
    taken,
    missing: () => [...taken].filter(([, count]) => count === 0).map(([name]) => name),
    restore: () => undo.forEach((step) => step()),
  };
}

/** Takes one transition out of a table while `run` runs, as if it had been forgotten. */
export async function withoutTransition<State extends string, Event extends string>(
  transitions: Transitions<State, Event>,
  state: State,
  event: Event,
  run: () => Promise<void>,
): Promise<void> {
  const row = transitions[state] as Record<string, string | undefined>;
  const value = row[event];
  delete row[event];
  try {
    await run();
  } finally {
    row[event] = value;
  }
}
