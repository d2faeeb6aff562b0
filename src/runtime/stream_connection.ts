/**
 * What the connections of all runtimes share: a socket as a pair of Web Streams, of which each ends by
 * itself. How a socket is read, written and closed is each runtime's own.
 */
import type { ByteConnection } from "./connection.ts";

/** Pieces that may wait to be read before the socket is paused. */
const READ_AHEAD_PIECES = 1;

export abstract class StreamConnection implements ByteConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly remote: string;
  #incoming!: ReadableStreamDefaultController<Uint8Array>;
  #outgoing!: WritableStreamDefaultController;
  #isReceiveDone = false;
  /** Nothing more goes to the peer: the writer closed, or the connection is broken. */
  protected isSendDone = false;

  constructor(remote: string) {
    this.remote = remote;
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#incoming = controller),
      pull: () => this.onRoom(),
      cancel: () => {
        this.#isReceiveDone = true;
        this.onReaderGone();
      },
    }, { highWaterMark: READ_AHEAD_PIECES });
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => void (this.#outgoing = controller),
      write: (chunk) => this.send(chunk),
      close: () => {
        this.isSendDone = true;
        return this.finish();
      },
      abort: () => this.destroy(),
    });
  }

  abstract destroy(): void;
  /** The reader has room for a piece. */
  protected abstract onRoom(): void | Promise<void>;
  /** The reader has left: what comes is dropped until the peer ends or we do. */
  protected abstract onReaderGone(): void;
  protected abstract send(chunk: Uint8Array): void | Promise<void>;
  /** The writer has closed. */
  protected abstract finish(): void | Promise<void>;

  /** Nothing more goes to the reader: the peer finished, the reader left, or it is broken. */
  protected get isReceiveDone(): boolean {
    return this.#isReceiveDone;
  }

  /** Whether a piece waits for the reader; `failReadable` would drop it. */
  protected get hasUnread(): boolean {
    return !this.#isReceiveDone && (this.#incoming.desiredSize ?? 0) < READ_AHEAD_PIECES;
  }

  /** False where there is no room for another piece. */
  protected give(bytes: Uint8Array): boolean {
    this.#incoming.enqueue(bytes);
    return (this.#incoming.desiredSize ?? 0) > 0;
  }

  protected closeReadable(): void {
    if (this.#isReceiveDone) return;
    this.#isReceiveDone = true;
    this.#incoming.close();
  }

  protected failReadable(reason: Error): void {
    if (this.#isReceiveDone) return;
    this.#isReceiveDone = true;
    this.#incoming.error(reason);
  }

  protected failWritable(reason: Error): void {
    if (this.isSendDone) return;
    this.isSendDone = true;
    this.#outgoing.error(reason);
  }

  /** The error of both directions. */
  protected failure(what: string, cause?: unknown): Error {
    return new Error(`Connection with ${this.remote} ${what}`, { cause });
  }
}
