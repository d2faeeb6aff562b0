/**
 * Reads a body and holds its client to a least rate: whoever sends a byte now and then keeps a
 * request, its memory and maybe a worker for as long as he likes (Slowloris). Only the time in which
 * a read waits counts, so an application that is slow to take the body makes no client slow.
 */
import { type DeadlineHolder, type Deadlines, NO_SLOT } from "./deadlines.ts";
import { UpstreamError } from "./errors.ts";

/** The waiting over which a rate is measured; a client may be silent for less. */
export const RATE_WINDOW_MS = 30_000;

type Piece =
  | { readonly done: false; readonly value: Uint8Array }
  | { readonly done: true; readonly value?: Uint8Array | undefined };

/** The part of a stream's reader that is used. */
export interface PieceReader {
  read(): Promise<Piece>;
  cancel(reason?: unknown): Promise<void>;
}

/** A reader of the stream; `rateMin` is in bytes a second, 0 for no limit. */
export function pieceReader(
  stream: ReadableStream<Uint8Array>,
  rateMin: number,
  deadlines: Deadlines,
): PieceReader {
  return rateMin > 0 ? new PacedReader(stream, rateMin, deadlines) : stream.getReader();
}

class PacedReader implements PieceReader, DeadlineHolder {
  deadlineMs = Infinity;
  deadlineSlot = NO_SLOT;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #rateMin: number;
  readonly #deadlines: Deadlines;
  /** Of the window: the waiting so far, without the read that is under way. */
  #waitedMs = 0;
  #bytes = 0;
  #startedMs = 0;
  #failure: UpstreamError | undefined;

  constructor(stream: ReadableStream<Uint8Array>, rateMin: number, deadlines: Deadlines) {
    this.#reader = stream.getReader();
    this.#rateMin = rateMin;
    this.#deadlines = deadlines;
  }

  /** @throws {UpstreamError} `request_body_timeout` when the client is too slow */
  async read(): Promise<Piece> {
    this.#startedMs = this.#deadlines.nowMs();
    this.deadlineMs = this.#startedMs + RATE_WINDOW_MS - this.#waitedMs;
    this.#deadlines.add(this);
    try {
      const result = await this.#reader.read();
      if (this.#failure !== undefined) throw this.#failure;
      this.#bytes += result.value?.length ?? 0;
      this.#waitedMs += this.#deadlines.nowMs() - this.#startedMs;
      if (result.done) this.#deadlines.remove(this);
      return result;
    } catch (error) {
      this.#deadlines.remove(this);
      throw this.#failure ?? error;
    } finally {
      this.deadlineMs = Infinity;
    }
  }

  cancel(reason?: unknown): Promise<void> {
    this.#deadlines.remove(this);
    return this.#reader.cancel(reason);
  }

  /** The window is over in the middle of a read. */
  onDeadline(): void {
    const lengthMin = this.#rateMin * RATE_WINDOW_MS / 1000;
    if (this.#bytes >= lengthMin) {
      this.#bytes = 0;
      this.#waitedMs = 0;
      this.#startedMs = this.#deadlines.nowMs();
      this.deadlineMs = this.#startedMs + RATE_WINDOW_MS;
      return;
    }
    const message = `The request's body comes with less than ${this.#rateMin} bytes a second`;
    this.#failure = new UpstreamError("request_body_timeout", message, {
      phase: "send",
      fault: "client",
      sent: true,
    });
    this.cancel(this.#failure).catch(() => {});
  }
}
