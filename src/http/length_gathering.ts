/**
 * Bodies that are gathered so that they go out with their length: Bun's own HTTP server drops the
 * Content-Length of a body that is a stream (oven-sh/bun#10507), not of one that is whole. A short
 * body of declared length is waited for, for a moment; what is not whole by then goes on as a
 * stream, beginning with what has come. Bodies without a declared length never come here, so an
 * event stream does not wait.
 *
 * A body that breaks off while it is gathered breaks off for the client too, as it would elsewhere.
 */
import { HTTP_LIMIT_DEFAULTS } from "./options.ts";
import { turnsBeforeError } from "../runtime/error_turns.ts";
import type { Clock } from "../runtime/runtime.ts";

export interface LengthGatheringLimits {
  /** Longest body that is waited for, in bytes; 0: none. */
  readonly lengthMax: number;
  /** Longest wait for one. */
  readonly waitMs: number;
  /** Most bytes of all that are waited for at once; beyond it bodies go out as streams. */
  readonly totalMax: number;
}

export const LENGTH_GATHERING_LIMITS: LengthGatheringLimits = {
  lengthMax: HTTP_LIMIT_DEFAULTS.responseGatherMax,
  waitMs: 50,
  totalMax: 64 * 1024 * 1024,
};

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Reading = ReturnType<Reader["read"]>;

export class LengthGathering {
  readonly #clock: Pick<Clock, "setTimer" | "clearTimer" | "atTurnEnd">;
  readonly #limits: LengthGatheringLimits;
  #heldLength = 0;

  constructor(
    clock: Pick<Clock, "setTimer" | "clearTimer" | "atTurnEnd">,
    limits: LengthGatheringLimits = LENGTH_GATHERING_LIMITS,
  ) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Bytes that are waited for now. */
  get heldLength(): number {
    return this.#heldLength;
  }

  /** Whether a body of this declared length would be waited for now. */
  takes(declared: number | undefined): declared is number {
    const { lengthMax, totalMax } = this.#limits;
    return declared !== undefined && declared <= lengthMax &&
      this.#heldLength + declared <= totalMax;
  }

  /** All of the body where it comes in time, else a stream of all of it. Never rejects. */
  async gather(
    body: ReadableStream<Uint8Array>,
    declared: number,
  ): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>> {
    const reader = body.getReader();
    const pieces: Uint8Array[] = [];
    const late = Promise.withResolvers<undefined>();
    const timer = this.#clock.setTimer(() => late.resolve(undefined), this.#limits.waitMs);
    this.#heldLength += declared;
    try {
      for (;;) {
        const reading = reader.read();
        // A failure is for whoever reads the stream to meet.
        const read = await Promise.race([reading.catch(() => undefined), late.promise]);
        if (read === undefined) return this.#resumed(reader, reading, pieces);
        if (read.done) return joined(pieces);
        pieces.push(read.value);
      }
    } finally {
      this.#clock.clearTimer(timer);
      this.#heldLength -= declared;
    }
  }

  /** What has come, what is being read, and the rest. */
  #resumed(
    reader: Reader,
    reading: Reading,
    pieces: readonly Uint8Array[],
  ): ReadableStream<Uint8Array> {
    let next: Reading | undefined = reading;
    let gathered: readonly Uint8Array[] = pieces;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (gathered.length > 0) {
          controller.enqueue(joined(gathered));
          gathered = [];
          return;
        }
        try {
          const { done, value } = await (next ?? reader.read());
          next = undefined;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch {
          await turnsBeforeError(this.#clock);
          // Without a reason: Bun prints one to standard error.
          controller.error();
        }
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
