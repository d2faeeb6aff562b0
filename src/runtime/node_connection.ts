/**
 * A socket of `node:net` as a pair of Web Streams: what a runtime uses whose own sockets cannot be
 * made from a descriptor. A write settles only when the system has taken its bytes (the streams that
 * node itself would make of a socket settle earlier).
 */
import type { Socket } from "node:net";
import { StreamConnection } from "./stream_connection.ts";

/** One connection, of a socket that allows itself to be half open. */
export class NodeConnection extends StreamConnection {
  readonly #socket: Socket;
  /** What the reader meets after the piece that waits for it; `error()` would drop that. */
  #broken: Error | undefined;

  constructor(socket: Socket, remote: string) {
    super(remote);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => this.#received(bytes));
    socket.on("end", () => this.closeReadable());
    socket.on("error", (error) => this.#broke(error));
    socket.on("close", () => this.#broke(undefined));
  }

  destroy(): void {
    const gone = this.failure("was destroyed");
    this.failReadable(gone);
    this.failWritable(gone);
    this.#socket.destroy();
  }

  #received(bytes: Uint8Array): void {
    if (!this.isReceiveDone && !this.give(bytes)) this.#socket.pause();
  }

  protected override onRoom(): void {
    if (this.#broken !== undefined) this.failReadable(this.#broken);
    else this.#socket.resume();
  }

  protected override onReaderGone(): void {
    if (this.isSendDone) this.destroy();
    else this.#socket.resume();
  }

  protected override send(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(chunk, (cause) => {
        if (!cause) return resolve();
        this.isSendDone = true;
        reject(this.failure("was closed by the peer", cause));
      });
    });
  }

  /** Settles when the system has taken all of it, or never will. */
  protected override finish(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once("close", () => resolve());
      this.#socket.end(() => resolve());
    });
  }

  #broke(cause: Error | undefined): void {
    const gone = this.failure(cause === undefined ? "was closed by the peer" : "broke", cause);
    if (this.hasUnread) this.#broken ??= gone;
    else this.failReadable(gone);
    this.failWritable(gone);
  }
}
