/**
 * A request's body, from the connection's bytes to a stream. Who reads slowly stops the client: at
 * most one piece waits, and what the runtime had read already; what waits is told. A client that waits
 * for a 100 gets it when somebody reads.
 */
import { ChunkedDecoder } from "./chunked_decoder.ts";
import type { HeldMemory } from "./held_memory.ts";
import type { BodyFraming } from "./request_headers.ts";

/** What a body wants of its connection. */
export interface BodySource {
  /** Somebody reads, and the client waits to be told. */
  sendContinue(): void;
  /** No more for now. */
  pause(): void;
  resume(): void;
}

type Controller = ReadableStreamDefaultController<Uint8Array>;

const READ_AHEAD_PIECES = 1;

export class RequestBody {
  readonly #source: BodySource;
  /** What waits for a reader. */
  readonly #held: HeldMemory;
  readonly #readAhead: number;
  readonly #chunks: ChunkedDecoder | undefined;
  /** Bytes that have not come; of a body in chunks nobody knows. */
  #left: number;
  #stream: ReadableStream<Uint8Array> | undefined;
  #controller: Controller | undefined;
  /** Pieces that came before anybody asked for the stream. */
  #early: Uint8Array[] = [];
  #expectsContinue: boolean;
  #isWanted = false;
  #isDropped = false;
  #isOver = false;
  #isBroken = false;
  /** The reader knows that all of it has come. */
  #isClosed = false;

  constructor(
    framing: BodyFraming,
    expectsContinue: boolean,
    source: BodySource,
    held: HeldMemory,
  ) {
    this.#source = source;
    this.#held = held;
    this.#readAhead = expectsContinue ? 0 : READ_AHEAD_PIECES;
    this.#expectsContinue = expectsContinue;
    this.#chunks = framing.kind === "chunked" ? new ChunkedDecoder() : undefined;
    this.#left = framing.kind === "length" ? framing.length : 0;
  }

  /** Whether all of it has come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether somebody has begun to read it. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** How much is certain to come, in bytes: of a body in chunks as much as anybody may send. */
  get leftMin(): number {
    return this.#chunks === undefined ? this.#left : Infinity;
  }

  /** For one reader. */
  get stream(): ReadableStream<Uint8Array> {
    this.#stream ??= new ReadableStream<Uint8Array>({
      start: (controller) => this.#begin(controller),
      pull: () => this.#want(),
      cancel: () => this.drop(),
    }, { highWaterMark: this.#readAhead });
    return this.#stream;
  }

  /**
   * Takes what is the body's of `bytes`, which it keeps and writes to, and returns how many those
   * were.
   *
   * @throws {RequestError} for malformed chunks
   */
  take(bytes: Uint8Array): number {
    // Whoever sends without waiting has not waited for us.
    this.#expectsContinue = false;
    const count = this.#chunks === undefined ? this.#takeLength(bytes) : this.#takeChunks(bytes);
    if (this.#isOver) this.#close();
    return count;
  }

  /** It ends here: of one whose length nobody knew, because its client has left HTTP. */
  end(): void {
    if (this.#isOver || this.#isBroken) return;
    this.#isOver = true;
    this.#close();
  }

  /** The rest of it is read by nobody; who still tries finds it broken. */
  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#early = [];
    this.#held.note(0);
    if (this.#isOver) return;
    this.#controller?.error();
    this.#source.resume();
  }

  /** The rest of it will never come. */
  fail(): void {
    this.#held.note(0);
    if (this.#isOver || this.#isBroken) return;
    this.#isBroken = true;
    // Without a reason: Bun prints one to standard error.
    if (!this.#isDropped) this.#controller?.error();
  }

  #takeLength(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#left);
    if (count > 0) this.#emit(count === bytes.length ? bytes : bytes.subarray(0, count));
    this.#left -= count;
    this.#isOver = this.#left === 0;
    return count;
  }

  #takeChunks(bytes: Uint8Array): number {
    const chunks = this.#chunks!;
    // What stands between chunks is closed up in place: of many small ones comes one piece.
    let start = 0;
    let end = 0;
    const count = chunks.read(bytes, 0, (piece) => {
      if (end === 0) start = end = piece.byteOffset - bytes.byteOffset;
      else bytes.set(piece, end);
      end += piece.length;
    });
    if (end > start) this.#emit(bytes.subarray(start, end));
    this.#isOver = chunks.isDone;
    return count;
  }

  #emit(piece: Uint8Array): void {
    if (this.#isDropped) return;
    if (this.#controller === undefined) {
      this.#early.push(piece);
      this.#held.note(this.#held.length + piece.length);
      this.#source.pause();
      return;
    }
    this.#controller.enqueue(piece);
    const room = this.#controller.desiredSize ?? 0;
    // A reader that waits has it already.
    if (room < this.#readAhead) this.#held.note(this.#held.length + piece.length);
    if (room <= 0) this.#source.pause();
  }

  #close(): void {
    if (!this.#isDropped && this.#held.length === 0) this.#endStream();
    this.#source.resume();
  }

  #begin(controller: Controller): void {
    this.#controller = controller;
    for (const piece of this.#early) controller.enqueue(piece);
    this.#early = [];
    if (this.#isBroken || this.#isDropped) controller.error();
    else if (this.#isOver && this.#held.length === 0) this.#endStream();
  }

  /** What waits must be read before: nobody tells of that once the stream has ended. */
  #endStream(): void {
    if (this.#controller === undefined || this.#isClosed) return;
    this.#isClosed = true;
    this.#controller.close();
  }

  #want(): void {
    this.#isWanted = true;
    this.#held.note(0);
    if (this.#isOver) return this.#endStream();
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      this.#source.sendContinue();
    }
    this.#source.resume();
  }
}
