/**
 * The body of a response as DATA frames take it: so many bytes are there, and are copied to where
 * they go out. Of a stream one piece at a time is there, and the next is asked for when the client
 * may have it; a file is read straight into the frame.
 */
import { tooShort, unknownFailure } from "../http1/streamed_response.ts";
import type { OpenFile } from "../runtime/open_file.ts";

export interface ResponseBody {
  /** Bytes that can be sent now. */
  readonly available: number;
  /** Whether nothing comes behind them. */
  readonly isLast: boolean;
  /** Those of them that take memory of ours. */
  readonly heldLength: number;
  /** Moves the next bytes to `target`; no when they cannot be had, and the body is broken. */
  read(target: Uint8Array, offset: number, length: number): boolean;
  /** Asks for more where nothing is there; whoever has it tells `onReady`. */
  pull(): void;
  /** Nobody wants the rest. */
  cancel(): void;
}

export class BytesBody implements ResponseBody {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get available(): number {
    return this.#bytes.length - this.#position;
  }

  get heldLength(): number {
    return this.available;
  }

  get isLast(): boolean {
    return true;
  }

  read(target: Uint8Array, offset: number, length: number): boolean {
    const end = this.#position + length;
    const isWhole = length === this.#bytes.length;
    target.set(isWhole ? this.#bytes : this.#bytes.subarray(this.#position, end), offset);
    this.#position = end;
    return true;
  }

  pull(): void {}

  cancel(): void {}
}

export class FileBody implements ResponseBody {
  readonly #file: OpenFile;
  readonly #end: number;
  #position: number;
  #isClosed = false;

  constructor(file: OpenFile, start: number, end: number) {
    this.#file = file;
    this.#position = start;
    this.#end = end;
  }

  get available(): number {
    return this.#end - this.#position;
  }

  get heldLength(): number {
    return 0;
  }

  get isLast(): boolean {
    return true;
  }

  read(target: Uint8Array, offset: number, length: number): boolean {
    const end = offset + length;
    try {
      for (let at = offset; at < end;) {
        const count = this.#file.read(target.subarray(at, end), this.#position);
        // It is shorter by now.
        if (count === 0) return false;
        at += count;
        this.#position += count;
      }
    } catch {
      return false;
    }
    if (this.#position === this.#end) this.cancel();
    return true;
  }

  pull(): void {}

  cancel(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
  }
}

type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

export interface StreamBodyEvents {
  /** Bytes are there, or the end. */
  onReady(): void;
  /** It broke, or is not as long as it was declared to be: why. */
  onBroken(error: unknown): void;
}

export class StreamBody implements ResponseBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #events: StreamBodyEvents;
  /** Bytes that are still to come; undefined where nobody said. */
  #left: number | undefined;
  readonly #declared: number | undefined;
  #piece: Uint8Array | undefined;
  #position = 0;
  #isReading = false;
  #state: "open" | "ended" | "over" = "open";

  constructor(
    stream: ReadableStream<Uint8Array>,
    declared: number | undefined,
    events: StreamBodyEvents,
  ) {
    this.#reader = stream.getReader();
    this.#left = this.#declared = declared;
    this.#events = events;
  }

  get available(): number {
    return this.#piece === undefined ? 0 : this.#piece.length - this.#position;
  }

  get heldLength(): number {
    return this.available;
  }

  get isLast(): boolean {
    return this.#state !== "open";
  }

  read(target: Uint8Array, offset: number, length: number): boolean {
    const piece = this.#piece!;
    const end = this.#position + length;
    target.set(length === piece.length ? piece : piece.subarray(this.#position, end), offset);
    this.#position = end;
    if (end < piece.length) return true;
    this.#piece = undefined;
    this.#position = 0;
    return true;
  }

  pull(): void {
    if (this.#isReading || this.#state !== "open" || this.#piece !== undefined) return;
    this.#isReading = true;
    this.#reader.read().then(
      (read) => this.#take(read),
      (error) => this.#broke(error ?? unknownFailure()),
    );
  }

  cancel(): void {
    const isRead = this.#state === "ended" && !this.#isReading;
    this.#state = "over";
    this.#piece = undefined;
    if (!isRead) void this.#reader.cancel().catch(() => {});
  }

  #take({ done, value }: Read): void {
    this.#isReading = false;
    if (this.#state !== "open") return this.#takeSurplus(done);
    if (done || value === undefined) {
      this.#state = "ended";
      if (this.#left === undefined || this.#left === 0) this.#events.onReady();
      else this.#broke(tooShort(this.#declared!, this.#declared! - this.#left));
      return;
    }
    // A byte more than declared is none of this response's.
    const isSurplus = this.#left !== undefined && value.length > this.#left;
    const piece = isSurplus ? value.subarray(0, this.#left) : value;
    if (this.#left !== undefined) this.#left -= piece.length;
    if (piece.length > 0) this.#piece = piece;
    if (this.#left === 0) this.#end(isSurplus);
    if (piece.length === 0 && this.#state === "open") this.pull();
    else this.#events.onReady();
  }

  /** All that was declared is there; who makes the body is to see that it was taken. */
  #end(isSurplus: boolean): void {
    this.#state = "ended";
    if (isSurplus) return void this.#reader.cancel().catch(() => {});
    this.#isReading = true;
    this.#reader.read().then((read) => this.#take(read), () => this.#isReading = false);
  }

  #takeSurplus(done: boolean): void {
    if (!done) void this.#reader.cancel().catch(() => {});
  }

  #broke(error: unknown): void {
    this.#isReading = false;
    if (this.#state === "over") return;
    this.#state = "over";
    this.#piece = undefined;
    this.#events.onBroken(error);
  }
}
