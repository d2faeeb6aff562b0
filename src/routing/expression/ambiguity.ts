/**
 * Finds repetitions that a text can go through in more ways than one, as `(a+)+` and `(a|aa)*` can:
 * each further character doubles the ways. Our matcher is linear all the same; but such an
 * expression says less than it seems to, takes another program that reads it down, and is refused.
 *
 * A repetition is drawn as a graph: a position for each character that is written, and an edge where
 * one may follow another (Glushkov). It is ambiguous if an edge is there twice, or if two ways that
 * read the same leave a position and meet again.
 */
import type { CharacterSet } from "./character_set.ts";
import type { Node, RepeatNode } from "./syntax.ts";

/** Most positions of a repetition that is looked through. */
const POSITIONS_MAX = 400;
/** A body that is repeated this often counts as repeated without end. */
const MANY = 10;
/** Most positions to which a counted repetition is written out. */
const WRITTEN_OUT_MAX = 64;

/** What is wrong with the first ambiguous repetition; undefined where there is none. */
export function findAmbiguity(node: Node): string | undefined {
  switch (node.kind) {
    case "set":
    case "assertion":
      return undefined;
    case "sequence":
      return firstOf(node.parts);
    case "choice":
      return firstOf(node.options);
    case "group":
    case "look":
      return findAmbiguity(node.body);
    case "repeat":
      return findAmbiguity(node.body) ?? ambiguityOf(node);
  }
}

function firstOf(nodes: readonly Node[]): string | undefined {
  for (const node of nodes) {
    const found = findAmbiguity(node);
    if (found !== undefined) return found;
  }
  return undefined;
}

function ambiguityOf({ body, max, text }: RepeatNode): string | undefined {
  if (max === 1) return undefined;
  if (isNullable(body)) {
    return `The expression repeats with "${text}" what can be empty (let it be one character or more)`;
  }
  if (max < MANY) return undefined;
  const graph = new Graph();
  const { first, last } = graph.draw(body);
  graph.connect(last, first);
  return graph.isAmbiguous
    ? `The expression can go through "${text}" in many ways (repeat once, and let no choice begin as another)`
    : undefined;
}

function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "sequence":
      return node.parts.every(isNullable);
    case "choice":
      return node.options.some(isNullable);
    case "group":
      return isNullable(node.body);
    case "repeat":
      return node.min === 0 || isNullable(node.body);
    case "assertion":
    case "look":
      return true;
  }
}

interface Drawn {
  readonly isNullable: boolean;
  readonly first: readonly number[];
  readonly last: readonly number[];
}

const EMPTY: Drawn = { isNullable: true, first: [], last: [] };

class Graph {
  readonly #sets: CharacterSet[] = [];
  readonly #edges: Set<number>[] = [];
  #hasTwin = false;

  draw(node: Node): Drawn {
    switch (node.kind) {
      case "set": {
        if (this.#sets.length > POSITIONS_MAX) return EMPTY;
        const position = this.#sets.push(node.set) - 1;
        this.#edges.push(new Set());
        return { isNullable: false, first: [position], last: [position] };
      }
      case "sequence":
        return this.#chain(node.parts.map((part) => () => this.draw(part)));
      case "choice": {
        const drawn = node.options.map((option) => this.draw(option));
        return {
          isNullable: drawn.some((option) => option.isNullable),
          first: drawn.flatMap(({ first }) => first),
          last: drawn.flatMap(({ last }) => last),
        };
      }
      case "group":
        return this.draw(node.body);
      case "repeat":
        return this.#drawRepeat(node);
      case "assertion":
      case "look":
        return EMPTY;
    }
  }

  #drawRepeat({ body, min, max }: RepeatNode): Drawn {
    const before = this.#sets.length;
    const once = this.draw(body);
    const size = this.#sets.length - before;
    const one = min === 0 ? { ...once, isNullable: true } : once;
    if (max === 1) return one;
    if (max === Infinity || size * max > WRITTEN_OUT_MAX) {
      this.connect(once.last, once.first);
      return one;
    }
    // Each one comes behind the one before it alone: `a{1,3}` is `a(?:a(?:a)?)?`.
    let { last } = once;
    let ends = last;
    for (let count = 2; count <= max; count++) {
      const next = this.draw(body);
      this.connect(last, next.first);
      ends = count > min ? [...ends, ...next.last] : next.last;
      last = next.last;
    }
    return { ...one, last: ends };
  }

  #chain(parts: readonly (() => Drawn)[]): Drawn {
    let whole = EMPTY;
    for (const draw of parts) {
      const part = draw();
      this.connect(whole.last, part.first);
      whole = {
        isNullable: whole.isNullable && part.isNullable,
        first: whole.isNullable ? [...whole.first, ...part.first] : whole.first,
        last: part.isNullable ? [...whole.last, ...part.last] : part.last,
      };
    }
    return whole;
  }

  connect(from: readonly number[], to: readonly number[]): void {
    for (const position of from) {
      for (const target of to) {
        if (this.#edges[position]!.has(target)) this.#hasTwin = true;
        this.#edges[position]!.add(target);
      }
    }
  }

  /** All positions are within one loop, so a pair that has parted may only meet again. */
  get isAmbiguous(): boolean {
    if (this.#sets.length > POSITIONS_MAX) return false;
    if (this.#hasTwin) return true;
    const count = this.#sets.length;
    const pairs = Array.from({ length: count }, (_, position) => position * count + position);
    const reached = new Set(pairs);
    const into = new Map<number, number[]>();
    while (pairs.length > 0) {
      const pair = pairs.pop()!;
      for (const next of this.#nextPairs(pair)) {
        const before = into.get(next);
        if (before === undefined) into.set(next, [pair]);
        else before.push(pair);
        if (reached.has(next)) continue;
        reached.add(next);
        pairs.push(next);
      }
    }
    const isParted = (pair: number): boolean => Math.floor(pair / count) !== pair % count;
    const meeting = [...reached].filter((pair) => !isParted(pair));
    const seen = new Set(meeting);
    while (meeting.length > 0) {
      for (const before of into.get(meeting.pop()!) ?? []) {
        if (isParted(before)) return true;
        if (seen.has(before)) continue;
        seen.add(before);
        meeting.push(before);
      }
    }
    return false;
  }

  *#nextPairs(pair: number): Iterable<number> {
    const count = this.#sets.length;
    for (const left of this.#edges[Math.floor(pair / count)]!) {
      for (const right of this.#edges[pair % count]!) {
        if (this.#sets[left]!.meets(this.#sets[right]!)) yield left * count + right;
      }
    }
  }
}
