/**
 * An expression's tree → steps, which `matcher.ts` goes through. Counted repetitions are written
 * out, so a step knows nothing but its place. Where two ways lead to a step (the loop of a loop,
 * the end of a choice) it is a meeting: that it failed at a place is remembered there, which is
 * what keeps matching linear.
 */
import type { CharacterSet } from "./character_set.ts";
import { reversed } from "./reversed.ts";
import { type Assertion, ExpressionError, type Node, type RepeatNode } from "./syntax.ts";

/** Most steps of an expression: time for a path is its length times the steps at most. */
export const EXPRESSION_STEPS_MAX = 4096;

export const Op = {
  match: 0,
  /** Operand: the unit. */
  unit: 1,
  /** Operand: which set. */
  set: 2,
  /** Operands: the way that is tried first, and the other. */
  split: 3,
  jump: 4,
  /** Operand: which border of which group. */
  save: 5,
  /** Operands: which one, and whether it has to fail. */
  look: 6,
  start: 7,
  end: 8,
  word: 9,
  inside: 10,
  /** Operand: which set; as many of it as there are, and less if need be. */
  run: 11,
} as const;

export type Op = (typeof Op)[keyof typeof Op];

export interface Program {
  readonly ops: Uint8Array;
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly sets: readonly CharacterSet[];
  readonly looks: readonly Look[];
  /** Of each step the number of its meeting; -1 where only one way leads to it. */
  readonly meetings: Int32Array;
  readonly meetingCount: number;
  /** Every step behind those to which it leads without reading a character. */
  readonly backwards: Int32Array;
}

export interface Look {
  /** Of what looks behind the reversed one, which goes through the text from its end. */
  readonly program: Program;
  readonly isBehind: boolean;
}

/** @throws {ExpressionError} where it would be too long */
export function compileProgram(body: Node, saves: boolean): Program {
  const writer = new Writer(saves);
  writer.write(body);
  writer.emit(Op.match);
  return writer.finish();
}

const ASSERTION_OPS: Readonly<Record<Assertion, Op>> = {
  start: Op.start,
  end: Op.end,
  word: Op.word,
  inside: Op.inside,
};

class Writer {
  readonly #saves: boolean;
  readonly #ops: Op[] = [];
  readonly #first: number[] = [];
  readonly #second: number[] = [];
  readonly #sets: CharacterSet[] = [];
  readonly #looks: Look[] = [];

  constructor(saves: boolean) {
    this.#saves = saves;
  }

  emit(op: Op, first = 0, second = 0): number {
    if (this.#ops.length >= EXPRESSION_STEPS_MAX) {
      throw new ExpressionError(
        `The expression has more than ${EXPRESSION_STEPS_MAX} steps (count less far)`,
      );
    }
    this.#first.push(first);
    this.#second.push(second);
    return this.#ops.push(op) - 1;
  }

  write(node: Node): void {
    switch (node.kind) {
      case "set": {
        const { single } = node.set;
        if (single !== undefined) this.emit(Op.unit, single);
        else this.emit(Op.set, this.#sets.push(node.set) - 1);
        return;
      }
      case "sequence":
        return node.parts.forEach((part) => this.write(part));
      case "choice":
        return this.#writeChoice(node.options);
      case "repeat":
        return this.#writeRepeat(node);
      case "group": {
        if (!this.#saves) return this.write(node.body);
        this.emit(Op.save, 2 * node.index);
        this.write(node.body);
        this.emit(Op.save, 2 * node.index + 1);
        return;
      }
      case "assertion":
        this.emit(ASSERTION_OPS[node.what]);
        return;
      case "look": {
        const { isBehind, isNegative, body } = node;
        const program = compileProgram(isBehind ? reversed(body) : body, false);
        this.emit(Op.look, this.#looks.push({ program, isBehind }) - 1, isNegative ? 1 : 0);
      }
    }
  }

  #writeChoice(options: readonly Node[]): void {
    const ends: number[] = [];
    options.forEach((option, index) => {
      const isLast = index === options.length - 1;
      const split = isLast ? -1 : this.emit(Op.split);
      if (!isLast) this.#first[split] = this.#ops.length;
      this.write(option);
      if (isLast) return;
      ends.push(this.emit(Op.jump));
      this.#second[split] = this.#ops.length;
    });
    for (const end of ends) this.#first[end] = this.#ops.length;
  }

  #writeRepeat({ body, min, max, isLazy }: RepeatNode): void {
    for (let count = 0; count < min; count++) this.write(body);
    if (max === Infinity && body.kind === "set" && !isLazy) {
      this.emit(Op.run, this.#sets.push(body.set) - 1);
      return;
    }
    if (max === Infinity) {
      const loop = this.emit(Op.split);
      this.write(body);
      this.emit(Op.jump, loop);
      this.#choose(loop, loop + 1, this.#ops.length, isLazy);
      return;
    }
    const splits: number[] = [];
    for (let count = min; count < max; count++) {
      splits.push(this.emit(Op.split));
      this.write(body);
    }
    for (const split of splits) this.#choose(split, split + 1, this.#ops.length, isLazy);
  }

  #choose(split: number, onwards: number, out: number, isLazy: boolean): void {
    this.#first[split] = isLazy ? out : onwards;
    this.#second[split] = isLazy ? onwards : out;
  }

  finish(): Program {
    const ops = Uint8Array.from(this.#ops);
    const first = Int32Array.from(this.#first);
    const second = Int32Array.from(this.#second);
    const { meetings, meetingCount } = meetingsOf(ops, first, second);
    return {
      ops,
      first,
      second,
      sets: this.#sets,
      looks: this.#looks,
      meetings,
      meetingCount,
      backwards: backwardOrder(ops, first, second),
    };
  }
}

function meetingsOf(ops: Uint8Array, first: Int32Array, second: Int32Array) {
  const ways = new Int32Array(ops.length + 1);
  // Every place of the text may be the first.
  ways[0] = 1;
  ops.forEach((op, step) => {
    if (op === Op.match) return;
    if (op === Op.jump || op === Op.split) ways[first[step]!]!++;
    else ways[step + 1]!++;
    if (op === Op.split) ways[second[step]!]!++;
  });
  const meetings = new Int32Array(ops.length).fill(-1);
  let meetingCount = 0;
  for (let step = 0; step < ops.length; step++) {
    if (ways[step]! > 1 || ops[step] === Op.run) meetings[step] = meetingCount++;
  }
  return { meetings, meetingCount };
}

/** There is no loop without a character in it (`ambiguity.ts` sees to that), so there is an order. */
function backwardOrder(ops: Uint8Array, first: Int32Array, second: Int32Array): Int32Array {
  const order: number[] = [];
  const seen = new Uint8Array(ops.length);
  for (let start = 0; start < ops.length; start++) {
    const stack = [start];
    while (stack.length > 0) {
      const step = stack.at(-1)!;
      const isNew = seen[step] === 0;
      seen[step] ||= 1;
      const next = isNew ? silentSteps(ops[step] as Op, step, first, second) : [];
      const ahead = next.filter((target) => seen[target] === 0);
      if (ahead.length > 0) stack.push(...ahead);
      else {
        stack.pop();
        if (seen[step] === 1) order.push(step);
        seen[step] = 2;
      }
    }
  }
  return Int32Array.from(order);
}

/** The steps that follow without a character. */
function silentSteps(op: Op, step: number, first: Int32Array, second: Int32Array): number[] {
  if (op === Op.match || op === Op.unit || op === Op.set) return [];
  if (op === Op.jump) return [first[step]!];
  return op === Op.split ? [first[step]!, second[step]!] : [step + 1];
}
