/**
 * Text to a file descriptor: standard output, standard error or a log file. Writes are synchronous,
 * so that a line is with the operating system when `write` returns and none is lost at exit. Where
 * the descriptor takes no more, bytes queue here and are tried again; a text is kept whole or not at
 * all, so no line is torn by what goes wrong.
 *
 * Nothing that goes wrong here stops the program, and after {@link DescriptorSink.unblock} nothing
 * makes it wait: a pipe or terminal is opened once more, without blocking for us alone; a socket, which
 * cannot be opened so, is written by a call that never waits, or by the runtime's own threads. A reader that has gone away
 * (EPIPE) ends the sink. Anything else is told on standard error when it begins and when it is over,
 * with what a full queue has lost.
 */
import { closeSync, constants, fstatSync, openSync, write as writeAsync, writeSync } from "node:fs";
import { errorCode } from "./failures.ts";
import type { TextSink } from "./text_sink.ts";

export const QUEUE_LENGTH_MAX = 8 * 1024 * 1024;
const RETRY_MS = 10;
/** Between two tries after a failure, such as a full disk. */
const FAILURE_RETRY_MS = 1000;
/** How long an exit waits for a reader that does not read, in all. */
const EXIT_WAIT_MS = 1000;

const STANDARD_ERROR = 2;
const LINE_END = 0x0a;
const encoder = new TextEncoder();

/** The system call behind a sink, which a test may replace. */
export type WriteSync = (descriptor: number, bytes: Uint8Array) => number;

/** Where reports of other sinks go, once standard error has a sink of its own. */
let standardError: DescriptorSink | undefined;

export class DescriptorSink implements TextSink {
  #descriptor: number;
  readonly #name: string;
  readonly #writeSync: WriteSync;
  /** Takes the place of `#writeSync` for a socket. */
  #socketWrite: WriteSync | undefined;
  #queue: Uint8Array[] = [];
  #queueLength = 0;
  #lostLength = 0;
  #lostSinceReport = 0;
  lostLines = 0;
  onRecovered: ((lines: number) => void) | undefined;
  #readerGone = false;
  /** Why nothing could be written last, where it was not for want of room. */
  #failure: string | undefined;
  /** Whether the queue was full since it was last empty. */
  #isLosing = false;
  /** Whether an exit has waited in vain. */
  #isStuck = false;
  #writesAsync = false;
  #isWriting = false;
  #retrying: PromiseWithResolvers<void> | undefined;

  /** `name` is what a report of lost text calls it. */
  constructor(descriptor: number, name: string, write: WriteSync = writeSync) {
    this.#descriptor = descriptor;
    this.#name = name;
    this.#writeSync = write;
    if (descriptor === STANDARD_ERROR && write === writeSync) standardError = this;
  }

