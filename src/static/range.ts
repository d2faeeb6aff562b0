/**
 * The Range field (RFC 9110 section 14.1.2). A field that cannot be read is no range: the whole file
 * is sent, as section 14.2 allows, and so it is for more ranges than {@link RANGES_MAX}. Ranges that
 * overlap are made one, so no byte of a file is sent twice in a response.
 */

/** Most ranges of one request; the header sections of more parts would outweigh what they hold. */
export const RANGES_MAX = 16;

/** Bytes `start` to `end`, exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The ranges of a file of `size` bytes, in the order in which they were asked for, or by their
 * start where some overlapped; undefined when the whole file is to be sent.
 */
export function parseRanges(
  text: string | null,
  size: number,
): readonly ByteRange[] | "unsatisfiable" | undefined {
  // No range of nothing can be written as Content-Range, and an empty file is there as a whole.
  if (text === null || size === 0 || !/^bytes=/i.test(text)) return undefined;
  const specifications = text.slice("bytes=".length).split(",", RANGES_MAX + 1);
  if (specifications.length > RANGES_MAX) return undefined;
  const ranges: ByteRange[] = [];
  for (const specification of specifications) {
    const range = parseRange(specification.trim(), size);
    if (range === undefined) return undefined;
    if (range !== "unsatisfiable") ranges.push(range);
  }
  return ranges.length === 0 ? "unsatisfiable" : withoutOverlap(ranges);
}

function parseRange(text: string, size: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^(\d*)-(\d*)$/.exec(text);
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

function withoutOverlap(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const before = merged.at(-1);
    if (before === undefined || range.start >= before.end) merged.push(range);
    else merged[merged.length - 1] = { start: before.start, end: Math.max(before.end, range.end) };
  }
  return merged.length === ranges.length ? ranges : merged;
}
