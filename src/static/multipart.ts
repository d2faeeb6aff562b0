/**
 * The body of a response with several ranges (RFC 9110 section 14.6): each range as a part of its
 * own between boundaries that no file can hold by chance. It knows the length before a byte is
 * read.
 */
import type { FilePiece } from "../runtime/file_info.ts";
import type { ByteRange } from "./range.ts";

export interface MultipartBody {
  /** The Content-Type of the whole. */
  readonly type: string;
  /** Bytes of the whole. */
  readonly length: number;
  readonly pieces: readonly FilePiece[];
}

/** The ranges of a file of `size` bytes and of content type `type`. */
export function multipartBody(
  ranges: readonly ByteRange[],
  size: number,
  type: string,
): MultipartBody {
  const boundary = crypto.randomUUID();
  const encoder = new TextEncoder();
  const pieces: FilePiece[] = [];
  let length = 0;
  for (const range of ranges) {
    const { start, end } = range;
    const header = encoder.encode(
      `\r\n--${boundary}\r\nContent-Type: ${type}\r\n` +
        `Content-Range: bytes ${start}-${end - 1}/${size}\r\n\r\n`,
    );
    pieces.push(header, range);
    length += header.length + end - start;
  }
  const last = encoder.encode(`\r\n--${boundary}--\r\n`);
  pieces.push(last);
  return {
    type: `multipart/byteranges; boundary=${boundary}`,
    length: length + last.length,
    pieces,
  };
}
