/**
 * Records to bytes that gather until one write takes them all. Content of a stream longer than one
 * record is split, and every record is padded to a multiple of 8 bytes (section 3.3).
 *
 * It does not know which records make sense in which order: `client_connection.ts` and
 * `server_connection.ts` do.
 */
import { encodeBeginRequest, encodeEndRequest, encodeUnknownType } from "./body.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import {
  CONTENT_LENGTH_MAX,
  CONTENT_LENGTH_SAFE,
  HEADER_LENGTH,
  NULL_REQUEST_ID,
  RecordType,
  REQUEST_ID_MAX,
} from "./constants.ts";
import { paddingFor, writeHeader } from "./header.ts";

const RECORD_TYPE_MAX = 255;
const NO_CONTENT = new Uint8Array(0);

/** Appends records to a growing buffer; {@link take} hands the bytes on. */
export class RecordEncoder {
  readonly #out = new ByteBuffer();
  /** Bodies of BEGIN_REQUEST but for the role, which no specification lets exceed a byte. */
  readonly #beginKept = encodeBeginRequest(0, true);
  readonly #beginOnce = encodeBeginRequest(0, false);

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#out.length;
  }

  /** All bytes since the last call. Hand them back with {@link recycle} after the write. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#out.take();
  }

  recycle(taken: Uint8Array<ArrayBuffer>): void {
    this.#out.recycle(taken);
  }

  /**
   * One record as it is.
   *
   * @throws {RangeError} when the content is longer than a record can say (65,535 bytes), or the
   * type or the request id is out of range; nothing is appended then
   */
  record(type: number, requestId: number, content: Uint8Array): void {
    const contentLength = content.length;
    if (contentLength > CONTENT_LENGTH_MAX) {
      throw new RangeError(`Cannot encode a record of ${contentLength} bytes: 65535 is the most`);
    }
    requireRange("type", type, RECORD_TYPE_MAX);
    requireRange("request id", requestId, REQUEST_ID_MAX);
    const padding = paddingFor(contentLength);
    const offset = this.#out.grow(HEADER_LENGTH + contentLength + padding);
    const bytes = this.#out.bytes;
    writeHeader(bytes, offset, type, requestId, contentLength, padding);
    // Half of all records are empty, and a call of the runtime's has its price.
    if (contentLength > 0) bytes.set(content, offset + HEADER_LENGTH);
    const end = offset + HEADER_LENGTH + contentLength + padding;
    // The buffer is used repeatedly: old bytes must not leave as padding.
    for (let at = end - padding; at < end; at++) bytes[at] = 0;
  }

  /** Bytes of a stream, in as many records as they need; none for no bytes. */
  stream(type: number, requestId: number, content: Uint8Array): void {
    if (content.length > 0 && content.length <= CONTENT_LENGTH_SAFE) {
      this.record(type, requestId, content);
      return;
    }
    for (let start = 0; start < content.length; start += CONTENT_LENGTH_SAFE) {
      this.record(type, requestId, content.subarray(start, start + CONTENT_LENGTH_SAFE));
    }
  }

  /** The empty record that ends a stream (section 3.3). */
  streamEnd(type: number, requestId: number): void {
    this.record(type, requestId, NO_CONTENT);
  }

  beginRequest(requestId: number, role: number, keepConnection: boolean): void {
    const body = keepConnection ? this.#beginKept : this.#beginOnce;
    body[1] = role;
    this.record(RecordType.BEGIN_REQUEST, requestId, body);
  }

  abortRequest(requestId: number): void {
    this.streamEnd(RecordType.ABORT_REQUEST, requestId);
  }

  endRequest(requestId: number, appStatus: number, protocolStatus: number): void {
    this.record(RecordType.END_REQUEST, requestId, encodeEndRequest(appStatus, protocolStatus));
  }

  unknownType(type: number): void {
    this.record(RecordType.UNKNOWN_TYPE, NULL_REQUEST_ID, encodeUnknownType(type));
  }
}

function requireRange(what: string, value: number, max: number): void {
  if (!(value >= 0 && value <= max)) {
    throw new RangeError(`Cannot encode a record: ${what} "${value}" is not between 0 and ${max}`);
  }
}
