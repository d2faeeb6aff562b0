/**
 * A client's first message of TLS (RFC 8446 section 4.1.2), as far as it says which certificate it
 * wants: the name, the protocols, and what it can verify. It is read before TLS is, so that a
 * certificate may be chosen by all of that, or looked up first. Pure; what is odd here is left to
 * TLS to refuse, but for a message that never ends.
 */

export interface ClientHello {
  /** The name that the client asks for (SNI), in lower case; empty where it asks for none. */
  readonly serverName: string;
  /** What it would speak above TLS (ALPN). */
  readonly protocols: readonly string[];
  /** Numbers of SignatureScheme (RFC 8446 section 4.2.3); empty where it names none. */
  readonly signatureSchemes: readonly number[];
  /** Numbers of cipher suites. */
  readonly cipherSuites: readonly number[];
  /** Whether it can speak TLS 1.3. */
  readonly speaks13: boolean;
}

/** Most bytes of a message, with its records: those of browsers have less than 2 KiB. */
export const CLIENT_HELLO_LENGTH_MAX = 64 * 1024;

const HANDSHAKE_RECORD = 0x16;
const RECORD_HEADER_LENGTH = 5;
const MESSAGE_HEADER_LENGTH = 4;
const CLIENT_HELLO = 1;
const RANDOM_LENGTH = 32;
const TLS_13 = 0x0304;

const Extension = { SERVER_NAME: 0, SIGNATURE_ALGORITHMS: 13, ALPN: 16, VERSIONS: 43 } as const;

const HOST_NAME = 0;
/** Names as they stand in certificates; an address is none (RFC 6066 section 3). */
const SERVER_NAME = /^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?$/;

const latin1 = new TextDecoder("latin1");

/** Undefined while there is more to come; null: this is none, or none that ends. */
export function readClientHello(bytes: Uint8Array): ClientHello | undefined | null {
  const message = joinRecords(bytes);
  if (message === undefined || message === null) {
    return message === undefined && bytes.length >= CLIENT_HELLO_LENGTH_MAX ? null : message;
  }
  try {
    return parse(new Reader(message));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The message out of its records (RFC 8446 section 5.1), without its own header. */
function joinRecords(bytes: Uint8Array): Uint8Array | undefined | null {
  const pieces: Uint8Array[] = [];
  let have = 0;
  let want = Infinity;
  for (let offset = 0; have < want;) {
    if (bytes.length - offset < RECORD_HEADER_LENGTH) return undefined;
    if (bytes[offset] !== HANDSHAKE_RECORD) return null;
    const length = (bytes[offset + 3]! << 8) | bytes[offset + 4]!;
    if (length === 0) return null;
    offset += RECORD_HEADER_LENGTH;
    const piece = bytes.subarray(offset, offset + length);
    pieces.push(piece);
    have += piece.length;
    if (want === Infinity && have >= MESSAGE_HEADER_LENGTH) {
      const [type = 0, high = 0, middle = 0, low = 0] = joined(pieces, have);
      if (type !== CLIENT_HELLO) return null;
      want = MESSAGE_HEADER_LENGTH + (high << 16 | middle << 8 | low);
      if (want > CLIENT_HELLO_LENGTH_MAX) return null;
    }
    if (piece.length < length && have < want) return undefined;
    offset += length;
  }
  return joined(pieces, have).subarray(MESSAGE_HEADER_LENGTH, want);
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const all = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}

/** @throws {RangeError} where it ends too early */
function parse(message: Reader): ClientHello {
  const legacyVersion = message.number(2);
  message.bytes(RANDOM_LENGTH);
  message.vector(1);
  const cipherSuites = message.vector(2).numbers(2);
  message.vector(1);
  const extensions = message.isAtEnd ? new Reader(new Uint8Array(0)) : message.vector(2);
  const hello = {
    serverName: "",
    protocols: [] as readonly string[],
    signatureSchemes: [] as readonly number[],
    cipherSuites,
    speaks13: legacyVersion >= TLS_13,
  };
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (type === Extension.SERVER_NAME) hello.serverName = readName(data);
    else if (type === Extension.ALPN) hello.protocols = readProtocols(data.vector(2));
    else if (type === Extension.SIGNATURE_ALGORITHMS) {
      hello.signatureSchemes = data.vector(2).numbers(2);
    } else if (type === Extension.VERSIONS) {
      hello.speaks13 = data.vector(1).numbers(2).includes(TLS_13);
    }
  }
  return hello;
}

/** A name that could be nobody's is no name that anybody has a certificate for. */
function readName(data: Reader): string {
  const names = data.vector(2);
  while (!names.isAtEnd) {
    const type = names.number(1);
    const name = latin1.decode(names.vector(2).rest()).toLowerCase();
    if (type === HOST_NAME) return SERVER_NAME.test(name) ? name : INVALID_NAME;
  }
  return "";
}

/** In the place of a name that cannot be one: nobody has a certificate for it. */
const INVALID_NAME = "invalid.";

function readProtocols(list: Reader): string[] {
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(latin1.decode(list.vector(1).rest()));
  return protocols;
}

/** Numbers and vectors, one behind the other. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  bytes(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#offset) throw new RangeError("Too short");
    return this.#bytes.subarray(this.#offset, this.#offset += length);
  }

  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#offset);
  }

  number(length: number): number {
    return this.bytes(length).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** What stands behind a length of so many bytes. */
  vector(lengthLength: number): Reader {
    return new Reader(this.bytes(this.number(lengthLength)));
  }

  numbers(length: number): number[] {
    const numbers: number[] = [];
    while (!this.isAtEnd) numbers.push(this.number(length));
    return numbers;
  }
}
