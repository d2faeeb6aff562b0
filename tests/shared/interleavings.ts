/**
 * Runs operations of several threads over one memory, an access of one after an access of another: in
 * every order there is, or in one that a seed decides.
 */
import { access, type Steps } from "../../src/shared/steps.ts";

export interface Program {
  readonly steps: Steps<unknown>;
  /** Not before this one has ended. */
  readonly after?: Program;
  /** Ends after so many accesses, in the middle of whatever it does. */
  readonly diesAfter?: number;
}

export interface Case {
  readonly words: Int32Array;
  readonly programs: readonly Program[];
  /** After each access; throws where something is wrong. */
  readonly check?: () => void;
  readonly atEnd?: () => void;
}

interface Choice {
  readonly chosen: number;
  readonly possible: readonly number[];
}

/** How many orders there were. */
export function everyInterleaving(make: () => Case): number {
  let prefix: readonly number[] = [];
  for (let count = 1;; count++) {
    const trace = play(make(), prefix);
    let last = trace.length - 1;
    while (last >= 0 && trace[last]!.chosen === trace[last]!.possible.at(-1)) last--;
    if (last < 0) return count;
    const { chosen, possible } = trace[last]!;
    const next = possible[possible.indexOf(chosen) + 1]!;
    prefix = [...trace.slice(0, last).map((choice) => choice.chosen), next];
  }
}

function play({ words, programs, check, atEnd }: Case, prefix: readonly number[]): Choice[] {
  const running = programs.map((program) => new Running(program, words));
  const before = programs.map(({ after }) => after && running[programs.indexOf(after)]!);
  const trace: Choice[] = [];
  for (;;) {
    const possible: number[] = [];
    for (let index = 0; index < running.length; index++) {
      if (!running[index]!.isDone && before[index]?.isDone !== false) possible.push(index);
    }
    if (possible.length === 0) break;
    const chosen = prefix[trace.length] ?? possible[0]!;
    trace.push({ chosen, possible });
    running[chosen]!.step();
    check?.();
  }
  atEnd?.();
  return trace;
}

class Running {
  readonly #program: Program;
  readonly #words: Int32Array;
  #value = 0;
  #left: number;
  #next: IteratorResult<Parameters<typeof access>[1], unknown> | undefined;
  isDone = false;

  constructor(program: Program, words: Int32Array) {
    this.#program = program;
    this.#words = words;
    this.#left = program.diesAfter ?? Infinity;
    this.#advance();
  }

  step(): void {
    if (this.#next === undefined || this.#next.done) return;
    this.#value = access(this.#words, this.#next.value);
    this.#left--;
    this.#advance();
  }

  /** Up to the next access: what a thread does alone is seen by nobody. */
  #advance(): void {
    if (this.#left === 0) this.isDone = true;
    else {
      this.#next = this.#program.steps.next(this.#value);
      this.isDone = this.#next.done === true;
    }
  }
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
