/**
 * What an application has sent and the client has not taken yet, of one request, in order:
 *
 *     push ──► memory ──► (over memoryMax) temporary file ──► take
 *
 * The application is read as fast as it sends, so its worker is free early, while memory stays
 * bounded. When memory is full, reading may stand still for a moment (`mayStandStill`); a client that
 * reads well has taken half by then. Else ({@link ResponseBuffer.spill}) bytes beyond `memoryMax`, or
 * beyond what all buffers may have together (`buffer_memory.ts`), go to a file; when the file is over
 * `spillMax`, or it is so slow that too many are on their way to it, `isFull` says so and the owner
 * stops reading the connection.
 * So it is while nothing can be written (`spill_space.ts`): what should go to the file waits in
 * memory, is taken from there once the file was read, and nothing is lost.
 * It is asked to go on (`onRoom`) as soon as there is room for a good piece: others wait for the
 * connection too.
 *
 * It does not know what the bytes mean, nor when a response is complete.
 */
import type { Files, TemporaryFile } from "../runtime/files.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import type { SpillSpace } from "./spill_space.ts";
import { joinPieces, joinShort, LONG_PIECE_LENGTH, unpinned } from "./pieces.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Most bytes that {@link ResponseBuffer.take} joins into one piece. */
export const PIECE_LENGTH_MAX = 128 * 1024;

/** The same while memory is tight: a piece is held by its socket until its client has taken it. */
export const TIGHT_PIECE_LENGTH_MAX = 32 * 1024;

/**
 * How many times `memoryMax` may be on its way to the file before the connection has to wait for it.
 * One read of a socket brings up to 512 KiB, twice the default of `memoryMax`: with less room than
 * for two reads, a file that is fast enough would hold up everybody on the connection all the same.
 */
export const WRITE_BEHIND_RATIO = 4;

