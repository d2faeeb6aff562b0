/**
 * HalfSipHash-2-4 with 64 bits of result: a hash whose collisions nobody can make who does not know
 * its key (Aumasson and Bernstein, and their reference implementation of it). Texts are hashed by
 * their UTF-16 code units, a byte each way.
 */

export interface HashKey {
  readonly low: number;
  readonly high: number;
}

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count));
}

export function halfSipHash(text: string, key: HashKey): readonly [number, number] {
  let v0 = key.low;
  let v1 = key.high ^ 0xee;
  let v2 = 0x6c796765 ^ key.low;
  let v3 = 0x74656462 ^ key.high;
  function rounds(count: number): void {
    for (let round = 0; round < count; round++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
  }
  function take(word: number): void {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  const evenLength = text.length & ~1;
  for (let index = 0; index < evenLength; index += 2) {
    take(text.charCodeAt(index) | (text.charCodeAt(index + 1) << 16));
  }
  const last = text.length > evenLength ? text.charCodeAt(evenLength) : 0;
  take(last | ((text.length * 2) << 24));
  v2 ^= 0xee;
  rounds(4);
  const low = (v1 ^ v3) >>> 0;
  v1 ^= 0xdd;
  rounds(4);
  return [low, (v1 ^ v3) >>> 0];
}
