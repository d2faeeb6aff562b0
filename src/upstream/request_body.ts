/**
 * The body of a request on its way to the application: as the front has it, as it is sent, and how
 * it is pulled. One that cannot be streamed is gathered first; see `body_gathering.ts`.
 */

/** A body as the front has it. */
export interface RequestBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes; undefined where the client did not say. */
  readonly length: number | undefined;
  /** Most bytes held in memory when it is gathered. */
  readonly memoryMax: number;
}

/** Pulls the bytes of a body one piece after the other; undefined at the end. */
export interface BodyReader {
  read(): Promise<Uint8Array | undefined>;
  /** Stops reading before the end. */
  cancel(): void;
}

/** A body that is ready to be sent. */
export interface SendableBody {
  readonly length: number;
  /** Whether {@link reader} still gives all of it. */
  readonly isThere: boolean;
  reader(): BodyReader;
  /** Frees memory and file. */
  close(): void;
}

/**
 * A body sent as it comes from the client: it is gone once the first piece was read. Its length went
 * ahead as CONTENT_LENGTH, so a stream of another length fails: the application must not take half
 * an upload for a whole one.
 */
export class StreamedBody implements SendableBody {
  readonly length: number;
  #lengthRead = 0;
  readonly #stream: ReadableStream<Uint8Array>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(stream: ReadableStream<Uint8Array>, length: number) {
    this.#stream = stream;
    this.length = length;
  }

  get isThere(): boolean {
    return this.#reader === undefined;
  }

  reader(): BodyReader {
    return {
      read: async () => {
        this.#reader ??= this.#stream.getReader();
        const { done, value } = await this.#reader.read();
        this.#lengthRead += value?.length ?? 0;
        requireLength(this.#lengthRead, this.length, done);
        return value;
      },
      cancel: () => {
        this.#reader?.cancel().catch(() => {});
      },
    };
  }

  close(): void {}
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
