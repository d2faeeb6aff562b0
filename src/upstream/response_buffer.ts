/**
 * What an application has sent and the client has not taken yet, of one request, in order:
 *
 *     push ──► memory ──► (over memoryMax) temporary file ──► take
 *
 * The application is read as fast as it sends, so its worker is free early, while memory stays
 * bounded. Bytes beyond `memoryMax` go to a file; when the file is over `spillMax`, or is slower
 * than the application, `isFull` says so and the owner stops reading the connection. It is asked
 * to go on (`onRoom`) at half of what filled it.
 *
 * It does not know what the bytes mean, nor when an answer is complete.
 */
import type { Files, TemporaryFile } from "../runtime/runtime.ts";

/** Most bytes that {@link ResponseBuffer.take} joins into one piece. */
const PIECE_LENGTH_MAX = 128 * 1024;

export interface ResponseBufferOptions {
  readonly memoryMax: number;
  readonly spillMax: number;
  readonly files: Files;
  /** Called when a full buffer has room again. */
  readonly onRoom: () => void;
  /** Bytes that went to (positive) or left (negative) temporary files, for the metric. */
  readonly onSpill: (bytes: number) => void;
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
  #appending: Promise<void> | undefined;
  #writer: Promise<void> | undefined;
  #isFull = false;
  #closed = false;
  #failure: unknown;

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
    return this.#fileWritten - this.#fileRead + this.#appendingLength + this.#writingLength;
  }

  /** Adds bytes. They are kept even when the buffer is full: who pushes has them already. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    // A small view would keep the whole piece that was read alive.
    const kept = bytes.length * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes;
    const { memoryMax, spillMax } = this.#options;
    const fits = this.#memoryLength + kept.length <= memoryMax;
    if (this.#spilled === 0 && (fits || spillMax === 0)) {
      this.#memory.push(kept);
      this.#memoryLength += kept.length;
      this.#isFull = !fits;
      return;
    }
    this.#writing.push(kept);
    this.#writingLength += kept.length;
    this.#options.onSpill(kept.length);
    if (this.#spilled > spillMax || this.#writingLength > memoryMax) this.#isFull = true;
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
    while (this.#fileRead === this.#fileWritten && this.#writer !== undefined) {
      await (this.#appending ?? this.#writer);
    }
    if (this.#failure !== undefined) throw this.#failure;
    const length = Math.min(PIECE_LENGTH_MAX, this.#fileWritten - this.#fileRead);
    if (length === 0 || this.#file === undefined) return new Uint8Array(0);
    const bytes = await this.#file.read(this.#fileRead, length);
    if (this.#closed) return new Uint8Array(0);
    this.#fileRead += bytes.length;
    this.#options.onSpill(-bytes.length);
    if (this.#spilled === 0 && this.#writer === undefined) this.#closeFile();
    this.#announceRoom();
    return bytes;
  }

  async #write(): Promise<void> {
    try {
      this.#file ??= await this.#options.files.temporary();
      while (this.#writing.length > 0) {
        const bytes = join(this.#writing, this.#writingLength);
        this.#writing = [];
        this.#writingLength = 0;
        this.#appendingLength = bytes.length;
        this.#appending = this.#file.append(bytes);
        await this.#appending;
        this.#appendingLength = 0;
        this.#fileWritten += bytes.length;
        this.#announceRoom();
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#appending = undefined;
      this.#writer = undefined;
      if (this.#closed || this.#spilled === 0) this.#closeFile();
    }
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
    const hasRoom = this.#memoryLength <= memoryMax / 2 && this.#writingLength <= memoryMax / 2 &&
      this.#spilled <= spillMax / 2;
    if (!hasRoom && !this.#closed) return;
    this.#isFull = false;
    this.#options.onRoom();
  }
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
