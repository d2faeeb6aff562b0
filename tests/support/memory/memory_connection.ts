/**
 * Two connections in memory, wired to each other, with the same contract as sockets: back-pressure,
 * half-close, breaking off. Each direction is a pipe that holds a bounded number of bytes; a write
 * settles when all its bytes are in the pipe. Nothing depends on time. A test may set how many bytes
 * a read yields at most, down to one.
 */
import type { ByteConnection } from "../../../src/runtime/connection.ts";

/** Bytes that a direction holds before its writer waits: what a small socket buffer holds. */
const CAPACITY_DEFAULT = 64 * 1024;

export interface MemoryPairOptions {
  /** Most bytes of one piece that a reader gets; left out, pieces are as they were written. */
  readonly pieceLengthMax?: number;
  /** Bytes that each direction holds before its writer waits. */
  readonly capacity?: number;
  /** How each end calls the other one. */
  readonly names?: readonly [first: string, second: string];
}

/** Two connected ends. */
export function memoryPair(options: MemoryPairOptions = {}): [MemoryConnection, MemoryConnection] {
  const toFirst = new MemoryPipe(options);
  const toSecond = new MemoryPipe(options);
  const [firstName, secondName] = options.names ?? ["memory:first", "memory:second"];
  return [
    new MemoryConnection(toFirst, toSecond, secondName),
    new MemoryConnection(toSecond, toFirst, firstName),
  ];
}

/** One end of a pair. */
export class MemoryConnection implements ByteConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly remote: string;
  readonly #incoming: MemoryPipe;
  readonly #outgoing: MemoryPipe;
  #destroyed = false;

  constructor(incoming: MemoryPipe, outgoing: MemoryPipe, remote: string) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.remote = remote;
    this.readable = incoming.readable;
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => outgoing.onBreak((reason) => controller.error(reason)),
      write: (chunk) => outgoing.write(chunk),
      close: () => outgoing.end(),
      abort: () => this.destroy(),
    });
  }

  /** Whether this end was destroyed, for tests that want to know. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Ends our side at once; the peer reads what it was sent and then meets the end. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    const gone = new Error(`Connection with ${this.remote} was destroyed`);
    this.#incoming.break(gone);
    this.#outgoing.breakWriter(gone);
  }

  /** Both ends meet an error, as when a network goes down; bytes not yet read are lost. */
  break(reason: Error = new Error(`Connection with ${this.remote} broke`)): void {
    this.#incoming.break(reason);
    this.#outgoing.break(reason);
  }
}

/** One direction. */
class MemoryPipe {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #capacity: number;
  readonly #pieceLengthMax: number;
  readonly #pieces: Uint8Array[] = [];
  readonly #breakListeners: ((reason: Error) => void)[] = [];
  #length = 0;
  #ended = false;
  #cancelled = false;
  #broken: Error | undefined;
  #reader!: ReadableStreamDefaultController<Uint8Array>;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor({ capacity, pieceLengthMax }: MemoryPairOptions) {
    this.#capacity = capacity ?? CAPACITY_DEFAULT;
    this.#pieceLengthMax = pieceLengthMax ?? Infinity;
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#reader = controller),
      pull: () => this.#deliver(),
      cancel: () => this.#cancel(),
    }, { highWaterMark: 0 });
  }

  onBreak(listener: (reason: Error) => void): void {
    this.#breakListeners.push(listener);
  }

  /** Copies: the caller may use its bytes again once the write has settled. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#broken) throw this.#broken;
    if (this.#cancelled || bytes.length === 0) return;
    this.#pieces.push(bytes.slice());
    this.#length += bytes.length;
    this.#wakeReader?.();
    while (this.#length > this.#capacity) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
      if (this.#broken) throw this.#broken;
    }
  }

  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
  }

  break(reason: Error): void {
    if (this.#broken) return;
    this.#reader.error(reason);
    this.#pieces.length = 0;
    this.#length = 0;
    this.breakWriter(reason);
  }

  /** The writer has gone or may not go on; what it wrote can still be read. */
  breakWriter(reason: Error): void {
    if (this.#broken) return;
    this.#broken = reason;
    this.#ended = true;
    for (const listener of this.#breakListeners) listener(reason);
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  async #deliver(): Promise<void> {
    while (this.#length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      if (this.#cancelled) return;
    }
    const piece = this.#pieces[0];
    if (piece === undefined) return this.#closeReader();
    const taken = piece.subarray(0, this.#pieceLengthMax);
    if (taken.length < piece.length) this.#pieces[0] = piece.subarray(taken.length);
    else this.#pieces.shift();
    this.#length -= taken.length;
    if (this.#length <= this.#capacity) this.#wakeWriter?.();
    this.#reader.enqueue(taken);
    if (this.#length === 0 && this.#ended) this.#closeReader();
  }

  #closeReader(): void {
    try {
      this.#reader.close();
    } catch {
      // Broken meanwhile: the reader has met the error.
    }
  }

  #cancel(): void {
    this.#cancelled = true;
    this.#pieces.length = 0;
    this.#length = 0;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}
