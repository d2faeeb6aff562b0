/** Answers before the answer: 100 asks for a body, 103 names what a page will want (RFC 8297). */
import { latin1 } from "../protocol/byte_buffer.ts";
import { statusLine } from "./answer_head.ts";

/** RFC 8288 section 3, as far as a gateway has to know. */
const LINK = /^<[!-;=?-~]*>[\t -~]*$/;

/** To a client that waits before it sends its body. */
export function continueAnswer(): Uint8Array {
  return latin1(`${statusLine(100)}\r\n`);
}

/** @throws {TypeError} for what is no link */
export function earlyHintsAnswer(links: readonly string[]): Uint8Array {
  const fields = links.map((link) => {
    if (!LINK.test(link)) throw new TypeError(`"${link}" is no link`);
    return `link: ${link}\r\n`;
  });
  return latin1(`${statusLine(103)}${fields.join("")}\r\n`);
}
