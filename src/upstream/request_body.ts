/**
 * The body of a request on its way to the application: as the gateway has it, as it is sent, and
 * how it is pulled. One that cannot be streamed is gathered first; see `body_gathering.ts`.
 */
import type { BufferMemory } from "./buffer_memory.ts";
import type { PieceReader } from "./paced_reader.ts";

/** A body as the gateway has it. */
export interface RequestBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes; undefined where the client did not say. */
  readonly length: number | undefined;
  /** Most bytes held in memory when it is gathered. */
  readonly memoryMax: number;
  /** Left out: by its length and by whether the application multiplexes. */
  readonly mode?: BodyMode;
  /** Fewest bytes a second while it is waited for; left out or 0: no limit. */
  readonly rateMin?: number;
}

/**
 * `stream`: sent as it comes, also to an application that holds a worker for it, and without
 * CONTENT_LENGTH where the client said none. `gather`: read to its end first.
 */
export type BodyMode = "auto" | "stream" | "gather";

/** Whether a body is sent as it comes to an application that does or does not multiplex. */
export function isStreamed({ mode = "auto", length }: RequestBody, multiplexes: boolean): boolean {
  return mode === "auto" ? length !== undefined && multiplexes : mode === "stream";
}

/** Pulls the bytes of a body one piece after the other; undefined at the end. */
export interface BodyReader {
  read(): Promise<Uint8Array | undefined>;
  /** Stops reading before the end. */
  cancel(): void;
}

/** A body that is ready to be sent. */
export interface SendableBody {
  /** Undefined for one that is streamed and whose client did not say. */
  readonly length: number | undefined;
  /** Whether {@link reader} still gives all of it. */
  readonly isThere: boolean;
  reader(): BodyReader;
  /** Frees memory and file. */
  close(): void;
}

/** Longest streamed body whose pieces are kept while its request is open, in bytes. */
export const REPEATABLE_LENGTH_MAX = 64 * 1024;

/**
 * A body sent as it comes from the client. Where its length went ahead as CONTENT_LENGTH, a stream of
 * another length fails: the application must not take half an upload for a whole one.
 *
 * A short one can be sent again: what was read is kept, and the rest is read by whoever sends it
 * next. A long one is gone once its first piece was read.
 */
export class StreamedBody implements SendableBody {
  readonly length: number | undefined;
  readonly #open: () => PieceReader;
  #reader: PieceReader | undefined;
  #lengthRead = 0;
  /** Undefined for a long one. */
  readonly #kept: Uint8Array[] | undefined;
  #ended = false;
  /** The read that is under way for the pieces to keep. */
  #reading: Promise<void> | undefined;
  readonly #memory: BufferMemory | undefined;
  /** What of it waits for the application, or is kept. */
  #heldLength = 0;
  #isClosed = false;

  /** `open` is called when the first piece is wanted. */
  constructor(
    open: () => PieceReader,
    length: number | undefined,
    memory: BufferMemory | undefined = undefined,
  ) {
    this.#open = open;
    this.length = length;
    this.#memory = memory;
    this.#kept = length !== undefined && length <= REPEATABLE_LENGTH_MAX ? [] : undefined;
  }

  get isThere(): boolean {
    return this.#reader === undefined || this.#kept !== undefined;
  }

  reader(): BodyReader {
    const kept = this.#kept;
    if (kept === undefined) {
      return { read: () => this.#read(), cancel: () => this.#cancel() };
    }
    let next = 0;
    return {
      read: async () => {
        while (next === kept.length && !this.#ended) {
          // Who gave up may have left a read under way: its piece is not lost.
          await (this.#reading ??= this.#keep(kept));
        }
        return kept[next++];
      },
      // Another attempt may want the rest; see close().
      cancel: () => {},
    };
  }

  close(): void {
    if (this.#kept !== undefined && !this.#ended) this.#cancel();
    this.#hold(0);
    this.#isClosed = true;
  }

  async #keep(kept: Uint8Array[]): Promise<void> {
    const piece = await this.#read();
    this.#reading = undefined;
    if (piece === undefined) this.#ended = true;
    else kept.push(piece);
  }

  async #read(): Promise<Uint8Array | undefined> {
    this.#reader ??= this.#open();
    // Whoever wants the next piece has sent the one before.
    if (this.#kept === undefined) this.#hold(0);
    const { done, value } = await this.#reader.read();
    if (value !== undefined) this.#hold(this.#heldLength + value.length);
    this.#lengthRead += value?.length ?? 0;
    if (this.length !== undefined) requireLength(this.#lengthRead, this.length, done);
    return value;
  }

  #hold(length: number): void {
    if (length === this.#heldLength || this.#isClosed) return;
    this.#memory?.count(length - this.#heldLength);
    this.#heldLength = length;
  }

  #cancel(): void {
    this.#reader?.cancel().catch(() => {});
  }
}

/** Throws when a body is longer than was said, or (`atEnd`) shorter. */
export function requireLength(length: number, declared: number, atEnd: boolean): void {
  if (length === declared || (length < declared && !atEnd)) return;
  throw new Error(`The request's body has ${length} bytes instead of the declared ${declared}`);
}

/** What a request carries: STDIN, and for a filter DATA. */
export class Payload {
  readonly body: SendableBody | undefined;
  readonly data: SendableBody | undefined;

  constructor(body: SendableBody | undefined, data: SendableBody | undefined) {
    this.body = body;
    this.data = data;
  }

  /** Whether all of it can still be sent. */
  get isThere(): boolean {
    return (this.body?.isThere ?? true) && (this.data?.isThere ?? true);
  }

  close(): void {
    this.body?.close();
    this.data?.close();
  }
}

export const EMPTY_PAYLOAD = new Payload(undefined, undefined);
