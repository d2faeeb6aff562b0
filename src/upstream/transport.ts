/**
 * A socket to an application: writes what its owner has gathered, and hands what arrives to it. What
 * is scheduled in one turn of the event loop leaves in one write at its end; while the system does
 * not take all of it, what comes gathers for the next one. Paused, it stops reading, and the
 * operating system's buffers stop the application.
 *
 * It does not know FastCGI. A failed write does not end it: the application may have answered
 * before it closed, so the end is always found by reading.
 */
import { type Address, formatAddress } from "../runtime/address.ts";
import type { PeerProgress } from "../runtime/peer_progress.ts";
import type { CallbackSocket, SocketEvents } from "../runtime/callback_socket.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import type { ConnectionDeps } from "./connection_deps.ts";
import type { ServerOptions, UpstreamOptions, UpstreamTlsOptions } from "./options.ts";
import { connectSocket } from "../runtime/streamed_socket.ts";

export interface TransportOutput {
  /** The bytes to write now; undefined when there are none. */
  take(): Uint8Array<ArrayBuffer> | undefined;
  /** Whether nothing follows behind what was taken: the application is told so. */
  readonly isLast: boolean;
  /** What was taken last is given to the system: some of it may reach the application. */
  sending(): void;
  /** The write of these bytes is over. */
  recycle(bytes: Uint8Array<ArrayBuffer>): void;
}

export interface TransportOwner {
  /** The system has taken everything that it did not take at first. */
  onDrained(): void;
  onOpen(): void;
  onBytes(bytes: Uint8Array): void;
  /** A write failed: nothing more can be sent, while there may still be something to read. */
  onUnwritable(): void;
  /** The last call: closed by the application (`undefined`), or what broke. */
  onClosed(error: unknown): void;
}

export type TransportDeps =
  & Pick<ConnectionDeps<unknown>, "runtime" | "memory">
  & {
    readonly server: Pick<ServerOptions, "address">;
    readonly options: Pick<UpstreamOptions, "tls">;
  };

export class Transport implements SocketEvents {
  readonly #runtime: Runtime;
  readonly #memory: BufferMemory | undefined;
  readonly #owner: TransportOwner;
  readonly #output: TransportOutput;
  readonly #address: Address;
  readonly #tls: UpstreamTlsOptions | undefined;
  readonly #connecting = new AbortController();
  #socket: CallbackSocket | undefined;
  #pauses = 0;
  #flushScheduled = false;
  /** Since when the system has not taken what it was given; Infinity while it has. */
  writingSinceMs = Infinity;
  /** What the system has not taken whole. */
  #writing: Uint8Array<ArrayBuffer> | undefined;
  /** Nothing more can be sent. */
  #isUnwritable = false;
  #hasEnded = false;
  #closed = false;

  /** Starts to connect at once. */
  constructor(
    { runtime, memory, server, options }: TransportDeps,
    owner: TransportOwner,
    output: TransportOutput,
  ) {
    this.#runtime = runtime;
    this.#memory = memory;
    this.#address = server.address;
    this.#owner = owner;
    this.#output = output;
    this.#tls = options.tls;
    void this.#connect();
  }

  /** There is something to write: it leaves at the end of this turn of the event loop. */
  schedule(): void {
    if (this.#flushScheduled || !this.#canWrite) return;
    this.#flushScheduled = true;
    this.#runtime.clock.atTurnEnd(this.#flushScheduledOutput);
  }

  /** There is something to write, and nothing to wait for. */
  flush(): void {
    while (this.#canWrite) {
      const bytes = this.#output.take();
      if (bytes === undefined) return this.#endIfDone();
      const isTaken = this.#socket!.write(bytes);
      if (!isTaken && this.#socket!.isBroken) {
        this.#unwritable();
        return;
      }
      this.#output.sending();
      if (isTaken) this.#output.recycle(bytes);
      else this.#wait(bytes);
    }
  }

  /**
   * Stops reading until {@link resume} was called as often; a piece that is under way may still
   * arrive.
   */
  pause(): void {
    if (this.#pauses++ === 0) this.#socket?.pause();
  }

  resume(): void {
    if (--this.#pauses === 0) this.#socket?.resume();
  }

  /** Whether the application has read all that was written, as far as anybody can tell. */
  peerProgress(mustBeOpen: boolean): PeerProgress {
    if (this.#writing !== undefined) return "behind";
    return this.#socket?.peerProgress?.(mustBeOpen) ?? "unknown";
  }

  /** Whether a process has accepted the connection; undefined where nobody can tell. */
  isAccepted(): boolean | undefined {
    return this.#socket?.isAccepted?.();
  }

  /** Ends the connection at once; `onClosed` follows. */
  close(): void {
    if (this.#closed) return;
    this.#connecting.abort();
    // The connect that is called off says so itself.
    if (this.#socket === undefined) return;
    this.#closed = true;
    this.#forgetWriting();
    const error = new Error(`Connection with ${formatAddress(this.#address)} was destroyed`);
    // Not in the middle of what its owner does.
    queueMicrotask(() => this.#owner.onClosed(error));
    this.#socket.reset();
  }

  // What the socket tells.

  received(bytes: Uint8Array): void {
    if (!this.#closed) this.#owner.onBytes(bytes);
  }

  drained(): void {
    const bytes = this.#writing;
    if (bytes === undefined || this.#closed) return;
    this.#forgetWriting();
    if (this.#socket!.isBroken) {
      this.#unwritable();
      return;
    }
    this.writingSinceMs = Infinity;
    this.#output.recycle(bytes);
    this.flush();
    if (this.#writing === undefined && this.#canWrite) this.#owner.onDrained();
  }

  peerEnded(): void {
    if (this.#closed) return;
    this.#socket!.reset();
    this.#end(undefined);
  }

  closed(error?: Error): void {
    this.#end(error);
  }

  /** Where the runtime cannot say so to the other end, it finds out when the connection closes. */
  #endIfDone(): void {
    if (!this.#output.isLast || this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket!.end?.();
  }

  get #canWrite(): boolean {
    return this.#socket !== undefined && this.#writing === undefined &&
      !this.#isUnwritable && !this.#closed;
  }

  readonly #flushScheduledOutput = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };

  async #connect(): Promise<void> {
    try {
      await connectSocket(this.#runtime, {
        address: this.#address,
        ...(this.#tls && { tls: this.#tls }),
        signal: this.#connecting.signal,
        onSocket: (socket) => this.#opened(socket),
      });
    } catch (error) {
      this.#end(error);
    }
  }

  #opened(socket: CallbackSocket): SocketEvents {
    this.#socket = socket;
    // Not before the socket knows who hears of it.
    queueMicrotask(() => {
      if (this.#closed) return;
      // It came to stand while it was being called off.
      if (this.#connecting.signal.aborted) return this.close();
      this.#owner.onOpen();
      this.schedule();
    });
    return this;
  }

  #wait(bytes: Uint8Array<ArrayBuffer>): void {
    this.#writing = bytes;
    this.#memory?.count(bytes.length);
    this.writingSinceMs = this.#runtime.clock.nowMs();
  }

  /** Reading finds out why, after what the application may still have said. */
  #unwritable(): void {
    this.#isUnwritable = true;
    this.#owner.onUnwritable();
  }

  #forgetWriting(): void {
    if (this.#writing !== undefined) this.#memory?.count(-this.#writing.length);
    this.#writing = undefined;
  }

  #end(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetWriting();
    this.#owner.onClosed(error);
  }
}
