/**
 * Takes the framing away from a response's body: a length, chunks, or everything up to the
 * connection's end. The fields behind a body in chunks are dropped.
 */
import { ChunkedDecoder } from "../http1/chunked_decoder.ts";
import { RequestError } from "../http1/request_headers.ts";
import { bad, type ResponseFraming } from "./response_headers.ts";

const NOTHING = new Uint8Array(0);

/** What a piece held of the body. */
export interface BodyPiece {
  /** Bytes that were read: all, or up to the body's end. */
  readonly count: number;
  readonly piece: Uint8Array;
}

export class ResponseBodyReader {
  readonly #chunks: ChunkedDecoder | undefined;
  /** Whether the connection's end is the body's. */
  readonly endsWithConnection: boolean;
  #left: number;

  constructor(framing: ResponseFraming) {
    this.#chunks = framing.kind === "chunked" ? new ChunkedDecoder() : undefined;
    this.endsWithConnection = framing.kind === "end";
    this.#left = framing.kind === "length" ? framing.length : 0;
  }

  get isWhole(): boolean {
    if (this.endsWithConnection) return false;
    return this.#chunks === undefined ? this.#left === 0 : this.#chunks.isDone;
  }

  /**
   * Reads from `start` on; it writes to `bytes` and gives parts of it away.
   *
   * @throws {ProtocolError} for malformed chunks
   */
  read(bytes: Uint8Array, start: number): BodyPiece {
    if (this.#chunks !== undefined) return this.#readChunks(this.#chunks, bytes, start);
    const there = bytes.length - start;
    const count = this.endsWithConnection ? there : Math.min(there, this.#left);
    this.#left -= count;
    return { count, piece: bytes.subarray(start, start + count) };
  }

  #readChunks(chunks: ChunkedDecoder, bytes: Uint8Array, start: number): BodyPiece {
    // What stands between chunks is closed up in place: of many small ones comes one piece.
    let from = 0;
    let to = 0;
    try {
      const count = chunks.read(bytes, start, (piece) => {
        if (to === 0) from = to = piece.byteOffset - bytes.byteOffset;
        else bytes.set(piece, to);
        to += piece.length;
      });
      return { count, piece: to > from ? bytes.subarray(from, to) : NOTHING };
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return bad("the chunks of its body are malformed, or what is beside them is too long");
    }
  }
}
