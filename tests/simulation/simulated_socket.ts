/**
 * A connection whose every movement the simulator makes: what the application sends waits in `toUs`
 * until a step hands over a piece, and what we send waits in `toApplication`. Reading is pulled, so
 * a connection that is not read gets nothing; a write settles when a step has taken enough.
 */
import type { ByteConnection } from "../../src/runtime/connection.ts";

/** Bytes of ours that wait before a write is held up. */
const CAPACITY = 4 * 1024;

/** Bytes that arrive together, and what is told when they have. */
interface Parcel {
  bytes: Uint8Array;
  /** Must not be cut, and arrives with what lies before it. */
  readonly whole: boolean;
  readonly onArrived: (() => void) | undefined;
}

export class SimulatedSocket implements ByteConnection {
  readonly remote = "simulated";
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** We have let go of it. */
  destroyed = false;
  /** The application has finished or the connection has broken. */
  ended = false;
  readonly #toUs: Parcel[] = [];
  readonly #toApplication: Uint8Array[] = [];
  #toApplicationLength = 0;
  #incoming!: ReadableStreamDefaultController<Uint8Array>;
  #outgoing!: WritableStreamDefaultController;
  #onPull: (() => void) | undefined;
  #onTaken: { resolve(): void; reject(reason: unknown): void } | undefined;

  constructor() {
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#incoming = controller),
      pull: () => new Promise<void>((resolve) => this.#onPull = resolve),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => void (this.#outgoing = controller),
      write: (chunk) => this.#write(chunk),
    });
  }

  /** Whether a piece can be handed to us now. */
  get canDeliver(): boolean {
    return !this.destroyed && this.#onPull !== undefined && (this.#toUs.length > 0 || this.ended);
  }

  get canTake(): boolean {
    return this.#toApplicationLength > 0;
  }

  /** The application sends. */
  send(bytes: Uint8Array, whole = false, onArrived?: () => void): void {
    if (this.ended || this.destroyed || bytes.length === 0) return;
    this.#toUs.push({ bytes, whole, onArrived });
  }

  /** The application finishes; what it sent can still be read. */
  end(): void {
    this.ended = true;
  }

  /** Both directions break at once. */
  reset(): void {
    if (this.destroyed) return;
    this.ended = true;
    this.#toUs.length = 0;
    this.#break(new Error("Connection reset"));
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#break(new Error("Connection destroyed"));
  }

  /** Hands over at most `lengthMax` bytes, or the end. */
  deliver(lengthMax: number): void {
    const onPull = this.#onPull;
    if (onPull === undefined) return;
    this.#onPull = undefined;
    const taken: Uint8Array[] = [];
    for (let rest = lengthMax, first = this.#toUs[0]; first !== undefined; first = this.#toUs[0]) {
      if (rest <= 0 && !first.whole) break;
      const bytes = first.whole ? first.bytes : first.bytes.subarray(0, rest);
      taken.push(bytes);
      rest -= bytes.length;
      first.bytes = first.bytes.subarray(bytes.length);
      if (first.bytes.length > 0) break;
      this.#toUs.shift();
      first.onArrived?.();
    }
    if (taken.length > 0) this.#incoming.enqueue(joined(taken));
    else if (this.ended) this.#incoming.close();
    onPull();
  }

  /** At most `lengthMax` of the bytes that we sent. */
  take(lengthMax: number): Uint8Array {
    const first = this.#toApplication[0]!;
    const bytes = first.subarray(0, lengthMax);
    if (bytes.length === first.length) this.#toApplication.shift();
    else this.#toApplication[0] = first.subarray(bytes.length);
    this.#toApplicationLength -= bytes.length;
    if (this.#toApplicationLength <= CAPACITY) {
      this.#onTaken?.resolve();
      this.#onTaken = undefined;
    }
    return bytes;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    // The writer may use its memory again once the write has settled.
    this.#toApplication.push(chunk.slice());
    this.#toApplicationLength += chunk.length;
    if (this.#toApplicationLength <= CAPACITY) return;
    await new Promise<void>((resolve, reject) => this.#onTaken = { resolve, reject });
  }

  #break(reason: Error): void {
    this.#incoming.error(reason);
    this.#outgoing.error(reason);
    this.#onTaken?.reject(reason);
    this.#onTaken = undefined;
    this.#onPull?.();
    this.#onPull = undefined;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
