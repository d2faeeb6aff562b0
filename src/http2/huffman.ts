/**
 * The Huffman code of RFC 7541 (section 5.2 and appendix B). The code is a canonical one: of two
 * symbols the one with the shorter code, and among equals the lower one, has the lower code. So
 * the lengths alone say all of it, and the tables are made of them.
 */

/** Bits of each symbol's code; the last one is EOS. */
// deno-fmt-ignore
const CODE_LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const EOS = 256;
const CODES = canonicalCodes();

/**
 * Nodes of the tree that is walked a byte at a time, 256 entries each: a leaf is the symbol with its
 * length above it, an inner entry the next node's number, below zero, and 0 is no code.
 */
const LEAF_LENGTH_SHIFT = 9;
const SYMBOL_MASK = 0x1ff;
const TREE = decodingTree();

/** Padding is the beginning of EOS, shorter than a byte. */
const PADDING_LENGTH_MAX = 7;

/** Bytes of a text once it is encoded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let index = 0; index < text.length; index++) bits += CODE_LENGTHS[text.charCodeAt(index)]!;
  return (bits + 7) >>> 3;
}

/** Writes a text, a character for each byte, at `offset`; there is room for `huffmanLength`. */
export function huffmanEncode(text: string, target: Uint8Array, offset: number): void {
  let at = offset;
  /** At most 7 bits are left over from before. */
  let bits = 0;
  let held = 0;
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index);
    const code = CODES[symbol]!;
    for (let left = CODE_LENGTHS[symbol]!; left > 0;) {
      const count = Math.min(left, 8 - held);
      left -= count;
      bits = (bits << count) | ((code >>> left) & ((1 << count) - 1));
      held += count;
      if (held < 8) continue;
      target[at++] = bits;
      bits = 0;
      held = 0;
    }
  }
  if (held > 0) target[at] = (bits << (8 - held)) | (0xff >>> held);
}

/**
 * Reads a text into `target`, which has room for every symbol that so many bytes can hold (8 bits of
 * 5 each); the symbols, or -1 where it is malformed.
 */
export function huffmanDecode(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): number {
  let count = 0;
  let node = 0;
  let bits = 0;
  /** Bits held, and those among them since the last symbol. */
  let held = 0;
  let open = 0;
  for (let at = start; at < end; at++) {
    bits = ((bits << 8) | bytes[at]!) & 0xffff;
    held += 8;
    open += 8;
    while (held >= 8) {
      const entry = TREE[(node << 8) | ((bits >>> (held - 8)) & 0xff)]!;
      if (entry === 0) return -1;
      if (entry < 0) {
        node = -entry;
        held -= 8;
        continue;
      }
      if ((entry & SYMBOL_MASK) === EOS) return -1;
      target[count++] = entry;
      held -= entry >>> LEAF_LENGTH_SHIFT;
      open = held;
      node = 0;
    }
  }
  while (held > 0) {
    const entry = TREE[(node << 8) | ((bits << (8 - held)) & 0xff)]!;
    if (entry <= 0 || entry >>> LEAF_LENGTH_SHIFT > held) break;
    if ((entry & SYMBOL_MASK) === EOS) return -1;
    target[count++] = entry;
    held -= entry >>> LEAF_LENGTH_SHIFT;
    open = held;
    node = 0;
  }
  const mask = (1 << held) - 1;
  return open > PADDING_LENGTH_MAX || (bits & mask) !== mask ? -1 : count;
}

/** Most symbols that so many bytes can hold. */
export function decodedLengthMax(length: number): number {
  return Math.floor((length * 8) / 5);
}

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(CODE_LENGTHS.length);
  const symbols = CODE_LENGTHS.map((_, symbol) => symbol).sort((a, b) =>
    CODE_LENGTHS[a]! - CODE_LENGTHS[b]! || a - b
  );
  let code = 0;
  let length = 0;
  for (const symbol of symbols) {
    code *= 2 ** (CODE_LENGTHS[symbol]! - length);
    length = CODE_LENGTHS[symbol]!;
    codes[symbol] = code++;
  }
  return codes;
}

function decodingTree(): Int32Array {
  const nodes: number[][] = [new Array<number>(256).fill(0)];
  CODE_LENGTHS.forEach((codeLength, symbol) => {
    let node = 0;
    let left = codeLength;
    for (; left > 8; left -= 8) {
      const byte = (CODES[symbol]! >>> (left - 8)) & 0xff;
      if (nodes[node]![byte] === 0) {
        nodes[node]![byte] = -nodes.length;
        nodes.push(new Array<number>(256).fill(0));
      }
      node = -nodes[node]![byte]!;
    }
    const first = (CODES[symbol]! << (8 - left)) & 0xff;
    const entry = (left << LEAF_LENGTH_SHIFT) | symbol;
    nodes[node]!.fill(entry, first, first + (1 << (8 - left)));
  });
  return Int32Array.from(nodes.flat());
}
