/**
 * A native Bun socket as a pair of Web Streams. Bun pushes what arrives and hands over memory of its
 * own for each piece (measured), so nothing is copied here; when one piece waits to be read the
 * socket is paused. `socket.write` takes what the kernel takes and keeps nothing back, the rest
 * follows at `drain`. The hot path makes no closures: callbacks are shared by all sockets and find
 * their connection in `socket.data`.
 *
 * Bun calls `end` when the peer has finished, and `close` alone when we had finished before it; on a
 * unix socket `end` and `close` come together. `socket.end()` closes at once and loses what was not
 * yet read, so we say that we have finished with `shutdown()` for as long as the peer may still send.
 */
import { StreamConnection } from "./stream_connection.ts";

export type BunSocket = Bun.Socket<BunConnection>;

/** What Bun calls for every socket of ours. */
export const BUN_SOCKET_HANDLERS: Bun.SocketHandler<BunConnection> = {
  binaryType: "uint8array",
  open: (socket) => socket.data.opened(socket),
  data: (socket, bytes) => socket.data.received(bytes),
  end: (socket) => socket.data.peerFinished(),
  drain: (socket) => socket.data.writeRest(),
  close: (socket, error) => socket.data.closed(error),
  error: (socket, error) => socket.data.closed(error),
  // Without it Bun reports a failed connect as an unhandled rejection too.
  connectError() {},
};

/** One connection; made before its socket is there, because Bun wants the data first. */
export class BunConnection extends StreamConnection {
  #socket: BunSocket | undefined;
  #paused = false;
  #destroyed = false;
  /** What the reader meets after the pieces that wait for it; `error()` would drop them. */
  #broken: Error | undefined;
  #rest: Uint8Array | undefined;
  #settleWrite: { resolve(): void; reject(reason: unknown): void } | undefined;

  opened(socket: BunSocket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    if (this.#destroyed) socket.terminate();
  }

  received(bytes: Uint8Array): void {
    if (this.isReceiveDone || this.give(bytes) || this.#paused) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  peerFinished(): void {
    this.closeReadable();
    if (this.isSendDone) this.#socket?.end();
  }

  /** Bun has closed the socket; an error says that the connection broke. */
  closed(error?: Error): void {
    const gone = this.failure(error ? "broke" : "was closed by the peer", error);
    if (error === undefined) this.closeReadable();
    else if (this.hasUnread) this.#broken = gone;
    else this.failReadable(gone);
    this.failWritable(gone);
  }

  writeRest(): void {
    const rest = this.#rest;
    const settle = this.#settleWrite;
    if (rest === undefined || settle === undefined) return;
    const taken = this.#socket?.write(rest) ?? -1;
    if (taken >= 0 && taken < rest.length) {
      this.#rest = rest.subarray(taken);
      return;
    }
    this.#rest = undefined;
    this.#settleWrite = undefined;
    if (taken < 0) settle.reject(this.#writeError());
    else settle.resolve();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    const gone = this.failure("was destroyed");
    this.failReadable(gone);
    this.failWritable(gone);
    this.#socket?.terminate();
  }

  protected override onRoom(): void {
    if (this.#broken) return this.failReadable(this.#broken);
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  protected override onReaderGone(): void {
    if (this.isSendDone) this.destroy();
    else this.onRoom();
  }

  protected override send(chunk: Uint8Array): Promise<void> | undefined {
    const taken = this.#socket?.write(chunk) ?? -1;
    if (taken === chunk.length) return undefined;
    if (taken < 0) throw this.#writeError();
    this.#rest = chunk.subarray(taken);
    return new Promise((resolve, reject) => this.#settleWrite = { resolve, reject });
  }

  /** The peer takes nothing more; what it sent before can still be read. */
  #writeError(): Error {
    this.isSendDone = true;
    if (this.isReceiveDone) this.#socket?.end();
    return this.failure("was closed by the peer");
  }

  protected override finish(): void {
    if (this.isReceiveDone) this.#socket?.end();
    else this.#socket?.shutdown();
  }

  protected override failWritable(reason: Error): void {
    this.#rest = undefined;
    this.#settleWrite?.reject(reason);
    this.#settleWrite = undefined;
    super.failWritable(reason);
  }
}
