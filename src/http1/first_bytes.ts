/**
 * Which version a client speaks that was not asked by TLS: one of HTTP/2 that knows us sends the
 * preface (RFC 9113 section 3.3), any other a request of HTTP/1. It stands before a connection until
 * its first bytes say which, and for HTTP/1 that is the first piece; then it is out of the way.
 */
import type { AcceptedSocket, SocketEvents } from "../runtime/callback_socket.ts";

/** What a client of HTTP/2 sends first (RFC 9113 section 3.4). */
export const HTTP2_PREFACE: Uint8Array = Uint8Array.from(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  (character) => character.charCodeAt(0),
);

/**
 * No request of HTTP/1 (no path, no version, no field), and so a preface that is not the one: an error
 * of HTTP/2 (RFC 9113 section 3.4). Anything else that is wrong is told so in HTTP/1.
 */
const WRONG_PREFACE = /^[A-Z]+ [A-Z]+ [A-Z]+\r\n\r\n/;
const WRONG_PREFACE_LENGTH_MAX = 64;

/** A connection of HTTP/1 whose time limit holds as long as its client's version is open. */
export interface WaitingConnection extends SocketEvents {
  /** Whether the client may still begin; not when its time is over, or we stop. */
  readonly isReadingHeaders: boolean;
  /** The client has begun: the limit of headers counts from now on. */
  expectHeaders(): void;
}

export class FirstBytes implements SocketEvents {
  readonly #socket: AcceptedSocket;
  /** The connection of HTTP/1, which has the client as long as nobody knows better. */
  readonly #http1: WaitingConnection;
  readonly #openHttp2: () => SocketEvents;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(socket: AcceptedSocket, http1: WaitingConnection, openHttp2: () => SocketEvents) {
    this.#socket = socket;
    this.#http1 = http1;
    this.#openHttp2 = openHttp2;
  }

  received(bytes: Uint8Array): void {
    if (!this.#http1.isReadingHeaders) return this.#handOver(this.#http1, bytes);
    this.#decide(this.#bytes.length === 0 ? bytes : joined(this.#bytes, bytes));
  }

  drained(): void {
    this.#http1.drained();
  }

  peerEnded(): void {
    this.#http1.peerEnded();
  }

  closed(error?: Error): void {
    this.#http1.closed(error);
  }

  #decide(bytes: Uint8Array): void {
    const length = Math.min(bytes.length, HTTP2_PREFACE.length);
    for (let at = 0; at < length; at++) {
      if (bytes[at] === HTTP2_PREFACE[at]) continue;
      return this.#handOver(isWrongPreface(bytes) ? this.#openHttp2() : this.#http1, bytes);
    }
    if (length === HTTP2_PREFACE.length) this.#handOver(this.#openHttp2(), bytes);
    else this.#keep(bytes);
  }

  #keep(bytes: Uint8Array): void {
    // Its time counts from the first byte, so that nobody stays by one at a time.
    if (this.#bytes.length === 0) this.#http1.expectHeaders();
    this.#bytes = bytes;
  }

  #handOver(events: SocketEvents, bytes: Uint8Array): void {
    this.#socket.handOver(events);
    events.received(bytes);
  }
}

function isWrongPreface(bytes: Uint8Array): boolean {
  if (bytes.length > WRONG_PREFACE_LENGTH_MAX) return false;
  return WRONG_PREFACE.test(String.fromCharCode(...bytes));
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
