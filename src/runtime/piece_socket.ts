/**
 * A raw socket over reads and writes that are promises, where the runtime has no callbacks: one loop
 * reads, one write is under way at a time, and it is told when the system has taken all.
 */
import type { PeerProgress } from "./peer_progress.ts";
import type { CallbackSocket, SocketConnectOptions, SocketEvents } from "./callback_socket.ts";
import { reportUnexpected } from "./unexpected.ts";

/** A connection that is read and written piece by piece, each way by one caller at a time. */
export interface PieceConnection {
  /** The next bytes; undefined where the peer sends nothing more. Rejects when it broke. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when the system has taken all of them, and rejects when the peer takes nothing more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more is written. */
  closeWrite(): Promise<void>;
  /** Ends both directions; a read that is under way settles. */
  destroy(): void;
  /** As {@link CallbackSocket.peerProgress}. */
  peerProgress?(mustBeOpen: boolean): PeerProgress;
  /** As {@link CallbackSocket.isAccepted}. */
  isAccepted?(): boolean | undefined;
}

/** Makes the socket, tells who is to hear of it, and reads until the end. */
export function openPieceSocket(
  connection: PieceConnection,
  onSocket: SocketConnectOptions["onSocket"],
): void {
  void new PieceSocket(connection, onSocket).readUntilEnd();
}

class PieceSocket implements CallbackSocket {
  readonly #connection: PieceConnection;
  readonly #events: SocketEvents;
  /** The first one is under way. */
  readonly #writes: Uint8Array[] = [];
  #isBroken = false;
  #isEnding = false;
  #isPaused = false;
  #isReset = false;
  #isGone = false;
  #wake: (() => void) | undefined;

  constructor(connection: PieceConnection, onSocket: SocketConnectOptions["onSocket"]) {
    this.#connection = connection;
    this.#events = onSocket(this);
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Never known at once. */
  write(bytes: Uint8Array): boolean {
    if (this.#isBroken || this.#isReset || this.#isGone) return false;
    if (this.#writes.push(bytes) === 1) this.#writeNext();
    return false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake?.();
    this.#wake = undefined;
  }

  reset(): void {
    this.#isReset = true;
    this.#connection.destroy();
    this.resume();
  }

  end(): void {
    this.#isEnding = true;
    if (this.#writes.length === 0) this.#closeWrite();
  }

  peerProgress(mustBeOpen: boolean): PeerProgress {
    if (this.#isBroken || this.#isGone) return "closed";
    return this.#connection.peerProgress?.(mustBeOpen) ?? "unknown";
  }

  isAccepted(): boolean | undefined {
    return this.#connection.isAccepted?.();
  }

  async readUntilEnd(): Promise<void> {
    let failure: Error | undefined;
    try {
      await this.#readAll();
      if (!this.#isReset) this.#tell("peerEnded", () => this.#events.peerEnded());
      while (!this.#isReset) await this.#untilWoken();
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    // What broke in one direction may stand in the other.
    this.#connection.destroy();
    this.#isGone = true;
    this.#tell("closed", () => this.#events.closed(this.#isReset ? undefined : failure));
  }

  async #readAll(): Promise<void> {
    for (;;) {
      while (this.#isPaused) await this.#untilWoken();
      const bytes = await this.#connection.read();
      if (bytes === undefined || this.#isReset) return;
      try {
        this.#events.received(bytes);
      } catch (error) {
        this.#threw("received", error);
      }
    }
  }

  #tell(handler: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#threw(handler, error);
    }
  }

  /** It must not pass for a connection that broke; nobody knows what state this one is in. */
  #threw(handler: string, error: unknown): void {
    reportUnexpected(error, `${handler} of a socket`);
    if (!this.#isGone) this.reset();
  }

  #untilWoken(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #writeNext(): void {
    this.#connection.write(this.#writes[0]!).then(this.#written, this.#failed);
  }

  #closeWrite(): void {
    // A write that fails has told so itself.
    this.#connection.closeWrite().catch(() => {});
  }

  readonly #written = (): void => {
    this.#writes.shift();
    if (this.#isReset || this.#isGone) return;
    if (this.#writes.length > 0) return this.#writeNext();
    if (this.#isEnding && !this.#isBroken) this.#closeWrite();
    this.#tell("drained", () => this.#events.drained());
  };

  readonly #failed = (): void => {
    this.#isBroken = true;
    this.#writes.length = 0;
    this.#written();
  };
}
