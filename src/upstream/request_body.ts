/**
 * The body of a request on its way to the application. One that cannot be streamed (its length is
 * unknown, or the application would hold a worker for a slow client) is gathered first: up to
 * `memoryMax` bytes in memory, the rest in a temporary file. A gathered body has an exact length
 * and can be sent again.
 */
import type { Files, TemporaryFile } from "../runtime/runtime.ts";

const READ_LENGTH = 64 * 1024;

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

/** A body sent as it comes from the client: it is gone once the first piece was read. */
export class StreamedBody implements SendableBody {
  readonly length: number;
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
        return done ? undefined : value;
      },
      cancel: () => {
        this.#reader?.cancel().catch(() => {});
      },
    };
  }

  close(): void {}
}

/** Reads the whole body. Rejects as the stream does, and leaves nothing behind then. */
export async function gatherBody(body: RequestBody, files: Files): Promise<SendableBody> {
  const pieces: Uint8Array[] = [];
  let memoryLength = 0;
  let fileLength = 0;
  let file: TemporaryFile | undefined;
  const reader = body.stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new GatheredBody(pieces, memoryLength, file, fileLength);
      if (file === undefined && memoryLength + value.length <= body.memoryMax) {
        pieces.push(value);
        memoryLength += value.length;
      } else {
        file ??= await files.temporary();
        await file.append(value);
        fileLength += value.length;
      }
    }
  } catch (error) {
    file?.close();
    reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** The first bytes in memory, the others in a file; can be sent any number of times. */
class GatheredBody implements SendableBody {
  readonly isThere = true;
  readonly #pieces: readonly Uint8Array[];
  readonly #file: TemporaryFile | undefined;
  readonly #fileLength: number;
  readonly length: number;

  constructor(
    pieces: readonly Uint8Array[],
    memoryLength: number,
    file: TemporaryFile | undefined,
    fileLength: number,
  ) {
    this.#pieces = pieces;
    this.#file = file;
    this.#fileLength = fileLength;
    this.length = memoryLength + fileLength;
  }

  reader(): BodyReader {
    let pieceIndex = 0;
    let offset = 0;
    return {
      read: async () => {
        if (pieceIndex < this.#pieces.length) return this.#pieces[pieceIndex++];
        if (this.#file === undefined || offset >= this.#fileLength) return undefined;
        const bytes = await this.#file.read(offset, READ_LENGTH);
        offset += bytes.length;
        return bytes;
      },
      cancel: () => {},
    };
  }

  close(): void {
    this.#file?.close();
  }
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
