/**
 * What threads do with the memory that they share, one access at a time. An operation is a generator:
 * it yields each access and is handed what came of it. {@link run} does them by `Atomics`; a test
 * does the same ones over memory of its own, with those of other threads between any two of them.
 * So what was tried in every order is what runs.
 *
 * Every access is one word of 32 bits. A thread may die between any two of them.
 */

/** One access: what, which word, and its operands. */
export type Access =
  | { readonly kind: "load"; readonly at: number }
  | { readonly kind: "store"; readonly at: number; readonly value: number }
  | { readonly kind: "add"; readonly at: number; readonly value: number }
  | {
    readonly kind: "compareExchange";
    readonly at: number;
    readonly expected: number;
    readonly value: number;
  };

/** An operation; it is handed the value that the word had before each access. */
export type Steps<Result> = Generator<Access, Result, number>;

export function load(at: number): Access {
  return { kind: "load", at };
}

export function store(at: number, value: number): Access {
  return { kind: "store", at, value };
}

export function add(at: number, value: number): Access {
  return { kind: "add", at, value };
}

export function compareExchange(at: number, expected: number, value: number): Access {
  return { kind: "compareExchange", at, expected, value };
}

/** The words that threads share. */
export type SharedWords = Int32Array<SharedArrayBuffer>;

/** One access, done at once; the value that the word had before. */
export function access(words: Int32Array, step: Access): number {
  switch (step.kind) {
    case "load":
      return Atomics.load(words, step.at);
    case "store":
      return Atomics.exchange(words, step.at, step.value);
    case "add":
      return Atomics.add(words, step.at, step.value);
    case "compareExchange":
      return Atomics.compareExchange(words, step.at, step.expected, step.value);
  }
}

/** The whole operation, now. */
export function run<Result>(words: Int32Array, steps: Steps<Result>): Result {
  let next = steps.next();
  while (!next.done) next = steps.next(access(words, next.value));
  return next.value;
}
