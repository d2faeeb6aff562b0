/**
 * STDIN or DATA of one request on its way to the handler. Bytes wait here until the handler reads
 * them; how many is told to the connection, which stops reading from the web server when it is too
 * much (FastCGI has no flow control for one stream). Bytes are copied in: received pieces are
 * shared by all requests of a connection, and no handler may come to see another's.
 */

export interface InputOwner {
  inputTaken(): void;
}

/** Bytes from a connection, to be read as a stream or, when all are there, at once. */
export class InputStream {
  readonly #lengthExpected: number | undefined;
  readonly #owner: InputOwner;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  #buffered = 0;
  #received = 0;
  #ended = false;
  #discarding = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /**
   * @param lengthExpected what CONTENT_LENGTH says; another length is an error of the stream
   */
  constructor(lengthExpected: number | undefined, owner: InputOwner) {
    this.#lengthExpected = lengthExpected;
    this.#owner = owner;
  }

  /** Bytes that wait for the handler. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Whether all bytes are there, and as many as expected. */
  get isComplete(): boolean {
    return this.#ended && this.#error === undefined;
  }

  push(bytes: Uint8Array): void {
    this.#received += bytes.length;
    if (this.#discarding) return;
    if (this.#lengthExpected !== undefined && this.#received > this.#lengthExpected) {
      this.fail(new Error(`Cannot read body: it is longer than ${this.#lengthExpected} bytes`));
      return;
    }
    this.#pieces.push(new Uint8Array(bytes));
    this.#buffered += bytes.length;
    this.#wakeReader();
  }

  end(): void {
    this.#ended = true;
    const expected = this.#lengthExpected;
    if (expected !== undefined && this.#received < expected && !this.#discarding) {
      this.fail(new Error(`Cannot read body: ${this.#received} of ${expected} bytes have come`));
    }
    this.#wakeReader();
  }

  /** No more bytes will come, and those that wait mean nothing without them. */
  fail(error: Error): void {
    this.#error ??= error;
    this.discard();
    this.#wakeReader();
  }

  /** The request is over: who still reads gets what is complete, or an error. */
  close(): void {
    if (!this.#ended || this.#buffered > 0) {
      this.fail(new Error("Cannot read body: the request is over"));
    }
  }

  /** Nobody reads on: drops what waits and what will come. */
  discard(): void {
    this.#discarding = true;
    this.#pieces.length = 0;
    this.#buffered = 0;
    this.#owner.inputTaken();
  }

  /** Everything at once; for a stream that {@link isComplete} before anybody reads it. */
  takeAll(): Uint8Array<ArrayBuffer> {
    if (this.#pieces.length === 1) {
      this.#buffered = 0;
      return this.#pieces.pop()!;
    }
    const all = new Uint8Array(this.#buffered);
    let offset = 0;
    for (const piece of this.#pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    this.#pieces.length = 0;
    this.#buffered = 0;
    return all;
  }

  /** The stream that the handler reads; to be called once. */
  readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.discard(),
    }, { highWaterMark: 0 });
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    while (this.#pieces.length === 0 && !this.#ended && this.#error === undefined) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#error !== undefined) {
      controller.error(this.#error);
    } else if (this.#pieces.length > 0) {
      const piece = this.#pieces.shift()!;
      this.#buffered -= piece.length;
      controller.enqueue(piece);
      this.#owner.inputTaken();
    } else {
      controller.close();
    }
  }

  #wakeReader(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