  /**
   * From here on no write waits for a reader, and a line may be lost instead, which is counted.
   * `openSocketWrite` finds a write to sockets that never waits; left out: the runtime's threads wait.
   */
  unblock(openSocketWrite?: () => WriteSync | undefined): void {
    let isSocket = false;
    try {
      const info = fstatSync(this.#descriptor);
      if (info.isFile()) return;
      isSocket = info.isSocket();
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK |
        constants.O_NOCTTY;
      // The descriptor itself is shared with whoever started us, so is whether it blocks.
      this.#descriptor = openSync(`/proc/self/fd/${this.#descriptor}`, flags);
    } catch {
      this.#socketWrite = isSocket ? openSocketWrite?.() : undefined;
      this.#writesAsync = this.#socketWrite === undefined;
    }
  }

  /** Goes on in another file, which takes what waits, too. */
  replace(descriptor: number): void {
    const before = this.#descriptor;
    this.#descriptor = descriptor;
    this.#failure = undefined;
    closeSync(before);
    if (!this.#writeQueue()) this.#retryLater();
  }

  write(text: string): void {
    this.writeBytes(encoder.encode(text));
  }

  writeBytes(bytes: Uint8Array): void {
    if (this.#readerGone) return;
    if (this.#queueLength + bytes.length > QUEUE_LENGTH_MAX) return this.#lose(bytes);
    this.#queue.push(bytes);
    this.#queueLength += bytes.length;
    if (this.#retrying !== undefined && this.#failure === undefined) return;
    if (!this.#writeQueue()) this.#retryLater();
  }

  /** Resolves when nothing waits, or when nothing was taken for a while. */
  async flush(): Promise<void> {
    for (let length = this.#queueLength; length > 0 && !this.#isStuck;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, EXIT_WAIT_MS);
      await Promise.race([this.drained(), promise]);
      clearTimeout(timer);
      this.#isStuck = this.#queueLength >= length;
      length = this.#queueLength;
    }
  }

  /** Resolves when nothing waits, however long that takes. */
  drained(): Promise<void> {
    return this.#retrying?.promise ?? Promise.resolve();
  }

  /** The last chance before the process ends: waits a bounded time without the event loop. */
  flushAtExit(): void {
    if (this.#isStuck || this.#isWriting) return;
    const tries = EXIT_WAIT_MS / RETRY_MS;
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    for (let tried = 0; tried < tries && !this.#writeQueue(); tried++) {
      Atomics.wait(nothing, 0, 0, RETRY_MS);
    }
  }

  /** Takes nothing more, forgets what waits and closes the descriptor; once. */
  closeDescriptor(): void {
    this.abandon();
    closeSync(this.#descriptor);
  }

  /** Takes nothing more and forgets what waits. */
  abandon(): void {
    this.#readerGone = true;
    this.#queue = [];
    this.#queueLength = 0;
  }

  #retryLater(): void {
    this.#retrying ??= Promise.withResolvers<void>();
    // The write itself tells when it is done.
    if (this.#isWriting) return;
    setTimeout(() => {
      if (this.#retrying === undefined || this.#isWriting) return;
      if (!this.#writeQueue()) this.#retryLater();
    }, this.#failure === undefined ? RETRY_MS : FAILURE_RETRY_MS);
  }

  /** Whether the queue is empty now. */
  #writeQueue(): boolean {
    for (let bytes = this.#queue[0]; bytes !== undefined; bytes = this.#queue[0]) {
      if (this.#writesAsync) {
        this.#writeOutside(bytes);
        return false;
      }
      try {
        this.#take((this.#socketWrite ?? this.#writeSync)(this.#descriptor, bytes));
      } catch (error) {
        this.#notTaken(error);
        if (!this.#readerGone) return false;
      }
    }
    this.#retrying?.resolve();
    this.#retrying = undefined;
    return true;
  }

  #writeOutside(bytes: Uint8Array): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    writeAsync(this.#descriptor, bytes, (error, count) => {
      this.#isWriting = false;
      if (this.#readerGone) return;
      if (error === null) this.#take(count);
      else this.#notTaken(error);
      if (error !== null && !this.#readerGone) this.#retryLater();
      else this.#writeQueue();
    });
  }

  /** Forgets `count` bytes at the front of the queue. */
  #take(count: number): void {
    this.#queueLength -= count;
    const bytes = this.#queue[0];
    if (bytes !== undefined && count < bytes.length) this.#queue[0] = bytes.subarray(count);
    else this.#queue.shift();
    const isOver = count > 0 && this.#queueLength <= QUEUE_LENGTH_MAX / 2;
    if (isOver && (this.#failure !== undefined || this.#isLosing)) this.#recover();
  }

  #notTaken(error: unknown): void {
    if (errorCode(error) === "EAGAIN") return;
    if (errorCode(error) === "EPIPE") return this.abandon();
    if (this.#failure !== undefined) return;
    this.#failure = error instanceof Error ? error.message : String(error);
    this.#report(`Cannot write to ${this.#name}: ${this.#failure}; its lines wait for now`);
  }

  #lose(bytes: Uint8Array): void {
    this.#lostLength += bytes.length;
    const lines = bytes.reduce((count, byte) => byte === LINE_END ? count + 1 : count, 0);
    this.lostLines += lines;
    this.#lostSinceReport += lines;
    if (this.#isLosing) return;
    this.#isLosing = true;
    const reason = this.#failure ?? "nobody reads it";
    this.#report(`Cannot write to ${this.#name}: ${reason}; its lines are lost for now`);
  }

  #recover(): void {
    const lines = this.#lostSinceReport;
    const what = lines === 0 ? "no line was" : `${lines} lines, ${this.#lostLength} bytes, were`;
    this.#failure = undefined;
    this.#isLosing = false;
    this.#lostLength = 0;
    this.#lostSinceReport = 0;
    this.#report(`Can write to ${this.#name} again; ${what} lost`);
    if (lines > 0) this.onRecovered?.(lines);
  }

  #report(text: string): void {
    if (this.#descriptor === STANDARD_ERROR || standardError === this) return;
    const bytes = encoder.encode(text + "\n");
    if (this.#writeSync === writeSync && standardError !== undefined) {
      return standardError.writeBytes(bytes);
    }
    try {
      this.#writeSync(STANDARD_ERROR, bytes);
    } catch {
      // There is nowhere left to tell it.
    }
  }
}
