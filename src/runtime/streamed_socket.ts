/**
 * A raw socket over a connection of streams, where the runtime has no better one: one loop reads,
 * and each write is told when the stream has taken it.
 */
import type { PeerProgress } from "./peer_progress.ts";
import type { CallbackSocket, SocketConnectOptions, SocketEvents } from "./callback_socket.ts";
import type { ByteConnection } from "./connection.ts";
import type { Runtime } from "./runtime.ts";
import { reportUnexpected } from "./unexpected.ts";

/**
 * Connects with the runtime's raw sockets, or over its streams.
 *
 * @throws {ConnectError} also when the signal fires before the connection stands
 */
export async function connectSocket(
  runtime: Pick<Runtime, "connect" | "connectSocket"> & Partial<Pick<Runtime, "tls">>,
  options: SocketConnectOptions,
): Promise<void> {
  const { address, tls, signal, onSocket } = options;
  if (tls === undefined && runtime.connectSocket !== undefined) {
    return runtime.connectSocket(options);
  }
  const connection = tls === undefined
    ? await runtime.connect(address, signal && { signal })
    : await runtime.tls!.connectChecked(address, tls, signal);
  void new StreamedSocket(connection, onSocket).read();
}

class StreamedSocket implements CallbackSocket {
  readonly #connection: ByteConnection;
  readonly #events: SocketEvents;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #writesOpen = 0;
  #isBroken = false;
  #isPaused = false;
  #isReset = false;
  #isGone = false;
  #wake: (() => void) | undefined;

  constructor(connection: ByteConnection, onSocket: SocketConnectOptions["onSocket"]) {
    this.#connection = connection;
    this.#reader = connection.readable.getReader();
    this.#writer = connection.writable.getWriter();
    // Each write tells of its own failure.
    this.#writer.closed.catch(() => {});
    this.#events = onSocket(this);
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Never known at once. */
  write(bytes: Uint8Array): boolean {
    if (this.#isBroken || this.#isReset || this.#isGone) return false;
    this.#writesOpen++;
    this.#writer.write(bytes).then(this.#written, this.#failed);
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
    // A write that fails has told so itself.
    this.#writer.close().catch(() => {});
  }

  peerProgress(mustBeOpen: boolean): PeerProgress {
    if (this.#isBroken || this.#isGone) return "closed";
    return this.#connection.peerProgress?.(mustBeOpen) ?? "unknown";
  }

  isAccepted(): boolean | undefined {
    return this.#connection.isAccepted?.();
  }

  /** Until the end. */
  async read(): Promise<void> {
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
      const { done, value } = await this.#reader.read();
      if (done || this.#isReset) return;
      try {
        this.#events.received(value);
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

  readonly #written = (): void => {
    this.#writesOpen--;
    if (this.#writesOpen > 0 || this.#isReset || this.#isGone) return;
    try {
      this.#events.drained();
    } catch (error) {
      this.#threw("drained", error);
    }
  };

  readonly #failed = (): void => {
    this.#isBroken = true;
    this.#written();
  };
}
