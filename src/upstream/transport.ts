/**
 * A socket to an application, seen as two loops: one writes what its owner has gathered, one hands
 * what arrives to its owner. All that gathers in one turn of the event loop leaves in one write;
 * while a write is on its way, what comes gathers for the next one. Paused, it stops reading, and
 * the operating system's buffers stop the application.
 *
 * It does not know FastCGI. A failed write does not end it: the application may have answered
 * before it closed, so the end is always found by reading.
 */
import type { Address } from "../runtime/address.ts";
import type { ByteConnection, Runtime } from "../runtime/runtime.ts";

export interface TransportOwner {
  /** The bytes to write now; undefined when there are none. */
  takeOutput(): Uint8Array<ArrayBuffer> | undefined;
  /** The write of these bytes is over. */
  recycleOutput(bytes: Uint8Array<ArrayBuffer>): void;
  onOpen(): void;
  onBytes(bytes: Uint8Array): void;
  /** A write failed: nothing more can be sent, while there may still be something to read. */
  onUnwritable(): void;
  /** The last call: closed by the application (`undefined`), or what broke. */
  onClosed(error: unknown): void;
}

export class Transport {
  readonly #runtime: Runtime;
  readonly #owner: TransportOwner;
  readonly #connecting = new AbortController();
  #socket: ByteConnection | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #flushScheduled = false;
  #writing = false;
  #paused = false;
  #resume: (() => void) | undefined;
  #closed = false;

  /** Starts to connect at once. */
  constructor(runtime: Runtime, address: Address, owner: TransportOwner) {
    this.#runtime = runtime;
    this.#owner = owner;
    this.#run(address);
  }

  /** There is something to write: it leaves at the end of this turn of the event loop. */
  schedule(): void {
    if (this.#flushScheduled || this.#writing || this.#writer === undefined) return;
    this.#flushScheduled = true;
    this.#runtime.clock.atTurnEnd(this.#flush);
  }

  /** Stops reading until {@link resume}. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#resume?.();
    this.#resume = undefined;
  }

  /** Ends the connection at once; `onClosed` follows. */
  close(): void {
    this.#closed = true;
    this.#connecting.abort();
    this.#socket?.destroy();
    this.resume();
  }

  async #run(address: Address): Promise<void> {
    let failure: unknown;
    try {
      const socket = await this.#runtime.connect(address, { signal: this.#connecting.signal });
      this.#socket = socket;
      if (!this.#closed) {
        this.#writer = socket.writable.getWriter();
        this.#owner.onOpen();
        this.schedule();
        await this.#read(socket.readable.getReader());
      }
    } catch (error) {
      failure = error;
    }
    this.#closed = true;
    this.#writer = undefined;
    this.#socket?.destroy();
    this.#owner.onClosed(failure);
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    while (!this.#closed) {
      while (this.#paused) await new Promise<void>((resolve) => this.#resume = resolve);
      const { done, value } = await reader.read();
      if (done || this.#closed) return;
      this.#owner.onBytes(value);
    }
  }

  readonly #flush = async (): Promise<void> => {
    this.#flushScheduled = false;
    this.#writing = true;
    try {
      for (;;) {
        const writer = this.#writer;
        if (writer === undefined) break;
        const bytes = this.#owner.takeOutput();
        if (bytes === undefined) break;
        await writer.write(bytes);
        this.#owner.recycleOutput(bytes);
      }
    } catch {
      // Reading finds out why, after what the application may still have said.
      this.#writer = undefined;
      if (!this.#closed) this.#owner.onUnwritable();
    } finally {
      this.#writing = false;
    }
  };
}
