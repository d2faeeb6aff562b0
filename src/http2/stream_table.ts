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
  /** In the order in which they ended. */
  readonly #ended = new Map<number, StreamEnd>();
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
    return this.#ended.get(id);
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
    this.#ended.set(id, end);
    if (this.#ended.size <= RESET_STREAMS_MAX) return;
    for (const first of this.#ended.keys()) {
      this.#ended.delete(first);
      return;
    }
  }
}
