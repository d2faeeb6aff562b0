/**
 * The memory that buffers of all requests hold together: of responses that their clients have not
 * taken yet, of request bodies that are gathered or that nobody has read, and what sockets have not
 * sent. It is counted, not handed out, for what has come is there already. From half of its limit on ({@link BufferMemory.isTight}) buffers use their
 * temporary files for all that comes. So slow clients alone cannot bring it over the limit: where it
 * is ({@link BufferMemory.isOver}), files are not allowed or the disk is full. Then bodies of new
 * requests are not read; those wait ({@link BufferMemory.wait}) and are called in the order in which
 * they came.
 *
 * Of several threads each tells the others what it holds, in steps of {@link TOLD_LENGTH}: reading
 * the others' counts is all that it costs to know the sum.
 *
 * Each time that {@link PASSED_LENGTH} has passed through them, and when many were open and few are
 * left, whoever can have garbage collected is told.
 *
 * It knows neither requests nor files.
 */

const MIB = 1024 * 1024;

/** Bytes of all buffers together, where nothing else is said. */
export const BUFFER_MEMORY_MAX = 256 * MIB;

/** The part of the limit from which on buffers use their files. */
const TIGHT_FROM = 0.5;

/** A change that is smaller is not told to other threads. */
export const TOLD_LENGTH = 64 * 1024;

/** After so many bytes, in and out, whoever looks after garbage is told. */
export const PASSED_LENGTH = 32 * MIB;

/** So many buffers at once are many; they are over when so much of them is left. */
export const OPEN_MIN = 64;
export const OPEN_REST = 1 / 16;

/** What buffers of the other threads hold. */
export interface MemoryShare {
  readonly elsewhere: number;
  /** This thread's hold so many bytes now. */
  tell(used: number): void;
  /** Calls now and then: others may hold less. */
  listen(look: () => void): void;
}

export class BufferMemory {
  #max: number;
  readonly #onOver: () => void;
  readonly #waiting = new Set<() => void>();
  readonly #share: MemoryShare | undefined;
  #own = 0;
  /** What the other threads were told last. */
  #told = 0;
  /** Bytes that have come and gone since {@link PASSED_LENGTH} was told. */
  #passed = 0;
  readonly #onPassed: (isOver: boolean) => void;
  #open = 0;
  /** Most since many were over. */
  #openMax = 0;
  #isWaking = false;

  /**
   * @param onOver called each time that a body has to wait
   * @param onPassed called when much has passed through this thread's, or many of them are over
   */
  constructor(
    max = BUFFER_MEMORY_MAX,
    onOver: () => void = () => {},
    share?: MemoryShare,
    onPassed: (isOver: boolean) => void = () => {},
  ) {
    this.#max = max;
    this.#onOver = onOver;
    this.#onPassed = onPassed;
    this.#share = share;
    share?.listen(() => this.#wake());
  }

  get max(): number {
    return this.#max;
  }

  /** Of all threads. */
  get used(): number {
    return this.#share === undefined ? this.#own : this.#own + this.#share.elsewhere;
  }

  /** Bodies that wait, for the metric. */
  get waiting(): number {
    return this.#waiting.size;
  }

  configure(max = BUFFER_MEMORY_MAX): void {
    this.#max = max;
    this.#wake();
  }

  /** Whether so many bytes more should go to a file. */
  isTight(length: number): boolean {
    return this.used + length > this.#max * TIGHT_FROM;
  }

  /** Whether they hold more than they may. */
  get isFull(): boolean {
    return this.used > this.#max;
  }

  /** Whether bodies of new requests have to wait; then somebody is told. */
  isOver(): boolean {
    if (!this.isFull) return false;
    this.#onOver();
    return true;
  }

  /** Bytes that a buffer has more (positive) or fewer (negative) than before. */
  count(difference: number): void {
    this.#own += difference;
    if (this.#share !== undefined) this.#tell(this.#share);
    if (difference < 0) this.#wake();
    this.#passed += Math.abs(difference);
    if (this.#passed < PASSED_LENGTH) return;
    this.#passed = 0;
    this.#onPassed(false);
  }

  /** There is one buffer more. */
  opened(): void {
    if (++this.#open > this.#openMax) this.#openMax = this.#open;
  }

  closed(): void {
    this.#open--;
    if (this.#openMax < OPEN_MIN || this.#open > this.#openMax * OPEN_REST) return;
    this.#openMax = this.#open;
    this.#onPassed(true);
  }

  /** Calls once, when there is room again. Returns what calls it off. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  #tell(share: MemoryShare): void {
    if (Math.abs(this.#own - this.#told) < TOLD_LENGTH && this.#own !== 0) return;
    this.#told = this.#own;
    share.tell(this.#own);
  }

  #wake(): void {
    // Whoever is called may take what there is, or give some back.
    if (this.#isWaking || this.#waiting.size === 0) return;
    this.#isWaking = true;
    for (const callback of this.#waiting) {
      if (this.isFull) break;
      this.#waiting.delete(callback);
      callback();
    }
    this.#isWaking = false;
  }
}
