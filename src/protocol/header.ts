/**
 * The 8-byte header that opens every record (section 3.3): version, type, request id, content
 * length, padding length, one reserved byte. Numbers are big-endian.
 */
import { HEADER_LENGTH, VERSION } from "./constants.ts";
import { ProtocolError } from "./errors.ts";

/** What a record header says; lengths in bytes. */
export interface RecordHeader {
  type: number;
  requestId: number;
  contentLength: number;
  paddingLength: number;
}

/** Writes a header at `offset`; the caller has made sure that {@link HEADER_LENGTH} bytes fit. */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  requestId: number,
  contentLength: number,
  paddingLength: number,
): void {
  target[offset] = VERSION;
  target[offset + 1] = type;
  target[offset + 2] = requestId >>> 8;
  target[offset + 3] = requestId & 0xff;
  target[offset + 4] = contentLength >>> 8;
  target[offset + 5] = contentLength & 0xff;
  target[offset + 6] = paddingLength;
  target[offset + 7] = 0;
}

/**
 * Reads the header at `offset`, of which {@link HEADER_LENGTH} bytes must be there.
 *
 * @throws {ProtocolError} `bad_version` when the first byte is not 1: the peer speaks something else
 */
export function readHeader(bytes: Uint8Array, offset: number): RecordHeader {
  if (bytes.length - offset < HEADER_LENGTH) {
    throw new RangeError(
      `Cannot read record header: ${bytes.length - offset} of 8 bytes are there`,
    );
  }
  const version = bytes[offset]!;
  if (version !== VERSION) {
    throw new ProtocolError(
      "bad_version",
      `Cannot read record header: version "${version}" is not supported`,
    );
  }
  return {
    type: bytes[offset + 1]!,
    requestId: (bytes[offset + 2]! << 8) | bytes[offset + 3]!,
    contentLength: (bytes[offset + 4]! << 8) | bytes[offset + 5]!,
    paddingLength: bytes[offset + 6]!,
  };
}

/** Padding that brings a record's content to a multiple of 8 bytes, as section 3.3 recommends. */
export function paddingFor(contentLength: number): number {
  return -contentLength & 7;
}
