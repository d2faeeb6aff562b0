/**
 * A socket with callbacks instead of streams: for who has thousands of them, or one small piece to
 * read and to write at a time (a read and a write through streams take Bun 8 µs). The promises are
 * those of `ByteConnection`: what is paused stops the peer, and what the system does not take is told.
 */
import type { Address } from "./address.ts";
import type { ClientHello } from "./client_hello.ts";
import type { HttpPeer, TlsIdentity } from "./connection.ts";
import type { OpenFile } from "./open_file.ts";
import type { HandshakeFailure, TlsDetails, TlsVersion } from "./tls_details.ts";
import type { PeerProgress } from "./peer_progress.ts";

/** What is done with a socket, whoever made the connection. */
export interface CallbackSocket {
  /**
   * Whether a write failed because the peer takes nothing more: what was written last is lost. What
   * the peer has sent before still comes in.
   */
  readonly isBroken: boolean;
  /**
   * Sends bytes behind those that were sent before; false when the system did not take all of them:
   * then `drained` is called once it has, and where the socket breaks first. Until then they stay as
   * they are. Of a socket that is broken or gone nothing is heard but its end.
   */
  write(bytes: Uint8Array): boolean;
  /** No more bytes are to come in; a piece that is under way may. */
  pause(): void;
  resume(): void;
  /** Ends both directions at once: the peer sees that the connection broke, and nothing more arrives. */
  reset(): void;
  /** As {@link AcceptedSocket.end}; left out where that cannot be said. */
  end?(): void;
  /**
   * Whether the peer has read all that was written; left out where nobody can tell. With
   * `mustBeOpen` the system is asked too whether the peer has closed meanwhile.
   */
  peerProgress?(mustBeOpen: boolean): PeerProgress;
  /** Whether a process has accepted the connection; undefined where nobody can tell. */
  isAccepted?(): boolean | undefined;
}

export interface AcceptedSocket extends CallbackSocket {
  /** The client's address; empty for one on a unix socket. */
  readonly host: string;
  /** 0 for a client on a unix socket. */
  readonly port: number;
  /** Undefined where there is no TLS. */
  readonly tls?: TlsDetails | undefined;
  /** Bytes that were written and that the system has not taken. */
  readonly unsentLength: number;
  /** As `write` for the first `length` bytes, which the caller uses again at once. */
  writeLent(bytes: Uint8Array, length: number): boolean;
  /** As `writeLent` where a file's bytes follow at once: the system may wait for them. */
  writeAhead(bytes: Uint8Array, length: number): boolean;
  /**
   * Sends bytes of a file straight from it; how many the system took. None of them where it takes
   * nothing now, where it cannot do that, and at the file's end: who gets 0 reads and writes.
   */
  transfer(file: OpenFile, offset: number, length: number): number;
  /** Says, after what was written, that no more goes out. The peer may still send. */
  end(): void;
  /**
   * Ends both directions at once; what the system has taken may still reach the peer, who sees a
   * regular end. May be called again.
   */
  destroy(): void;
  /** From now on another one is told what becomes of it. */
  handOver(events: SocketEvents): void;
}

/** What becomes of a socket, told to who was given it. */
export interface SocketEvents {
  /** The bytes are the receiver's to keep. */
  received(bytes: Uint8Array): void;
  drained(): void;
  /** The peer sends nothing more. */
  peerEnded(): void;
  /** The socket is gone, with what broke it where that is known; nothing is called after it. */
  closed(error?: Error): void;
}

export type OnHandshakeFailed = (
  peer: HttpPeer,
  message: string,
  failure: HandshakeFailure,
) => void;

/**
 * May take its time; the client's handshake has its limit all the same. `localHost` is the address
 * that the client has connected to: who opens a site by its address asks for no name.
 */
export type Identify = (
  serverName: string,
  hello: ClientHello,
  localHost: string,
) => TlsIdentity | undefined | Promise<TlsIdentity | undefined>;

/** Proxies that say first whose connection it is (PROXY protocol); it is required of them. */
export interface ProxyProtocol {
  /** The address of who has connected; empty for a unix socket. */
  readonly isTrusted: (host: string) => boolean;
  /** Who is none of them, or says something else. */
  readonly onRefused: (host: string, why: string) => void;
}

/** TLS in front of a listener's sockets: `onSocket` is called when the handshake is done. */
export interface SocketTlsOptions {
  /**
   * Who we are for a client that asks for a name, in lower case, or for none, "". Undefined, or an
   * error: its handshake fails. Called for each handshake; the same object is the same certificate.
   */
  readonly identify: Identify;
  /** What is spoken above TLS (ALPN), what we like best first; none: clients are not told. */
  readonly protocols: readonly string[];
  /** The oldest version that is spoken; 1.2 when left out. */
  readonly versionMin?: TlsVersion | undefined;
  /** OpenSSL's names of cipher suites of TLS 1.2, what we like best first; left out: good ones. */
  readonly ciphers?: string | undefined;
  /** Whether a client is asked for a certificate, by the name it wants; left out: no. */
  readonly asksForCertificate?: boolean | ((serverName: string) => boolean);
  /** A client that has not finished its handshake by then is cut. */
  readonly handshakeTimeoutMs: number;
  /** Left out: nobody says before the handshake whose connection it is. */
  readonly proxyProtocol?: ProxyProtocol | undefined;
  /** What a client is told that speaks HTTP without TLS; nothing, when left out. */
  readonly plainResponse?: Uint8Array;
  /** Whether a client that has just connected may begin its handshake; else it is cut. */
  readonly admit?: (peer: HttpPeer) => boolean;
  /** Each admitted client is gone sooner or later. */
  readonly onGone?: (peer: HttpPeer) => void;
  readonly onHandshakeFailed?: OnHandshakeFailed;
}

export interface SocketListenOptions {
  readonly address: Address;
  /** A socket that listens already, at the address; it is closed with the listener. */
  readonly descriptor?: number | undefined;
  readonly tls?: SocketTlsOptions;
  /** Lets several processes listen on the same port. */
  readonly reusePort?: boolean;
  /** Whether threads of the process serve its clients together, where there are several. */
  readonly isSpread?: boolean;
  readonly onSocket: (socket: AcceptedSocket) => SocketEvents;
}

/** TLS to a server whose name is checked. */
export interface ServerTlsOptions {
  /** Whom its certificate is for, and who is asked for (SNI); undefined: the address's host. */
  readonly serverName: string | undefined;
  /** PEM of the authorities that vouch for it; undefined: those of the system. */
  readonly authorities: string | undefined;
}

export interface SocketConnectOptions {
  readonly address: Address;
  /** Left out: no TLS. */
  readonly tls?: ServerTlsOptions;
  /** Calls the connect off; once the socket is there it does nothing. */
  readonly signal?: AbortSignal;
  /** Called once, when the connection stands. */
  readonly onSocket: (socket: CallbackSocket) => SocketEvents;
}
