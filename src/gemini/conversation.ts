/**
 * One connection of a client: request line, response, close.
 *
 *     request line ──► response ──► close_notify ──► the client closes
 *          │              │                             │
 *          └── timeout ───┴── broken, client slow ──────┴──► cut, without close_notify
 *
 * Each wait has a limit. What the client sends behind its line is read and dropped, because closing
 * with bytes unread would reset the connection and lose the response.
 */
import type { Clock } from "../runtime/clock.ts";
import type { TlsConnection } from "../runtime/tls.ts";
import { encodeHeader } from "./response_header.ts";
import type { GeminiLimits } from "./options.ts";
import type { GeminiReply } from "./request.ts";
import { RequestLineReader } from "./request_line.ts";
import type { UriRefusal } from "./uri.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** How long a client may take nothing of a piece while buffers hold more memory than they may. */
export const STALLED_MS = 10_000;

/** The count of what buffers of all clients hold. */
export interface HeldCount {
  /** Whether they hold more than they may. */
  readonly isFull: boolean;
  /** Bytes more (positive) or fewer than before. */
  count(difference: number): void;
}

const UNCOUNTED: HeldCount = { isFull: false, count() {} };

/** How a response came to its end. */
export interface Delivery {
  readonly bytes: number;
  /** Undefined: the client has all of it. */
  readonly failure: "broken" | "send_timeout" | "client_gone" | undefined;
}

export class Conversation {
  readonly connection: TlsConnection;
  readonly #clock: Clock;
  readonly #limits: GeminiLimits;
  readonly #memory: HeldCount;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #left = new AbortController();

  constructor(
    connection: TlsConnection,
    clock: Clock,
    limits: GeminiLimits,
    memory: HeldCount = UNCOUNTED,
  ) {
    this.connection = connection;
    this.#memory = memory;
    this.#clock = clock;
    this.#limits = limits;
    this.#reader = connection.readable.getReader();
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => this.#left.abort());
  }

  /** Fires when the connection is broken. */
  get signal(): AbortSignal {
    return this.#left.signal;
  }

  /** The request; undefined when the client left or took too long, and is cut. */
  async readLine(): Promise<
    { readonly kind: "line"; readonly uri: string } | UriRefusal | "left" | "timeout"
  > {
    const line = new RequestLineReader();
    let isLate = false;
    const timer = this.#clock.setTimer(() => {
      isLate = true;
      this.cut();
    }, this.#limits.requestTimeoutMs);
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const request = line.push(value);
        if (request !== undefined) return request;
      }
    } catch (error) {
      // Broken, or cut by the timer.
      reportIfOurs(error, "reading a request");
    } finally {
      this.#clock.clearTimer(timer);
    }
    this.cut();
    return isLate ? "timeout" : "left";
  }

  /** Sends a response and closes; a response that breaks off is cut. */
  async reply(reply: GeminiReply): Promise<Delivery> {
    const drained = this.#drain();
    let bytes = 0;
    try {
      for await (const piece of piecesOf(reply)) {
        const sent = await this.#send(piece);
        if (sent !== undefined) {
          this.cut();
          return { bytes, failure: sent };
        }
        bytes += piece.length;
      }
    } catch (error) {
      reportIfOurs(error, "sending a response");
      this.cut();
      return { bytes, failure: "broken" };
    }
    await this.#withLimit(this.#limits.closeTimeoutMs, async () => {
      await this.#writer.close();
      await drained;
    });
    this.cut();
    return { bytes, failure: undefined };
  }

  /** Ends at once, without close_notify where the response was not complete. */
  cut(): void {
    this.connection.destroy();
  }

  async #send(piece: Uint8Array): Promise<"send_timeout" | "client_gone" | undefined> {
    this.#memory.count(piece.length);
    const outcome = await this.#withLimit(
      this.#limits.sendTimeoutMs,
      () => this.#writer.write(piece),
      () => this.#memory.isFull,
    );
    this.#memory.count(-piece.length);
    return outcome === "late" ? "send_timeout" : outcome === "failed" ? "client_gone" : undefined;
  }

  /** Reads on until the client has finished. */
  async #drain(): Promise<void> {
    try {
      while (!(await this.#reader.read()).done);
    } catch {
      // It is gone: so much the better.
    }
  }

  /** Each {@link STALLED_MS} it is asked whether there is haste: then the time is over. */
  async #withLimit(
    limitMs: number,
    work: () => Promise<void>,
    isHasty: () => boolean = () => false,
  ): Promise<"done" | "late" | "failed"> {
    const { promise, resolve } = Promise.withResolvers<"done" | "late" | "failed">();
    let leftMs = limitMs;
    const wait = () => {
      const waitMs = Math.min(leftMs, STALLED_MS);
      leftMs -= waitMs;
      return this.#clock.setTimer(() => {
        if (leftMs <= 0 || isHasty()) resolve("late");
        else timer = wait();
      }, waitMs);
    };
    let timer = wait();
    work().then(() => resolve("done"), () => resolve("failed"));
    const outcome = await promise;
    this.#clock.clearTimer(timer);
    return outcome;
  }
}

/** Header and body; a short response is one piece. Left early, a stream is cancelled. */
async function* piecesOf({ header, body }: GeminiReply): AsyncGenerator<Uint8Array> {
  const headerBytes = encodeHeader(header);
  if (body === null) {
    yield headerBytes;
  } else if (body instanceof Uint8Array) {
    const whole = new Uint8Array(headerBytes.length + body.length);
    whole.set(headerBytes);
    whole.set(body, headerBytes.length);
    yield whole;
  } else {
    const reader = body.getReader();
    try {
      yield headerBytes;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}
