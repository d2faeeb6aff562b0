/**
 * Bodies over HTTP/3, as far as the runtime's server holds them: of a request what has come and nobody
 * has read, up to the window that a client has for it; of a response the piece that waits for its
 * client. Both count as what buffers hold. A client that takes nothing of its response loses it after
 * the time that one of HTTP/1 has, too.
 */
import { HeldMemory, type MemoryCount, sendLimitMs, STALLED_MS } from "../http1/held_memory.ts";
import { responseOf } from "../runtime/http_response.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";

/** What a client may send of a body that nobody reads: Bun 1.4.5 takes about so much. */
export const HTTP3_WINDOW = 1024 * 1024;

/** A response is handed over in pieces of at most so many bytes. */
export const PIECE_LENGTH_MAX = 64 * 1024;

export interface Http3BodyDeps {
  readonly clock: Pick<Clock, "setTimer" | "clearTimer">;
  readonly memory: MemoryCount;
  readonly timeouts: { readonly sendMs: number };
}

/** A request's body, until it was read, or its exchange is over. */
export class RequestBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #held: HeldMemory;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #length: number | undefined;
  #left: number;
  #isOver = false;

  /** `length` is what was declared; a body that has another one breaks. */
  constructor(
    body: ReadableStream<Uint8Array>,
    length: number | undefined,
    memory: MemoryCount,
  ) {
    this.#reader = body.getReader();
    this.#held = new HeldMemory(memory);
    this.#length = length;
    this.#left = length ?? Infinity;
    this.#held.note(Math.min(this.#left, HTTP3_WINDOW));
    this.stream = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: (reason) => {
        this.end();
        return this.#reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Nobody holds anything of it any more. */
  end(): void {
    this.#isOver = true;
    this.#held.note(0);
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      this.#left -= value?.length ?? 0;
      if (this.#left < 0) throw new Error("The body is longer than Content-Length says");
      if (!done) {
        if (!this.#isOver) this.#held.note(Math.min(this.#left, HTTP3_WINDOW));
        return controller.enqueue(value);
      }
      if (this.#length !== undefined && this.#left > 0) {
        throw new Error("The body is shorter than Content-Length says");
      }
      this.end();
      controller.close();
    } catch (error) {
      this.end();
      this.#reader.cancel().catch(() => {});
      throw error;
    }
  }
}

/** The same response, whose body is counted while its client has yet to take it; `onOver` is called once. */
export function countedResponse(
  response: Response,
  onOver: () => void,
  deps: Http3BodyDeps,
): Response {
  const { body, status, statusText, headers } = response;
  if (body !== null) {
    return responseOf(sentBody(body, onOver, deps), { status, statusText, headers });
  }
  onOver();
  return response;
}

function sentBody(
  body: ReadableStream<Uint8Array>,
  onOver: () => void,
  { clock, memory, timeouts }: Http3BodyDeps,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const held = new HeldMemory(memory);
  let rest = new Uint8Array() as Uint8Array;
  let timer: TimerId | undefined;
  const taken = (): void => {
    held.note(0);
    if (timer !== undefined) clock.clearTimer(timer);
    timer = undefined;
  };
  const end = (): void => {
    taken();
    onOver();
  };
  const watch = (
    controller: ReadableStreamDefaultController<Uint8Array>,
    waitedMs: number,
  ): void => {
    timer = clock.setTimer(() => {
      const now = waitedMs + STALLED_MS;
      if (now < sendLimitMs({ timeouts, memory })) return watch(controller, now);
      end();
      controller.error(new Error("The client takes nothing of its response"));
      void reader.cancel().catch(() => {});
    }, STALLED_MS);
  };
  return new ReadableStream({
    async pull(controller) {
      taken();
      while (rest.length === 0) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          end();
          throw error;
        });
        if (done) {
          end();
          return controller.close();
        }
        rest = value;
      }
      const piece = rest.subarray(0, PIECE_LENGTH_MAX);
      held.note(rest.length);
      rest = rest.subarray(piece.length);
      watch(controller, 0);
      controller.enqueue(piece);
    },
    cancel(reason) {
      end();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
