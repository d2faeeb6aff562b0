/**
 * The request of a Gemini client: a URI in UTF-8 and CRLF, at most 1,024 bytes and the CRLF. Bytes
 * come in any pieces and are held until the line is whole, or cannot become one any more.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { UriRefusal } from "./uri.ts";

export const URI_LENGTH_MAX = 1024;

const LINE_LENGTH_MAX = URI_LENGTH_MAX + 2;
const LF = 0x0a;
const CR = 0x0d;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class RequestLineReader {
  readonly #gathered = new ByteBuffer(128);

  /** Adds a piece; undefined while the line goes on. What is behind the line is not looked at. */
  push(
    piece: Uint8Array,
  ): { readonly kind: "line"; readonly uri: string } | UriRefusal | undefined {
    const lineFeed = piece.indexOf(LF);
    this.#gathered.append(
      piece.subarray(
        0,
        lineFeed < 0 ? LINE_LENGTH_MAX + 1 : Math.min(lineFeed + 1, LINE_LENGTH_MAX + 1),
      ),
    );
    const line = this.#gathered.view();
    if (line.length > LINE_LENGTH_MAX) {
      return refuse(`The URI has more than ${URI_LENGTH_MAX} bytes`);
    }
    if (line[line.length - 1] !== LF) {
      return line.length === LINE_LENGTH_MAX
        ? refuse(`The URI has more than ${URI_LENGTH_MAX} bytes`)
        : undefined;
    }
    if (line[line.length - 2] !== CR) return refuse("The line ends with LF alone");
    try {
      return { kind: "line", uri: decoder.decode(line.subarray(0, -2)) };
    } catch {
      return refuse("The URI is not UTF-8");
    }
  }
}

function refuse(reason: string): UriRefusal {
  return { kind: "refused", code: 59, reason };
}
