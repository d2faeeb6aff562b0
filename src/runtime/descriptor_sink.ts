/**
 * Text to a file descriptor: standard output, standard error or a log file. Writes are synchronous,
 * so that a line is with the operating system when `write` returns and none is lost at exit. Where
 * the descriptor does not block and takes no more (EAGAIN), bytes queue here and are tried again.
 *
 * Nothing that goes wrong here stops the program. A reader that has gone away (EPIPE) ends the sink.
 * Any other failure, and a full queue, is told on standard error: once when it begins, and with the
 * number of lost bytes when writing works again.
 */
import { writeSync } from "node:fs";
import { errorCode } from "./failures.ts";
import type { TextSink } from "./runtime.ts";

const QUEUE_LENGTH_MAX = 8 * 1024 * 1024;
const RETRY_MS = 10;
/** How long an exit waits for a reader that does not read. */
const EXIT_WAIT_MS = 1000;

const STANDARD_ERROR = 2;
const encoder = new TextEncoder();

/** The system call behind a sink, which a test may replace. */
export type WriteSync = (descriptor: number, bytes: Uint8Array) => number;

/** A descriptor that takes text. */
export class DescriptorSink implements TextSink {
  readonly #descriptor: number;
  readonly #name: string;
  readonly #writeSync: WriteSync;
  #queue: Uint8Array[] = [];
  #queueLength = 0;
  #lostLength = 0;
  #readerGone = false;
  #retrying: PromiseWithResolvers<void> | undefined;

  /** `name` is what a report of lost text calls it. */
  constructor(descriptor: number, name: string, write: WriteSync = writeSync) {
    this.#descriptor = descriptor;
    this.#name = name;
    this.#writeSync = write;
  }

  write(text: string): void {
    this.writeBytes(encoder.encode(text));
  }

  writeBytes(bytes: Uint8Array): void {
    if (this.#readerGone) return;
    if (this.#queueLength + bytes.length > QUEUE_LENGTH_MAX) {
      this.#lose(bytes.length, "nobody reads it");
      return;
    }
    this.#queue.push(bytes);
    this.#queueLength += bytes.length;
    if (this.#retrying === undefined && !this.#writeQueue()) this.#retryLater();
  }

  flush(): Promise<void> {
    return this.#retrying?.promise ?? Promise.resolve();
  }

  /** The last chance before the process ends: waits a bounded time without the event loop. */
  flushAtExit(): void {
    const tries = EXIT_WAIT_MS / RETRY_MS;
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    for (let tried = 0; tried < tries && !this.#writeQueue(); tried++) {
      Atomics.wait(nothing, 0, 0, RETRY_MS);
    }
  }

  /** Takes nothing more and forgets what waits. */
  abandon(): void {
    this.#readerGone = true;
    this.#queue = [];
    this.#queueLength = 0;
  }

  #retryLater(): void {
    this.#retrying ??= Promise.withResolvers<void>();
    setTimeout(() => {
      if (!this.#writeQueue()) return this.#retryLater();
      this.#retrying?.resolve();
      this.#retrying = undefined;
    }, RETRY_MS);
  }

  /** Whether the queue is empty now. */
  #writeQueue(): boolean {
    for (let bytes = this.#queue[0]; bytes !== undefined; bytes = this.#queue[0]) {
      let count: number;
      try {
        count = this.#writeSync(this.#descriptor, bytes);
      } catch (error) {
        if (errorCode(error) === "EAGAIN") return false;
        this.#fail(error, bytes.length);
        continue;
      }
      this.#take(count);
      if (this.#lostLength > 0) this.#reportRecovery();
    }
    return true;
  }

  /** Forgets `count` bytes at the head of the queue. */
  #take(count: number): void {
    this.#queueLength -= count;
    const bytes = this.#queue[0];
    if (bytes !== undefined && count < bytes.length) this.#queue[0] = bytes.subarray(count);
    else this.#queue.shift();
  }

  #fail(error: unknown, length: number): void {
    if (errorCode(error) === "EPIPE") return this.abandon();
    this.#take(length);
    this.#lose(length, error instanceof Error ? error.message : String(error));
  }

  #lose(length: number, reason: string): void {
    const first = this.#lostLength === 0;
    this.#lostLength += length;
    if (first) this.#report(`Cannot write to ${this.#name}: ${reason}; its lines are lost for now`);
  }

  #reportRecovery(): void {
    this.#report(`Can write to ${this.#name} again; ${this.#lostLength} bytes were lost`);
    this.#lostLength = 0;
  }

  #report(text: string): void {
    if (this.#descriptor === STANDARD_ERROR) return;
    try {
      this.#writeSync(STANDARD_ERROR, encoder.encode(text + "\n"));
    } catch {
      // There is nowhere left to tell it.
    }
  }
}
