/**
 * The body of a response between the connection, which pushes, and the gateway, which takes it:
 * whole when it has ended by the time it is looked at, else as a stream. Counts bytes against a
 * declared Content-Length: what is beyond it is dropped, however it was written, and what is
 * missing is an error. Drops what a response without a body (to HEAD, 204, 304) should not have
 * sent.
 */
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import type { Files } from "../runtime/files.ts";
import type { Deadlines } from "./deadlines.ts";
import { errorText, UpstreamError } from "./errors.ts";
import { clientGone } from "./exchange_errors.ts";
import type { UpstreamLimits } from "./options.ts";
import type { BodyProgress, UpstreamRequest } from "./request.ts";
import { PIECE_LENGTH_MAX, ResponseBuffer } from "./response_buffer.ts";
import type { SpillSpace } from "./spill_space.ts";
import type { BufferMemory } from "./buffer_memory.ts";

/** Whose response it is: one exchange. */
export interface ResponseBodyOwner {
  readonly context: {
    readonly options: { readonly limits: UpstreamLimits };
    readonly files: Files;
    readonly space: SpillSpace;
    readonly memory: BufferMemory;
    readonly deadlines: Deadlines;
  };
  /** Bytes that went to (positive) or left (negative) temporary files. */
  onBodySpill(bytes: number): void;
  /** Much of it has come; told once. */
  onBodyLong(): void;
  /** Whether no other response comes over its connection. */
  readonly isAlone: boolean;
  /** Asked when it is full: whether reading stands still, until it has room or hears of `spill`. */
  mayStandStill(): boolean;
  /** Nothing more should be read for it, until it has room. */
  onBodyFull(): void;
  onBodyRoom(): void;
  /** The rest is of no use: the gateway does not want it, or what was buffered is lost. */
  onBodyGivenUp(error: UpstreamError): void;
}

/**
 * Most bytes beyond the declared length that are waited through for the end of the request; with
 * one more it is given up, whose response is complete.
 */
export const EXCESS_LENGTH_MAX = 1024 * 1024;

/** The part of the buffer that makes a response a long one. */
const LONG_FROM = 0.25;

const SWITCHING_PROTOCOLS = 101;
const NOTHING = new Uint8Array(0);

/**
 * Most bytes that a stream has from its start: Bun writes them together with the header section,
 * for what is pulled it makes writes of their own.
 */
export const FIRST_LENGTH_MAX = 64 * 1024;

/**
 * What a stream gives at first, and again where its client has not taken the last piece for so long: a
 * piece waits at the client's socket, and of a thousand slow ones long pieces are much memory.
 */
export const SLOW_PIECE_LENGTH_MAX = 32 * 1024;
const SLOW_MS = 20;

/** The body of the response to a request, whose header section has come. */
export function bodyFor(
  section: CgiHeaderSection,
  request: Pick<UpstreamRequest, "method" | "isHandedOver">,
  owner: ResponseBodyOwner,
): ResponseBody {
  const isHandedOver = (section.directives !== undefined || section.localRedirect !== undefined) &&
    request.isHandedOver?.(section);
  return new ResponseBody(section, request.method === "HEAD", owner, isHandedOver);
}

export class ResponseBody {
  readonly section: CgiHeaderSection;
  readonly progress: BodyProgress = {
    bytes: 0,
    ended: false,
    error: undefined,
    onEnded: undefined,
  };

  readonly #owner: ResponseBodyOwner;
  readonly #withoutBody: boolean;
  /** Its length, as far as one is declared. */
  readonly #declared: number | undefined;
  /** Most responses are one piece, taken a moment later: only others need the buffer. */
  #onlyPiece: Uint8Array | undefined;
  #buffer: ResponseBuffer | undefined;
  #pushedLength = 0;
  #isLong = false;
  #inputEnded = false;
  #failure: UpstreamError | undefined;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** The next piece's, and when the last one was given. */
  #pieceLengthMax = SLOW_PIECE_LENGTH_MAX;
  #givenMs = -Infinity;
  /** Wakes the stream's pull. */
  #wake: (() => void) | undefined;

  /**
   * @param toHeadRequest the request was HEAD, so there is no body whatever is sent
   * @param isHandedOver a declared length is not that of this body
   */
  constructor(
    section: CgiHeaderSection,
    toHeadRequest: boolean,
    owner: ResponseBodyOwner,
    isHandedOver = false,
  ) {
    this.section = section;
    this.#declared = isHandedOver ? undefined : section.contentLength;
    this.#owner = owner;
    this.#withoutBody = toHeadRequest || section.status === 204 || section.status === 205 ||
      section.status === 304;
  }

  /** Why the response broke off, if it has. */
  get failure(): UpstreamError | undefined {
    return this.#failure;
  }

