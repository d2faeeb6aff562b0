/**
 * What an application has sent and the client has not taken yet, of one request, in order:
 *
 *     push ──► memory ──► (over memoryMax) temporary file ──► take
 *
 * The application is read as fast as it sends, so its worker is free early, while memory stays
 * bounded. Bytes beyond `memoryMax` go to a file; when the file is over `spillMax`, or it is so slow
 * that too many are on their way to it, `isFull` says so and the owner stops reading the connection.
 * It is asked to go on (`onRoom`) as soon as there is room for a good piece: others wait for the
 * connection too.
 *
 * It does not know what the bytes mean, nor when an answer is complete.
 */
import type { Files, TemporaryFile } from "../runtime/runtime.ts";

/** Most bytes that {@link ResponseBuffer.take} joins into one piece. */
const PIECE_LENGTH_MAX = 128 * 1024;

/**
 * How many times `memoryMax` may be on its way to the file before the connection has to wait for it.
 * One read of a socket brings up to 512 KiB, twice the default of `memoryMax`: with less room than
 * for two reads, a file that is fast enough would hold up everybody on the connection all the same.
 */
export const WRITE_BEHIND_RATIO = 4;

/** Pieces that are as long as this on the average are written without being joined before. */
const LONG_PIECE_LENGTH = 8 * 1024;

/**
 * How many times its own length a piece may keep alive of the memory that was read with it: for as
 * long as its client likes, and for the moment until it is in the file.
 */
const PINNED_RATIO_MAX = { memory: 2, writing: 8 } as const;

const NOTHING = new Uint8Array(0);

export interface ResponseBufferOptions {
  readonly memoryMax: number;
  readonly spillMax: number;
  readonly files: Files;
  /** Called when a full buffer has room again. */
  readonly onRoom: () => void;
  /** Bytes that went to (positive) or left (negative) temporary files, for the metric. */
  readonly onSpill: (bytes: number) => void;
  /** The temporary file cannot be written or read: bytes are lost. */
  readonly onFailed: (cause: unknown) => void;
}

export class ResponseBuffer {
  readonly #options: ResponseBufferOptions;
  #memory: Uint8Array[] = [];
  #memoryLength = 0;
  #file: TemporaryFile | undefined;
  #fileWritten = 0;
  #fileRead = 0;
  /** Bytes that wait to go into the file, and those that are on their way. */
  #writing: Uint8Array[] = [];
  #writingLength = 0;
  #appendingLength = 0;
  #writer: Promise<void> | undefined;
  /** Settles, never rejects, when what the writer is at now is done. */
  #step: Promise<void> = Promise.resolve();
  #isFull = false;
  #closed = false;

  constructor(options: ResponseBufferOptions) {
    this.#options = options;
  }

  /** Bytes held, wherever. */
  get length(): number {
    return this.#memoryLength + this.#spilled;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether {@link takeNow} gives everything there is. */
  get isInMemory(): boolean {
    return this.#spilled === 0;
  }

  get #spilled(): number {
    return this.#fileWritten - this.#fileRead + this.#onTheirWay;
  }

