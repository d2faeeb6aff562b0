/**
 * Reads header blocks (RFC 7541). One decoder has one connection's blocks in their order, all of
 * them, for each changes what the next one means: also those whose fields nobody wants.
 * What it makes of a block is bounded by who asks for the next field, and keeps none that are too many.
 */
import { fromLatin1 } from "../protocol/byte_buffer.ts";
import { TABLE_SIZE_DEFAULT } from "./constants.ts";
import { ConnectionError } from "./errors.ts";
import { HpackDynamicTable } from "./hpack_dynamic_table.ts";
import { HpackField } from "./hpack_field.ts";
import { STATIC_TABLE, STATIC_TABLE_LENGTH } from "./hpack_static_table.ts";
import { decodedLengthMax, huffmanDecode } from "./huffman.ts";

/** A larger number is none that we could have meant (section 5.1). */
const INTEGER_MAX = 2 ** 28;

/** Texts up to this length are decoded in memory that stays. */
const SCRATCH_LENGTH = 8192;

/** Sizes of the table that a block may begin with: the lowest, and the one that holds (section 4.2). */
const RESIZES_MAX = 2;

const scratch = new Uint8Array(SCRATCH_LENGTH);

export class HpackDecoder {
  readonly table: HpackDynamicTable;
  /** As the other end was told, and as far as it knows by now. */
  readonly #toldSizeMax: number;
  #sizeMax: number;
  /** It knows of a smaller table, so its next block begins with saying so (section 4.2). */
  #mustResize = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;
  #end = 0;
  #mayResize = true;
  #resizes = 0;

  /** @param tableSizeMax as the other end was told by SETTINGS_HEADER_TABLE_SIZE */
  constructor(tableSizeMax: number = TABLE_SIZE_DEFAULT) {
    this.#toldSizeMax = tableSizeMax;
    this.#sizeMax = Math.max(tableSizeMax, TABLE_SIZE_DEFAULT);
    this.table = new HpackDynamicTable(TABLE_SIZE_DEFAULT);
  }

  /** The other end has read our settings. */
  acknowledged(): void {
    this.#sizeMax = this.#toldSizeMax;
    this.#mustResize = this.table.sizeMax > this.#sizeMax;
  }

  /** Begins a block; {@link next} is to be called until it has no more, or what is left changes nothing. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#mayResize = true;
    this.#resizes = 0;
  }

  /** Where the next field begins. */
  get position(): number {
    return this.#position;
  }

  /**
   * The next field of the block.
   *
   * @throws {ConnectionError} for what is malformed: later blocks would mean nothing
   */
  next(): HpackField | undefined {
    for (;;) {
      if (this.#position >= this.#end) return undefined;
      const byte = this.#bytes[this.#position]!;
      if (byte >= 0x20 && byte < 0x40) {
        if (!this.#mayResize) throw compressionError("A table size update stands behind a field");
        this.#resize();
        continue;
      }
      this.#mayResize = false;
      if (this.#mustResize) throw compressionError("The smaller table is not acknowledged");
      if (byte >= 0x80) return this.#field(this.#integer(7));
      return byte >= 0x40 ? this.#indexed() : this.#literal(4);
    }
  }

  /** Section 6.3. */
  #resize(): void {
    if (++this.#resizes > RESIZES_MAX) throw compressionError("The table is resized too often");
    const size = this.#integer(5);
    if (size > this.#sizeMax) {
      throw compressionError(`A table of ${size} bytes, ${this.#sizeMax} are the most`);
    }
    this.#mustResize = false;
    this.table.resize(size);
  }

  /** Section 6.2.1. */
  #indexed(): HpackField {
    const field = this.#literal(6);
    this.table.add(field);
    return field;
  }

  #literal(prefix: number): HpackField {
    const index = this.#integer(prefix);
    const name = index === 0 ? this.#text() : this.#field(index).name;
    return new HpackField(name, this.#text());
  }

  /** Section 2.3.3. */
  #field(index: number): HpackField {
    const field = index <= STATIC_TABLE_LENGTH
      ? STATIC_TABLE[index]
      : this.table.at(index - STATIC_TABLE_LENGTH);
    if (field === undefined || index === 0) throw compressionError(`There is no index ${index}`);
    return field;
  }

  /** Section 5.1. */
  #integer(prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = this.#bytes[this.#position++]! & mask;
    if (value < mask) return value;
    for (let shift = 0;; shift += 7) {
      if (this.#position >= this.#end) throw compressionError("A number is cut short");
      const byte = this.#bytes[this.#position++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX || shift > 28) throw compressionError("A number is too large");
      if (byte < 0x80) return value;
    }
  }

  /** Section 5.2. */
  #text(): string {
    if (this.#position >= this.#end) throw compressionError("A text is cut short");
    const isHuffman = this.#bytes[this.#position]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#position;
    const end = start + length;
    if (end > this.#end) throw compressionError("A text is cut short");
    this.#position = end;
    return isHuffman ? huffmanText(this.#bytes, start, end) : plainText(this.#bytes, start, end);
  }
}

function plainText(bytes: Uint8Array, start: number, end: number): string {
  return fromLatin1(bytes.subarray(start, end));
}

function huffmanText(bytes: Uint8Array, start: number, end: number): string {
  const lengthMax = decodedLengthMax(end - start);
  const target = lengthMax <= SCRATCH_LENGTH ? scratch : new Uint8Array(lengthMax);
  const length = huffmanDecode(bytes, start, end, target);
  if (length < 0) throw compressionError("A text is no Huffman code");
  return fromLatin1(target.subarray(0, length));
}

function compressionError(message: string): ConnectionError {
  return new ConnectionError("COMPRESSION_ERROR", message);
}
