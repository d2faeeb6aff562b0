/**
 * Byte streams over TLS, as a protocol wants them that has TLS to itself: the name that a client
 * asked for (SNI), the certificate that it showed, and a visible difference between an end
 * (close_notify) and a cut. HTTP over TLS is `Runtime.listenSockets`'s affair.
 */
import type { Address, TcpAddress } from "./address.ts";
import type { ByteConnection, HttpPeer, TlsFiles } from "./connection.ts";
import type { ByteListener } from "./listener.ts";
import type { Identify, OnHandshakeFailed, ServerTlsOptions } from "./callback_socket.ts";
import type { PeerCertificate, TlsDetails, TlsVersion } from "./tls_details.ts";

export type { PeerCertificate, TlsVersion } from "./tls_details.ts";

/** What kind of key signs: the curve is part of what a client can verify. */
export type KeyKind = "rsa" | "p256" | "p384" | "p521" | "ed25519" | "other";

/** A certificate of our own, as its file has it. */
export interface CertificateFacts extends PeerCertificate {
  /** Names and addresses that it is for, in lower case, wildcards among them. */
  readonly names: readonly string[];
  readonly keyKind: KeyKind;
  /** Whether a private key is its own. @throws when the key cannot be read */
  hasKey(key: string): boolean;
}

/**
 * Closing `writable` sends what was written and close_notify, and settles when the system has taken
 * it. `destroy` cuts: no close_notify is sent, so the peer can tell that something is missing.
 */
export interface TlsConnection extends ByteConnection, Omit<TlsDetails, "protocol"> {
  readonly peer: HttpPeer;
}

export interface TlsListenOptions {
  readonly address: TcpAddress;
  /** A socket that listens already, at the address; it is closed with the listener. */
  readonly descriptor?: number | undefined;
  /** The oldest version that is spoken. */
  readonly versionMin: TlsVersion;
  /** As that of {@link SocketTlsOptions}. */
  readonly identify: Identify;
  /** A client that has not finished its handshake by then is cut. */
  readonly handshakeTimeoutMs: number;
  /** Whether a client that has just connected may begin its handshake; else it is cut. */
  readonly admit: (peer: HttpPeer) => boolean;
  /** Each admitted client is gone sooner or later. */
  readonly onGone: (peer: HttpPeer) => void;
  readonly onHandshakeFailed: OnHandshakeFailed;
  readonly onConnection: (connection: TlsConnection) => void;
}

/** Closing it stops accepting and cuts those that are in their handshake; connections live on. */
export type TlsListener = ByteListener<TcpAddress>;

export interface TlsConnectOptions {
  /** Sent as SNI; left out for an address. */
  readonly serverName?: string;
  /** A certificate of our own to show. */
  readonly identity?: TlsFiles;
  readonly signal?: AbortSignal;
}

export interface TlsNetwork {
  /**
   * Whether a listener can show a certificate with a critical extension that TLS does not know, as
   * an authority's challenge has one (RFC 8737 section 3).
   */
  readonly showsChallenges: boolean;
  /** @throws {ListenError} */
  listen(options: TlsListenOptions): Promise<TlsListener>;
  /**
   * Connects to whoever answers there: the caller looks at the certificate. An end without
   * close_notify looks like any other end (see docs/runtimes.md).
   *
   * @throws {ConnectError}
   */
  connect(address: TcpAddress, options?: TlsConnectOptions): Promise<TlsConnection>;
  /**
   * Connects to a server whose certificate is checked: who vouches for it, and that it is for the
   * name. HTTP/1.1 is spoken (ALPN).
   *
   * @throws {ConnectError}
   */
  connectChecked(
    address: Address,
    tls: ServerTlsOptions,
    signal?: AbortSignal,
  ): Promise<ByteConnection>;
  /**
   * What each certificate of a PEM text says, in its order.
   *
   * @throws {TlsError} when one cannot be read
   */
  readCertificates(pem: string): readonly CertificateFacts[];
  /** Makes sure that a list of cipher suites has one that is known here. @throws {TlsError} */
  checkCiphers(ciphers: string): void;
  /** Makes sure that a certificate and its key can be used together. @throws {TlsError} */
  checkIdentity(identity: TlsFiles): void;
}

/** A certificate or key that cannot be used. */
export class TlsError extends Error {
  override readonly name = "TlsError";
}
