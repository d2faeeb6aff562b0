/**
 * What a time limit is to its tests: something under way that it ends, on a clock that stands still.
 * The same questions are put to every one (time_limits.test.ts): does it fire, not before its time,
 * moved by what should move it and by nothing else, while it is paused, with its neighbours away.
 */

export interface TimeLimit {
  /** The key in the configuration, or "internal: " and what it limits. */
  readonly key: string;
  /** Which of several situations that the key limits. */
  readonly when: string;
  readonly limitMs: number;
  /** How late it may be noticed. */
  readonly lateMs: number;
  /** Other limits of the same thing; each is taken away in a test of its own. */
  readonly neighbours: readonly string[];
  /** Acts after which the whole time begins anew. */
  readonly movedBy: readonly string[];
  /** Acts that change nothing of it. */
  readonly notMovedBy: readonly string[];
  /** A state in which it waits, or goes on all the same. */
  readonly paused?: { readonly by: string; readonly waits: boolean };
  /** Puts it under way; `off` is the neighbour that is taken away. */
  begin(off?: string): Promise<Running>;
}

export interface Running {
  advance(durationMs: number): Promise<void>;
  /** Whether the limit has ended what it limits, as it should: undefined, not yet. */
  fired(): Promise<string | undefined> | string | undefined;
  /** How it should have ended. */
  readonly firesAs: string;
  readonly acts: Readonly<Record<string, () => unknown>>;
  end(): Promise<void>;
}

/** What became of a promise so far. */
export function outcomeOf(
  promise: Promise<unknown>,
  told: (error: unknown) => string,
): () => string | undefined {
  let outcome: string | undefined;
  promise.then(() => outcome = "done", (error) => outcome = told(error));
  return () => outcome;
}