  get #onTheirWay(): number {
    return this.#appendingLength + this.#writingLength;
  }

  /** Adds bytes. They are kept even when the buffer is full: who pushes has them already. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { memoryMax, spillMax } = this.#options;
    const fits = this.#memoryLength + bytes.length <= memoryMax;
    if (this.#spilled === 0 && (fits || spillMax === 0)) {
      this.#memory.push(unpinned(bytes, PINNED_RATIO_MAX.memory));
      this.#memoryLength += bytes.length;
      if (!fits) this.#isFull = true;
      return;
    }
    this.#writing.push(unpinned(bytes, PINNED_RATIO_MAX.writing));
    this.#writingLength += bytes.length;
    this.#options.onSpill(bytes.length);
    if (this.#spilled > spillMax || this.#onTheirWay > memoryMax * WRITE_BEHIND_RATIO) {
      this.#isFull = true;
    }
    this.#writer ??= this.#write();
  }

  /** All bytes held, when they are in memory. */
  takeNow(): Uint8Array {
    const [first] = this.#memory;
    const bytes = this.#memory.length === 1 ? first! : join(this.#memory, this.#memoryLength);
    this.#memory = [];
    this.#memoryLength = 0;
    this.#announceRoom();
    return bytes;
  }

  /** The next bytes in order; undefined while there are none. */
  take(): Uint8Array | Promise<Uint8Array> | undefined {
    if (this.#memoryLength > 0) return this.#takeFromMemory();
    return this.#spilled > 0 ? this.#takeFromFile() : undefined;
  }

  /** Drops everything and frees the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onSpill(-this.#spilled);
    this.#memory = [];
    this.#memoryLength = 0;
    this.#writing = [];
    this.#writingLength = 0;
    this.#fileRead = this.#fileWritten;
    if (this.#writer === undefined) this.#closeFile();
    this.#announceRoom();
  }

  #takeFromMemory(): Uint8Array {
    let count = 1;
    let length = this.#memory[0]!.length;
    while (count < this.#memory.length) {
      const next = this.#memory[count]!.length;
      if (length + next > PIECE_LENGTH_MAX) break;
      length += next;
      count++;
    }
    const pieces = this.#memory.splice(0, count);
    this.#memoryLength -= length;
    this.#announceRoom();
    return count === 1 ? pieces[0]! : join(pieces, length);
  }

  async #takeFromFile(): Promise<Uint8Array> {
    while (this.#fileRead === this.#fileWritten && this.#writer !== undefined) await this.#step;
    if (this.#closed || this.#file === undefined) return NOTHING;
    const length = Math.min(PIECE_LENGTH_MAX, this.#fileWritten - this.#fileRead);
    let bytes: Uint8Array = NOTHING;
    try {
      bytes = await this.#file.read(this.#fileRead, length);
      if (bytes.length === 0) throw new Error("the file is shorter than what was written");
    } catch (cause) {
      if (!this.#closed) this.#options.onFailed(cause);
      return NOTHING;
    }
    if (this.#closed) return NOTHING;
    this.#fileRead += bytes.length;
    this.#options.onSpill(-bytes.length);
    if (this.#spilled === 0 && this.#writer === undefined) this.#closeFile();
    this.#announceRoom();
    return bytes;
  }

  async #write(): Promise<void> {
    try {
      this.#file ??= await this.#during(this.#options.files.temporary());
      while (this.#writing.length > 0) {
        const length = this.#writingLength;
        const pieces = joinShort(this.#writing, length);
        this.#writing = [];
        this.#writingLength = 0;
        this.#appendingLength = length;
        await this.#during(this.#file.append(pieces));
        this.#appendingLength = 0;
        this.#fileWritten += length;
        this.#announceRoom();
      }
    } catch (cause) {
      if (!this.#closed) this.#options.onFailed(cause);
    } finally {
      this.#writer = undefined;
      if (this.#closed || this.#spilled === 0) this.#closeFile();
    }
  }

  #during<Result>(work: Promise<Result>): Promise<Result> {
    this.#step = work.then(() => {}, () => {});
    return work;
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#fileWritten = 0;
    this.#fileRead = 0;
  }

  #announceRoom(): void {
    if (!this.#isFull) return;
    const { memoryMax, spillMax } = this.#options;
    const hasRoom = spillMax === 0
      ? this.#memoryLength <= memoryMax / 2
      : this.#onTheirWay <= memoryMax * WRITE_BEHIND_RATIO / 2 &&
        spillMax - this.#spilled >= Math.min(memoryMax, spillMax / 2);
    if (!hasRoom && !this.#closed) return;
    this.#isFull = false;
    this.#options.onRoom();
  }
}

/** Long pieces cost less than a copy of them, many short ones more. */
function joinShort(pieces: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  return length < pieces.length * LONG_PIECE_LENGTH ? [join(pieces, length)] : pieces;
}

/** The bytes, as a copy where they would keep too much else alive. */
function unpinned(bytes: Uint8Array, ratioMax: number): Uint8Array {
  return bytes.length * ratioMax < bytes.buffer.byteLength ? bytes.slice() : bytes;
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}