/** A piece that is as long as this is given by itself: a write costs less than a copy. */
const JOINED_LENGTH_MAX = 32 * 1024;

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
  /** What all temporary files share. */
  readonly space: SpillSpace;
  /** What all buffers share. */
  readonly memory: BufferMemory;
  /** Whether all that is read is this response's: then long pieces are kept without a copy. */
  readonly ownsRead: () => boolean;
  /** Asked when memory is full: whether nothing more is read for a moment, until `onRoom`. */
  readonly mayStandStill: () => boolean;
  /** Called when a full buffer, or one that stands still, has room again. */
  readonly onRoom: () => void;
  /** Bytes that went to (positive) or left (negative) temporary files, for the metric. */
  readonly onSpill: (bytes: number) => void;
  /** The temporary file cannot be read: bytes are lost. */
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
  #isWriting = false;
  /** Settles, never rejects, when what the writer is at now is done. */
  #step: Promise<void> = Promise.resolve();
  #isFull = false;
  /** Nothing more is read for the moment: what was read is kept in memory. */
  #isStanding = false;
  /** Its client took too long for that, and has not caught up with the file since. */
  #isSlow = false;
  #pieceLengthMax = PIECE_LENGTH_MAX;
  /** Ends the wait for space, while nothing can be written. */
  #leaveWait: (() => void) | undefined;
  /** Of the shared space. */
  #reserved = 0;
  /** Of the shared memory. */
  #counted = 0;
  #closed = false;

  constructor(options: ResponseBufferOptions) {
    this.#options = options;
    options.memory.opened();
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

  get #isStuck(): boolean {
    return this.#leaveWait !== undefined;
  }

  /** Adds bytes. They are kept even when the buffer is full: who pushes has them already. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { memoryMax, spillMax, memory } = this.#options;
    const fits = this.#spilled === 0 && this.#memoryLength + bytes.length <= memoryMax &&
      !memory.isTight(bytes.length);
    const isKept = fits || spillMax === 0 || this.#standsStill(bytes.length);
    if (!isKept || this.#spilled > 0) return this.#pushToFile(bytes);
    this.#memory.push(this.#kept(bytes, PINNED_RATIO_MAX.memory));
    this.#memoryLength += bytes.length;
    if (!fits && spillMax === 0) this.#isFull = true;
    this.#count();
  }

  #pushToFile(bytes: Uint8Array): void {
    const { memoryMax, spillMax } = this.#options;
    this.#writing.push(this.#kept(bytes, PINNED_RATIO_MAX.writing));
    this.#writingLength += bytes.length;
    this.#count();
    this.#options.onSpill(bytes.length);
    const isBehind = this.#onTheirWay > memoryMax * WRITE_BEHIND_RATIO;
    if (this.#spilled > spillMax || isBehind || this.#isStuck) this.#isFull = true;
    if (!this.#isStuck) void this.#write();
  }

  /** Stands still no longer: what is beyond `memoryMax` goes to the file. */
  spill(isSlow = false): void {
    if (!this.#isStanding) return;
    this.#isStanding = false;
    this.#isSlow = isSlow;
    const { memoryMax } = this.#options;
    const beyond: Uint8Array[] = [];
    while (this.#memoryLength > memoryMax) {
      const bytes = this.#memory.pop()!;
      this.#memoryLength -= bytes.length;
      beyond.push(bytes);
    }
    // The client is slow, and what stays in memory may stay for long.
    this.#memory = this.#memory.map((bytes) => unpinned(bytes, PINNED_RATIO_MAX.memory));
    for (const bytes of beyond.reverse()) this.#pushToFile(bytes);
    this.#options.onRoom();
  }

  /** All bytes held, when they are in memory. */
  takeNow(): Uint8Array {
    const [first] = this.#memory;
    const bytes = this.#memory.length === 1 ? first! : joinPieces(this.#memory, this.#memoryLength);
    this.#memory = [];
    this.#memoryLength = 0;
    this.#count();
    this.#announceRoom();
    return bytes;
  }

  /** The next bytes in order, mostly not more than `lengthMax`; undefined while there are none. */
  take(lengthMax = PIECE_LENGTH_MAX): Uint8Array | Promise<Uint8Array> | undefined {
    const isTight = this.#options.memory.isTight(PIECE_LENGTH_MAX);
    this.#pieceLengthMax = isTight ? Math.min(lengthMax, TIGHT_PIECE_LENGTH_MAX) : lengthMax;
    if (this.#memoryLength > 0) return this.#takeFromMemory();
    if (this.#isStuck && this.#fileRead === this.#fileWritten) return this.#takeStuck();
    return this.#spilled > 0 ? this.#takeFromFile() : undefined;
  }

  /** Drops everything and frees the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.memory.closed();
    this.#endWait();
    this.#options.onSpill(-this.#spilled);
    this.#memory = [];
    this.#memoryLength = 0;
    this.#writing = [];
    this.#writingLength = 0;
    this.#fileRead = this.#fileWritten;
    this.#count();
    if (!this.#isWriting) this.#closeFile();
    this.#announceRoom();
  }

  #kept(bytes: Uint8Array, ratioMax: number): Uint8Array {
    const isLent = bytes.length >= LONG_PIECE_LENGTH && this.#options.ownsRead();
    return isLent ? bytes : unpinned(bytes, ratioMax);
  }

  #standsStill(length: number): boolean {
    const { memory, mayStandStill } = this.#options;
    if (memory.isTight(length)) this.spill();
    else if (!this.#isSlow) this.#isStanding ||= mayStandStill();
    return this.#isStanding;
  }

  #takeFromMemory(): Uint8Array {
    let count = 1;
    let length = this.#memory[0]!.length;
    while (count < this.#memory.length) {
      const next = this.#memory[count]!.length;
      if (length + next > this.#pieceLengthMax || next >= JOINED_LENGTH_MAX) break;
      length += next;
      count++;
    }
    const pieces = this.#memory.splice(0, count);
    this.#memoryLength -= length;
    this.#count();
    this.#announceRoom();
    return count === 1 ? pieces[0]! : joinPieces(pieces, length);
  }

  async #takeFromFile(): Promise<Uint8Array> {
    while (this.#fileRead === this.#fileWritten && this.#isWriting) await this.#step;
    if (this.#closed) return NOTHING;
    if (this.#file === undefined || this.#fileRead === this.#fileWritten) return this.#takeStuck();
    const length = Math.min(this.#pieceLengthMax, this.#fileWritten - this.#fileRead);
    let bytes: Uint8Array = NOTHING;
    try {
      bytes = await this.#file.read(this.#fileRead, length);
      if (bytes.length === 0) throw new Error("the file is shorter than what was written");
    } catch (cause) {
      reportIfOurs(cause, "reading a temporary file");
      if (!this.#closed) this.#options.onFailed(cause);
      return NOTHING;
    }
    if (this.#closed) return NOTHING;
    this.#fileRead += bytes.length;
    this.#options.onSpill(-bytes.length);
    if (this.#spilled === 0 && !this.#isWriting) this.#closeFile();
    this.#announceRoom();
    return bytes;
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    const { files, space } = this.#options;
    while (this.#writing.length > 0) {
      // While it opens more may come.
      const isOpen = this.#file !== undefined || (space.take(0) && await this.#open(files));
      const length = this.#writingLength;
      if (length === 0) break;
      if (!isOpen || !space.take(length)) {
        this.#waitForSpace();
        break;
      }
      this.#reserved += length;
      const pieces = joinShort(this.#writing, length);
      this.#writing = [];
      this.#writingLength = 0;
      this.#appendingLength = length;
      try {
        await this.#during(this.#file!.append(pieces));
      } catch (cause) {
        reportIfOurs(cause, "writing a temporary file");
        this.#takeBack(pieces, length, cause);
        break;
      }
      this.#appendingLength = 0;
      this.#fileWritten += length;
      this.#count();
      this.#announceRoom();
    }
    this.#isWriting = false;
    if (this.#closed || this.#spilled === 0) this.#closeFile();
  }

  async #open(files: Files): Promise<boolean> {
    try {
      this.#file = await this.#during(files.temporary());
      return true;
    } catch (cause) {
      reportIfOurs(cause, "opening a temporary file");
      this.#options.space.block(cause);
      return false;
    }
  }

  /** The file did not take these, and is as long as before. */
  #takeBack(pieces: readonly Uint8Array[], length: number, cause: unknown): void {
    const { space } = this.#options;
    this.#appendingLength = 0;
    this.#reserved -= length;
    space.give(length);
    if (this.#closed) return this.#count();
    space.block(cause);
    this.#writing = [...pieces, ...this.#writing];
    this.#writingLength += length;
    this.#waitForSpace();
  }

  /** Tells how much memory is held by now, with what is on its way to the file. */
  #count(): void {
    const held = this.#memoryLength + this.#onTheirWay;
    this.#options.memory.count(held - this.#counted);
    this.#counted = held;
  }

  /** Whoever pushes has to stop meanwhile. */
  #waitForSpace(): void {
    this.#leaveWait = this.#options.space.wait(() => {
      this.#leaveWait = undefined;
      if (this.#writing.length > 0) void this.#write();
    });
  }

  #endWait(): void {
    this.#leaveWait?.();
    this.#leaveWait = undefined;
  }

  /** All of the file was read: what should have gone into it is taken from memory. */
  #takeStuck(): Uint8Array {
    this.#endWait();
    this.#memory = this.#writing;
    this.#memoryLength = this.#writingLength;
    this.#options.onSpill(-this.#writingLength);
    this.#writing = [];
    this.#writingLength = 0;
    this.#closeFile();
    return this.#takeFromMemory();
  }

  #during<Result>(work: Promise<Result>): Promise<Result> {
    this.#step = work.then(() => {}, () => {});
    return work;
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#isSlow = false;
    this.#fileWritten = 0;
    this.#fileRead = 0;
    const reserved = this.#reserved;
    this.#reserved = 0;
    this.#options.space.give(reserved);
  }

  #announceRoom(): void {
    const { memoryMax, spillMax } = this.#options;
    if (this.#isStanding && (this.length <= memoryMax / 2 || this.#closed)) {
      this.#isStanding = false;
      this.#options.onRoom();
    }
    if (!this.#isFull) return;
    const hasRoom = spillMax === 0 || this.#isStuck || this.#spilled === 0
      ? this.#memoryLength + this.#writingLength <= memoryMax / 2
      : this.#onTheirWay <= memoryMax * WRITE_BEHIND_RATIO / 2 &&
        spillMax - this.#spilled >= Math.min(memoryMax, spillMax / 2);
    if (!hasRoom && !this.#closed) return;
    this.#isFull = false;
    this.#options.onRoom();
  }
}
