/**
 * A request's body, from DATA frames to a stream. What comes before anybody reads is gathered in one
 * piece of memory, however small the frames are; its bound is the stream's window, which grows again
 * only by what was read. A client that waits for a 100 gets it when somebody reads.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";

/** What a body tells its stream. */
export interface BodyEvents {
  /** Somebody reads, and the client waits to be told. */
  sendContinue(): void;
  /** So many bytes were read, or dropped (0); `isWaiting`: the reader wanted more than there was. */
  consumed(length: number, isWaiting: boolean): void;
}

type Controller = ReadableStreamDefaultController<Uint8Array>;

/** A shorter piece is copied, so that it does not keep all the memory that it came with. */
const COPIED_SHARE = 2;

export class RequestBody {
  readonly #events: BodyEvents;
  #expectsContinue: boolean;
  #stream: ReadableStream<Uint8Array> | undefined;
  #controller: Controller | undefined;
  #waiting: ByteBuffer | undefined;
  /** A reader waits for the next piece. */
  #isPulled = false;
  #state: "open" | "ended" | "failed" | "dropped" = "open";

  constructor(events: BodyEvents, expectsContinue: boolean) {
    this.#events = events;
    this.#expectsContinue = expectsContinue;
  }

  /** Bytes that nobody has read. */
  get waitingLength(): number {
    return this.#waiting?.length ?? 0;
  }

  get isDropped(): boolean {
    return this.#state === "dropped";
  }

  /** For one reader. */
  get stream(): ReadableStream<Uint8Array> {
    this.#stream ??= new ReadableStream<Uint8Array>({
      start: (controller) => this.#begin(controller),
      pull: () => this.#pull(),
      cancel: () => this.drop(),
    }, { highWaterMark: 0 });
    return this.#stream;
  }

  /** The payload of a DATA frame. */
  take(bytes: Uint8Array): void {
    // Whoever sends without waiting has not waited for us.
    this.#expectsContinue = false;
    if (this.#state !== "open") return;
    if (this.#isPulled) {
      this.#isPulled = false;
      const isSmall = bytes.length * COPIED_SHARE < bytes.buffer.byteLength;
      this.#controller!.enqueue(isSmall ? bytes.slice() : bytes);
      this.#events.consumed(bytes.length, true);
      return;
    }
    this.#waiting ??= new ByteBuffer(bytes.length);
    this.#waiting.append(bytes);
  }

  /** All of it has come. */
  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    if (this.waitingLength === 0) this.#controller?.close();
  }

  /** The rest of it will never come. */
  fail(): void {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.#waiting = undefined;
    // Without a reason: Bun prints one to standard error.
    this.#controller?.error();
  }

  /** The rest of it is read by nobody; who still tries finds it broken. */
  drop(): void {
    if (this.#state === "failed" || this.#state === "dropped") return;
    const isOver = this.#state === "ended" && this.waitingLength === 0;
    this.#state = "dropped";
    this.#waiting = undefined;
    if (!isOver) this.#controller?.error();
    this.#events.consumed(0, false);
  }

  #begin(controller: Controller): void {
    this.#controller = controller;
    if (this.#state === "failed" || this.#state === "dropped") controller.error();
    else if (this.#state === "ended" && this.waitingLength === 0) controller.close();
  }

  #pull(): void {
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      this.#events.sendContinue();
    }
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.length === 0) {
      this.#isPulled = true;
      return;
    }
    this.#waiting = undefined;
    const bytes = waiting.take();
    this.#controller!.enqueue(bytes);
    if (this.#state === "ended") this.#controller!.close();
    this.#events.consumed(bytes.length, false);
  }
}
