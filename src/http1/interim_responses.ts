/**
 * What goes out before the response: 100 asks for a body, 103 names what a page will want (RFC
 * 8297).
 */
import type { HttpPeer } from "../runtime/connection.ts";
import type { AcceptedSocket } from "../runtime/callback_socket.ts";
import { latin1 } from "../protocol/byte_buffer.ts";
import { statusLine } from "./response_headers.ts";

/** RFC 8288 section 3, as far as a gateway has to know. */
const LINK = /^<[!-;=?-~]*>[\t -~]*$/;

/** To a client that waits before it sends its body. */
export function continueResponse(): Uint8Array {
  return latin1(`${statusLine(100)}\r\n`);
}

/** @throws {TypeError} for what is no link */
export function checkLinks(links: readonly string[]): void {
  const wrong = links.find((link) => !LINK.test(link));
  if (wrong !== undefined) throw new TypeError(`"${wrong}" is no link`);
}

/** @throws {TypeError} for what is no link */
export function earlyHintsResponse(links: readonly string[]): Uint8Array {
  checkLinks(links);
  const fields = links.map((link) => `link: ${link}\r\n`);
  return latin1(`${statusLine(103)}${fields.join("")}\r\n`);
}

/** Most 103s for one request; more of them are dropped. */
export const EARLY_HINTS_MAX = 16;

/** The hints of a connection: one that comes late is none, so nothing of them waits for a client. */
export class EarlyHints {
  readonly #socket: AcceptedSocket;
  #sent = 0;

  constructor(socket: AcceptedSocket) {
    this.#socket = socket;
  }

  /** Another request begins. */
  begin(): void {
    this.#sent = 0;
  }

  /** @throws {TypeError} for what is no link */
  send(links: readonly string[]): void {
    if (this.#socket.unsentLength > 0 || this.#sent >= EARLY_HINTS_MAX) return;
    this.#socket.write(earlyHintsResponse(links));
    this.#sent++;
  }
}

/** HTTP/1.0 has no interim responses. */
export function withoutHints({ host, port, tls }: HttpPeer): HttpPeer {
  return { host, port, protocol: "HTTP/1.0", tls };
}
