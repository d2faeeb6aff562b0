/**
 * The Range field (RFC 9110 section 14.1.2), one range of bytes. What is not that, several ranges
 * among it, is answered with the whole file, as section 14.2 allows: a multipart answer costs the
 * server many times what the request costs the client.
 */

/** Bytes `start` to `end`, exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The range of a file of `size` bytes; undefined when the whole file is to be sent. */
export function parseRange(
  text: string | null,
  size: number,
): ByteRange | "unsatisfiable" | undefined {
  // No range of nothing can be written as Content-Range, and an empty file is there as a whole.
  if (text === null || size === 0) return undefined;
  const match = /^bytes=(\d*)-(\d*)$/i.exec(text);
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}
