/**
 * A body sent no faster than so many bytes a second. Pieces are cut so that each is a tenth of a
 * second's worth, so the rate is kept in small steps; there is one timer at a time, and it ends with
 * the body.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";

const PIECES_PER_SECOND = 10;

/** The same bytes, at most `bytesPerSecond` of them each second, counted from the first. */
export function limitRate(
  source: ReadableStream<Uint8Array>,
  bytesPerSecond: number,
  clock: Clock,
): ReadableStream<Uint8Array> {
  const pieceLengthMax = Math.max(1, Math.floor(bytesPerSecond / PIECES_PER_SECOND));
  const reader = source.getReader();
  const pause = new Pause(clock);
  let rest: Uint8Array = new Uint8Array(0);
  let startedMs: number | undefined;
  let sentLength = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (rest.length === 0) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        rest = value;
      }
      const nowMs = clock.nowMs();
      startedMs ??= nowMs;
      await pause.forMs(startedMs + sentLength * 1000 / bytesPerSecond - nowMs);
      if (pause.isOver) return;
      const piece = rest.subarray(0, pieceLengthMax);
      rest = rest.subarray(piece.length);
      sentLength += piece.length;
      controller.enqueue(piece);
    },
    cancel(reason) {
      pause.end();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** Waits, until nobody wants it any more. */
class Pause {
  readonly #clock: Clock;
  #timer: TimerId | undefined;
  #wake: (() => void) | undefined;
  isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async forMs(timeMs: number): Promise<void> {
    if (timeMs <= 0 || this.isOver) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#timer = this.#clock.setTimer(resolve, timeMs);
    });
  }

  end(): void {
    this.isOver = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#wake?.();
  }
}
