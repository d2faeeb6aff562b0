/**
 * The streams of a connection by their numbers. A number that is not here has not been used yet, was
 * passed over, or its stream is over; of the last few hundred that are over it is known how, for what
 * a client sent before it could know of our RST_STREAM is no error (RFC 9113 section 5.1).
 */
import { RESET_STREAMS_MAX } from "./limits.ts";
import type { Stream } from "./stream.ts";

/** How a stream ended. */
export type StreamEnd = "over" | "reset by us" | "reset by the client";

export class StreamTable {
  readonly #streams = new Map<number, Stream>();
  /** The last that ended, in a ring: one more takes the place of the oldest. */
  readonly #ended: number[] = [];
  readonly #ends: StreamEnd[] = [];
  #endedCount = 0;
  #lastId = 0;

  get size(): number {
    return this.#streams.size;
  }

  /** The highest number that the client has used. */
  get lastId(): number {
    return this.#lastId;
  }

  get(id: number): Stream | undefined {
    return this.#streams.get(id);
  }

  values(): IterableIterator<Stream> {
    return this.#streams.values();
  }

  /** Whether a client has not used the number, or never may. */
  isIdle(id: number): boolean {
    return id > this.#lastId || (id & 1) === 0;
  }

  /** Undefined for one that was never used, or ended long ago. */
  endOf(id: number): StreamEnd | undefined {
    const index = this.#ended.indexOf(id);
    return index < 0 ? undefined : this.#ends[index];
  }

  /** The client begins a stream. */
  use(id: number): void {
    this.#lastId = id;
  }

  add(stream: Stream): void {
    this.#streams.set(stream.id, stream);
  }

  remove(id: number, end: StreamEnd): void {
    this.#streams.delete(id);
    const place = this.#endedCount++ % RESET_STREAMS_MAX;
    this.#ended[place] = id;
    this.#ends[place] = end;
  }
}
