/** A connection as every kind of listener hands it over: bytes both ways, and who is at the other end. */

import type { TlsDetails } from "./tls_details.ts";
import type { PeerProgress } from "./peer_progress.ts";

/** A connected byte stream, TCP or unix. */
export interface ByteConnection {
  /**
   * What the peer sends, in the pieces in which it arrives. Closes when the peer has finished,
   * errors when the connection breaks. Not reading stops the peer (back-pressure): at most one
   * piece of read-ahead is buffered.
   */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * A write settles when the operating system has taken all its bytes, so a slow peer slows the
   * writer down, and the bytes may be used again. It rejects when the connection is broken.
   */
  readonly writable: WritableStream<Uint8Array>;
  /** The peer as a user would write it, for logs. */
  readonly remote: string;
  /** Ends both directions at once and drops what was not sent. May be called again. */
  destroy(): void;
  /** As `CallbackSocket.peerProgress`. */
  peerProgress?(mustBeOpen: boolean): PeerProgress;
  /** As `CallbackSocket.isAccepted`. */
  isAccepted?(): boolean | undefined;
}

/** As CGI's SERVER_PROTOCOL names them. */
export type HttpProtocol = "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0" | "HTTP/3.0";

/** The other end of an HTTP request's connection; for a unix socket `host` is empty, `port` 0. */
export interface HttpPeer {
  readonly host: string;
  readonly port: number;
  /** What the client speaks; undefined where the server does not tell. */
  readonly protocol?: HttpProtocol;
  /** What its TLS handshake came to; undefined where there is no TLS. */
  readonly tls?: TlsDetails | undefined;
  /**
   * Sends 103 Early Hints with these values of `Link` (RFC 8297); undefined where that cannot be.
   *
   * @throws when a value is no link
   */
  readonly earlyHints?: (links: readonly string[]) => void;
}

export interface TlsFiles {
  /** PEM texts, not paths. */
  readonly cert: string;
  readonly key: string;
}

/** Who a listener is for one handshake; the same object is the same certificate. */
export interface TlsIdentity extends TlsFiles {
  /**
   * In the place of the listener's protocols (ALPN), for a handshake that is all there is: the
   * connection ends behind it, as the challenge of an authority wants it (RFC 8737).
   */
  readonly protocols?: readonly string[];
}
