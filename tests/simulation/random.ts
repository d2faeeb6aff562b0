/**
 * A small random generator (mulberry32): the same seed gives the same run on every machine and
 * runtime. Not for secrets.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds begin far apart.
    this.#state = Math.imul(seed + 1, 0x9e37_79b1) >>> 0;
  }

  /** From 0 to 1, without 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)]!;
  }

  /** One of the keys, each as likely as its weight says. */
  weighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    const entries = Object.entries(weights) as [Key, number][];
    let rest = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      rest -= weight;
      if (rest < 0) return key;
    }
    return entries[0]![0];
  }
}

/** Byte `index` of the body with this key: no two keys give the same run. */
export function patternByte(key: number, index: number): number {
  return (key * 73 + index * 31 + (index >>> 7) * 11) & 0xff;
}

export function pattern(key: number, start: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => patternByte(key, start + index));
}

/** The first place where bytes are not those of the pattern; undefined when all are. */
export function patternFault(key: number, start: number, bytes: Uint8Array): number | undefined {
  const at = bytes.findIndex((byte, index) => byte !== patternByte(key, start + index));
  return at === -1 ? undefined : start + at;
}
