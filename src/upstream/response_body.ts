/**
 * The body of an answer between the connection, which pushes, and the front, which takes it: whole
 * when it has ended by the time it is looked at, else as a stream. Counts bytes against a declared
 * Content-Length, and drops what an answer without a body (to HEAD, 204, 304) should not have sent.
 */
import type { CgiHead } from "../protocol/cgi_response.ts";
import type { Files } from "../runtime/runtime.ts";
import { errorText, UpstreamError } from "./errors.ts";
import type { UpstreamLimits } from "./options.ts";
import type { BodyProgress } from "./request.ts";
import { ResponseBuffer } from "./response_buffer.ts";

export interface ResponseBodyOptions {
  readonly head: CgiHead;
  /** The request was HEAD. */
  readonly withoutBody: boolean;
  readonly limits: UpstreamLimits;
  readonly files: Files;
  readonly onSpill: (bytes: number) => void;
  readonly onFull: () => void;
  readonly onRoom: () => void;
  /** The rest is of no use: the front does not want it, or what was buffered is lost. */
  readonly onGivenUp: (error: UpstreamError) => void;
}

export class ResponseBody {
  readonly head: CgiHead;
  readonly progress: BodyProgress = {
    bytes: 0,
    ended: false,
    error: undefined,
    onEnded: undefined,
  };

  readonly #options: ResponseBodyOptions;
  readonly #withoutBody: boolean;
  readonly #buffer: ResponseBuffer;
  #pushedLength = 0;
  #inputEnded = false;
  #failure: UpstreamError | undefined;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Wakes the stream's pull. */
  #wake: (() => void) | undefined;

  constructor(options: ResponseBodyOptions) {
    this.#options = options;
    this.head = options.head;
    const { status } = options.head;
    this.#withoutBody = options.withoutBody || status === 204 || status === 304;
    this.#buffer = new ResponseBuffer({
      memoryMax: options.limits.responseBufferMax,
      spillMax: options.limits.spillMax,
      files: options.files,
      onRoom: options.onRoom,
      onSpill: options.onSpill,
      onFailed: (cause) => this.#giveUp(spillError(cause)),
    });
  }

  /** Why the answer broke off, if it has. */
  get failure(): UpstreamError | undefined {
    return this.#failure;
  }

  /** Adds bytes; those beyond a declared length are for {@link lengthFault} to tell. */
  push(bytes: Uint8Array): void {
    if (this.#withoutBody || this.#inputEnded) return;
    this.#pushedLength += bytes.length;
    if (this.#pushedLength > (this.head.contentLength ?? Infinity)) return;
    this.#buffer.push(bytes);
    if (this.#buffer.isFull) this.#options.onFull();
    this.#wakeUp();
  }

  /** What is wrong with the length so far, or (`atEnd`) with all of it. */
  lengthFault(atEnd: boolean): string | undefined {
    const declared = this.head.contentLength;
    if (this.#withoutBody || declared === undefined) return undefined;
    if (this.#pushedLength > declared) return `it is longer than its Content-Length of ${declared}`;
    if (atEnd && this.#pushedLength < declared) {
      return `it has ${this.#pushedLength} of the ${declared} bytes of its Content-Length`;
    }
    return undefined;
  }

  /** The application has finished. */
  end(): void {
    this.#inputEnded = true;
    this.#wakeUp();
  }

  /** The answer breaks off; a stream errors behind what is buffered, if there is who reads it. */
  fail(error: UpstreamError): void {
    if (this.#inputEnded) return;
    this.#failure = error;
    this.end();
    if (error.fault === "client") this.discard(error);
  }

  /** Drops what is buffered; a stream errors at once. */
  discard(error: UpstreamError): void {
    this.#settle(error);
    this.#stream?.error(error);
    this.#wakeUp();
  }

  /** See `UpstreamResponse.body`; to be called once. */
  take(): Uint8Array | ReadableStream<Uint8Array> | null {
    if (this.#withoutBody) {
      this.#settle(undefined);
      return null;
    }
    if (this.#inputEnded && this.#failure === undefined && this.#buffer.isInMemory) {
      const bytes = this.#buffer.takeNow();
      this.progress.bytes = bytes.length;
      this.#settle(undefined);
      return bytes;
    }
    return new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#stream = controller),
      pull: (controller) => this.#pull(controller),
      cancel: () => this.#cancel(),
    }, { highWaterMark: 0 });
  }

  /** Gives the next bytes, or waits for them. */
  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      // Without a turn in between: what is pushed there would wake nobody.
      const taken = this.#buffer.take();
      const bytes = taken instanceof Promise ? await taken : taken;
      if (this.progress.ended) return;
      if (bytes !== undefined) {
        this.progress.bytes += bytes.length;
        controller.enqueue(bytes);
        return;
      }
      if (this.#inputEnded && this.#buffer.length === 0) {
        this.#settle(this.#failure);
        if (this.#failure === undefined) controller.close();
        else controller.error(this.#failure);
        return;
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  #cancel(): void {
    this.#giveUp(
      new UpstreamError("client_gone", "The client left before its answer was complete", {
        phase: "body",
        fault: "client",
        sent: true,
      }),
    );
  }

  #giveUp(error: UpstreamError): void {
    this.#failure ??= error;
    this.#inputEnded = true;
    this.discard(error);
    this.#options.onGivenUp(error);
  }

  /** Nothing more will be taken. */
  #settle(error: UpstreamError | undefined): void {
    if (this.progress.ended) return;
    this.progress.ended = true;
    this.progress.error = error;
    this.#buffer.close();
    this.progress.onEnded?.();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function spillError(cause: unknown): UpstreamError {
  return new UpstreamError(
    "bad_answer",
    `Cannot keep the answer in a temporary file: ${errorText(cause)}`,
    { phase: "body", fault: "local", sent: true, cause },
  );
}
