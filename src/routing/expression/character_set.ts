/**
 * A set of characters, as a class of an expression names them: sorted ranges of UTF-16 units that
 * do not touch. ASCII, which is nearly all of a path, is found by one look into a table.
 */

/** From and to, both in the set. */
export type CharacterRange = readonly [from: number, to: number];

const ASCII = 128;
export const UNIT_MAX = 0xffff;

export class CharacterSet {
  readonly ranges: readonly CharacterRange[];
  readonly #ascii = new Uint8Array(ASCII);

  constructor(ranges: readonly CharacterRange[]) {
    this.ranges = joined(ranges);
    for (const [from, to] of this.ranges) {
      if (from < ASCII) this.#ascii.fill(1, from, Math.min(to + 1, ASCII));
    }
  }

  has(unit: number): boolean {
    if (unit < ASCII) return this.#ascii[unit] === 1;
    return this.ranges.some(([from, to]) => from <= unit && unit <= to);
  }

  /** The only one in it; undefined where there are more, or none. */
  get single(): number | undefined {
    const [first, second] = this.ranges;
    return first !== undefined && second === undefined && first[0] === first[1]
      ? first[0]
      : undefined;
  }

  meets(other: CharacterSet): boolean {
    return this.ranges.some(([from, to]) =>
      other.ranges.some(([low, high]) => from <= high && low <= to)
    );
  }

  inverted(): CharacterSet {
    const ranges: CharacterRange[] = [];
    let next = 0;
    for (const [from, to] of this.ranges) {
      if (from > next) ranges.push([next, from - 1]);
      next = to + 1;
    }
    if (next <= UNIT_MAX) ranges.push([next, UNIT_MAX]);
    return new CharacterSet(ranges);
  }

  /** With each ASCII letter in the other case, too. */
  inAnyCase(): CharacterSet {
    return new CharacterSet([
      ...this.ranges,
      ...this.ranges.flatMap((range) => [
        ...moved(range, 0x41, 0x5a, 0x20),
        ...moved(range, 0x61, 0x7a, -0x20),
      ]),
    ]);
  }
}

function moved([from, to]: CharacterRange, low: number, high: number, by: number) {
  const first = Math.max(from, low);
  const last = Math.min(to, high);
  return first <= last ? [[first + by, last + by] as const] : [];
}

function joined(ranges: readonly CharacterRange[]): CharacterRange[] {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const kept: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = kept.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else kept.push([from, to]);
  }
  return kept;
}

export const DIGITS = new CharacterSet([[0x30, 0x39]]);
export const WORD = new CharacterSet([[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]);
export const SPACES = new CharacterSet([[0x09, 0x0d], [0x20, 0x20]]);
export const ANY = new CharacterSet([[0, UNIT_MAX]]);

/** POSIX' names of classes, as in `[[:alpha:]]`. */
export const NAMED_SETS: ReadonlyMap<string, CharacterSet> = new Map([
  ["alnum", new CharacterSet([[0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a]])],
  ["alpha", new CharacterSet([[0x41, 0x5a], [0x61, 0x7a]])],
  ["digit", DIGITS],
  ["lower", new CharacterSet([[0x61, 0x7a]])],
  ["punct", new CharacterSet([[0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e]])],
  ["space", SPACES],
  ["upper", new CharacterSet([[0x41, 0x5a]])],
  ["word", WORD],
  ["xdigit", new CharacterSet([[0x30, 0x39], [0x41, 0x46], [0x61, 0x66]])],
]);