  /** Bytes that came beyond the declared length. */
  get excessLength(): number {
    return Math.max(0, this.#pushedLength - (this.#declared ?? Infinity));
  }

  /** Adds bytes, up to a declared length. False where nobody gets any of them. */
  push(all: Uint8Array): boolean {
    if (this.#withoutBody || this.#inputEnded) return false;
    const left = (this.#declared ?? Infinity) - this.#pushedLength;
    this.#pushedLength += all.length;
    if (left <= 0) return false;
    const bytes = all.length > left ? all.subarray(0, left) : all;
    if (this.#buffer === undefined && this.#onlyPiece === undefined) {
      this.#onlyPiece = bytes;
      return true;
    }
    const buffer = this.#buffered();
    this.#noteLength();
    buffer.push(bytes);
    if (buffer.isFull) this.#owner.onBodyFull();
    this.#wakeUp();
    return true;
  }

  /** Reading does not stand still for it any more: what does not fit goes into the file. */
  spill(isSlow: boolean): void {
    const buffer = this.#buffer;
    buffer?.spill(isSlow);
    if (buffer?.isFull) this.#owner.onBodyFull();
  }

  /** What is wrong with the length of all that has come. */
  lengthError(): string | undefined {
    const declared = this.#declared;
    if (this.#withoutBody || declared === undefined || this.#pushedLength >= declared) {
      return undefined;
    }
    return `it has ${this.#pushedLength} of the ${declared} bytes of its Content-Length`;
  }

  /** The application has finished. */
  end(): void {
    this.#inputEnded = true;
    this.#wakeUp();
  }

  /**
   * The response breaks off; a stream errors behind what is buffered, if there is who reads it. A
   * drain does not wait for that: when it is over no file may be left.
   */
  fail(error: UpstreamError): void {
    if (this.#inputEnded) return;
    this.#failure = error;
    this.end();
    if (error.fault === "client" || error.code === "draining") this.discard(error);
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
    const isInMemory = this.#buffer === undefined || this.#buffer.isInMemory;
    if (this.#inputEnded && this.#failure === undefined && isInMemory) {
      const bytes = this.#buffer?.takeNow() ?? this.#onlyPiece ?? NOTHING;
      this.progress.bytes = bytes.length;
      this.#settle(undefined);
      return bytes;
    }
    const buffer = this.#buffered();
    return new ReadableStream<Uint8Array>({
      start: (controller) => this.#start(controller, buffer),
      pull: (controller) => this.#pull(controller, buffer),
      cancel: () => this.#cancel(),
    }, { highWaterMark: 0 });
  }

  /** The buffer, with what came before it was needed. */
  #buffered(): ResponseBuffer {
    if (this.#buffer !== undefined) return this.#buffer;
    const owner = this.#owner;
    const { options: { limits }, files, space, memory } = owner.context;
    this.#buffer = new ResponseBuffer({
      memoryMax: limits.responseBufferMax,
      // What goes through a tunnel is not kept for a slow client: who sends it waits.
      spillMax: this.section.status === SWITCHING_PROTOCOLS ? 0 : limits.spillMax,
      files,
      space,
      memory,
      onRoom: () => owner.onBodyRoom(),
      ownsRead: () => owner.isAlone,
      mayStandStill: () => owner.mayStandStill(),
      onSpill: (bytes) => owner.onBodySpill(bytes),
      onFailed: (cause) => this.#giveUp(spillError(cause)),
    });
    if (this.#onlyPiece !== undefined) this.#buffer.push(this.#onlyPiece);
    this.#onlyPiece = undefined;
    if (this.#buffer.isFull) owner.onBodyFull();
    return this.#buffer;
  }

  #noteLength(): void {
    const { responseBufferMax } = this.#owner.context.options.limits;
    if (this.#isLong || this.#pushedLength < responseBufferMax * LONG_FROM) return;
    this.#isLong = true;
    this.#owner.onBodyLong();
  }

  #start(controller: ReadableStreamDefaultController<Uint8Array>, buffer: ResponseBuffer): void {
    this.#stream = controller;
    if (buffer.length === 0 || buffer.length > FIRST_LENGTH_MAX || !buffer.isInMemory) return;
    const bytes = buffer.takeNow();
    this.progress.bytes += bytes.length;
    controller.enqueue(bytes);
  }

  /** Gives the next bytes, or waits for them. */
  async #pull(
    controller: ReadableStreamDefaultController<Uint8Array>,
    buffer: ResponseBuffer,
  ): Promise<void> {
    this.#measure();
    for (;;) {
      // Without a turn in between: what is pushed there would wake nobody.
      const taken = buffer.take(this.#pieceLengthMax);
      const bytes = taken instanceof Promise ? await taken : taken;
      if (this.progress.ended) return;
      if (bytes !== undefined) {
        this.progress.bytes += bytes.length;
        this.#givenMs = this.#owner.context.deadlines.nowMs();
        controller.enqueue(bytes);
        return;
      }
      if (this.#inputEnded && buffer.length === 0) {
        this.#settle(this.#failure);
        if (this.#failure === undefined) controller.close();
        else controller.error(this.#failure);
        return;
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Who takes a piece at once gets longer ones. */
  #measure(): void {
    const isQuick = this.#owner.context.deadlines.nowMs() - this.#givenMs < SLOW_MS;
    this.#pieceLengthMax = isQuick
      ? Math.min(2 * this.#pieceLengthMax, PIECE_LENGTH_MAX)
      : SLOW_PIECE_LENGTH_MAX;
  }

  #cancel(): void {
    this.#giveUp(clientGone("body", true));
  }

  #giveUp(error: UpstreamError): void {
    this.#failure ??= error;
    this.#inputEnded = true;
    this.discard(error);
    this.#owner.onBodyGivenUp(error);
  }

  /** Nothing more will be taken. */
  #settle(error: UpstreamError | undefined): void {
    if (this.progress.ended) return;
    this.progress.ended = true;
    this.progress.error = error;
    this.#buffer?.close();
    this.#onlyPiece = undefined;
    this.progress.onEnded?.();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function spillError(cause: unknown): UpstreamError {
  return new UpstreamError(
    "spill_failed",
    `Cannot read the response back from its temporary file: ${errorText(cause)}`,
    { phase: "body", fault: "local", sent: true, cause },
  );
}
