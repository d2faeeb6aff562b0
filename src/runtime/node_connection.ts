/**
 * A socket of `node:net` as a pair of Web Streams: what a runtime uses whose own sockets cannot be
 * made from a descriptor. It keeps the same promises as the native connections: one piece of
 * read-ahead, and a write that settles only when the system has taken its bytes (the streams that
 * node itself would make of a socket settle earlier).
 */
import type { Socket } from "node:net";
import type { ByteConnection } from "./connection.ts";

/** Pieces that may wait to be read before the socket is paused. */
const READ_AHEAD_PIECES = 1;

/** One connection, of a socket that allows itself to be half open. */
export class NodeConnection implements ByteConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly remote: string;
  readonly #socket: Socket;
  #incoming!: ReadableStreamDefaultController<Uint8Array>;
  #outgoing!: WritableStreamDefaultController;
  #receiveDone = false;
  #sendDone = false;
  /** What the reader meets after the piece that waits for it; `error()` would drop that. */
  #broken: Error | undefined;

  constructor(socket: Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#incoming = controller),
      pull: () => this.#resume(),
      cancel: () => this.#discardIncoming(),
    }, { highWaterMark: READ_AHEAD_PIECES });
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => void (this.#outgoing = controller),
      write: (chunk) => this.#write(chunk),
      close: () => this.#finish(),
      abort: () => this.destroy(),
    });
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => this.#received(bytes));
    socket.on("end", () => this.#closeReadable());
    socket.on("error", (error) => this.#broke(error));
    socket.on("close", () => this.#broke(undefined));
  }

  destroy(): void {
    const gone = new Error(`Connection with ${this.remote} was destroyed`);
    this.#failReadable(gone);
    this.#failWritable(gone);
    this.#socket.destroy();
  }

  #received(bytes: Uint8Array): void {
    if (this.#receiveDone) return;
    this.#incoming.enqueue(bytes);
    if ((this.#incoming.desiredSize ?? 0) <= 0) this.#socket.pause();
  }

  #resume(): void {
    if (this.#broken !== undefined) this.#failReadable(this.#broken);
    else this.#socket.resume();
  }

  /** The reader has left: what comes is dropped until the peer ends or we do. */
  #discardIncoming(): void {
    this.#receiveDone = true;
    if (this.#sendDone) this.destroy();
    else this.#socket.resume();
  }

  #write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(chunk, (cause) => {
        if (!cause) return resolve();
        this.#sendDone = true;
        reject(new Error(`Connection with ${this.remote} was closed by the peer`, { cause }));
      });
    });
  }

  /** Settles when the system has taken all of it, or never will. */
  #finish(): Promise<void> {
    this.#sendDone = true;
    return new Promise((resolve) => {
      this.#socket.once("close", () => resolve());
      this.#socket.end(() => resolve());
    });
  }

  #broke(cause: Error | undefined): void {
    const text = cause === undefined ? "was closed by the peer" : "broke";
    const gone = new Error(`Connection with ${this.remote} ${text}`, { cause });
    const hasUnread = !this.#receiveDone && (this.#incoming.desiredSize ?? 0) < READ_AHEAD_PIECES;
    if (hasUnread) this.#broken ??= gone;
    else this.#failReadable(gone);
    this.#failWritable(gone);
  }

  #closeReadable(): void {
    if (this.#receiveDone) return;
    this.#receiveDone = true;
    this.#incoming.close();
  }

  #failReadable(reason: Error): void {
    if (this.#receiveDone) return;
    this.#receiveDone = true;
    this.#incoming.error(reason);
  }

  #failWritable(reason: Error): void {
    if (this.#sendDone) return;
    this.#sendDone = true;
    this.#outgoing.error(reason);
  }
}
