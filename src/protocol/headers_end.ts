/**
 * Where a CGI response's header section ends: at its empty line, whether lines end with LF or CRLF. It
 * knows nothing of what stands in the lines.
 */
const LF = 0x0a;
const CR = 0x0d;

/** Of a longer line the end is looked for by the runtime. */
const SHORT_LINE_LENGTH = 128;

/** Offset behind the empty line; a header section may consist of nothing else. */
export function headersEnd(bytes: Uint8Array, scanFrom: number, start: number): number | undefined {
  // Most lines are short: for them a loop beats `indexOf`.
  let shortEnd = scanFrom + SHORT_LINE_LENGTH;
  for (let at = scanFrom; at < bytes.length; at++) {
    if (at === shortEnd) {
      at = bytes.indexOf(LF, at);
      if (at < 0) return undefined;
    }
    if (bytes[at] !== LF) continue;
    shortEnd = at + SHORT_LINE_LENGTH;
    const lineEnd = bytes[at - 1] === CR ? at - 1 : at;
    if (lineEnd === start || (lineEnd > start && bytes[lineEnd - 1] === LF)) return at + 1;
  }
  return undefined;
}
