/**
 * What `serveHttp` can be told, and what a handler is told. Times are milliseconds, sizes are bytes.
 */
import type { Http2Limits } from "../http2/limits.ts";
import type { ListenAddress } from "../runtime/address.ts";
import type { HttpProtocol, TlsFiles } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsVersion } from "../runtime/tls_details.ts";

/** How the TLS of a request's connection came out. */
export interface HttpTlsInfo {
  /** The name that the client asked for (SNI), in lower case; undefined where it asked for none. */
  readonly serverName: string | undefined;
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name of the cipher. */
  readonly cipher: string;
}

/** What a `Request` cannot hold. In a Hono app it is `c.env`. */
export interface HttpRequestInfo {
  /** The other end of the connection; empty for a unix socket. */
  readonly remoteAddr: string;
  /** 0 for a unix socket. */
  readonly remotePort: number;
  readonly protocol: HttpProtocol;
  /** Undefined where there is no TLS. */
  readonly tls: HttpTlsInfo | undefined;
  /**
   * Sends 103 Early Hints with these values of `Link` (RFC 8297), where the client's version of HTTP
   * has it and the response has not begun.
   *
   * @throws when a value is no link
   */
  earlyHints(links: readonly string[]): void;
  /** Work that goes on after the response; `shutdown` waits for it. */
  waitUntil(work: Promise<unknown>): void;
}

/** Any Web-standard fetch handler, such as `app.fetch` of a Hono app. */
export type HttpHandler = (request: Request, info: HttpRequestInfo) => Response | Promise<Response>;

/** Where something went wrong that no response can tell. */
export interface HttpErrorContext {
  /**
   * `handler`: it threw, gave no `Response`, or its body failed; `request`: it cannot be read;
   * `response`: it cannot be sent; `connection`: TLS, or a limit; `wait_until`: work of a handler's.
   */
  readonly phase: "handler" | "request" | "response" | "connection" | "wait_until";
  /** The client's address; empty for one on a unix socket, and where it is not known. */
  readonly peer: string;
}

/** Certificate and key as PEM texts, and what is spoken. */
export interface ServeHttpTls extends TlsFiles {
  /** The oldest version that is spoken; "1.2" when left out. */
  readonly min?: TlsVersion;
  /** OpenSSL's names of cipher suites of TLS 1.2, what we like best first; left out: good ones. */
  readonly ciphers?: string;
  /**
   * Another certificate for a name that a client asks for, in lower case; undefined: the one above. The
   * same object is the same certificate, so give one object each time. Called for each handshake.
   */
  readonly forName?: (serverName: string) => TlsFiles | undefined | Promise<TlsFiles | undefined>;
}

/** Where to listen, how, and within which limits; all but `listen` have defaults. */
export interface ServeHttpOptions extends Partial<ServeHttpLimits> {
  /** `tcp://host:port`, `host:port`, `:port`, `unix:/path` or `unix:@name`. */
  readonly listen: string | Exclude<ListenAddress, { transport: "inherited" }>;
  /** As those of `serveFastCgi`: who may connect to a unix socket. */
  readonly mode?: number | string;
  readonly group?: string;
  /** HTTPS; left out: HTTP without TLS. */
  readonly tls?: ServeHttpTls;
  /**
   * HTTP/2 beside HTTP/1.1: over TLS for clients that ask for it (ALPN), without TLS for those that
   * begin with it (prior knowledge). True when left out; its limits where they are to be others.
   */
  readonly http2?: boolean | Partial<Http2Limits>;
  /**
   * Told of every error. Left out: what a handler threw, or its body, and what cannot be sent, goes
   * to `console.error`; what a client brings about is told to it alone.
   */
  readonly onError?: (error: unknown, context: HttpErrorContext) => void;
  /** Left out: that of the process. */
  readonly runtime?: Runtime;
}

/** Bounds; each says what happens beyond it. */
export interface ServeHttpLimits {
  /** Connections at once; beyond: 503, and closed. */
  readonly maxConnections: number;
  /** Requests of one connection; beyond: it is closed, over HTTP/2 with GOAWAY. 0: no bound. */
  readonly maxRequestsPerConnection: number;
  /** Bytes of a request's header section; beyond: 431. */
  readonly headersLengthMax: number;
  /** For a TLS handshake; beyond: closed. */
  readonly handshakeTimeoutMs: number;
  /** From the first byte of a header section to its last; beyond: closed. */
  readonly headersTimeoutMs: number;
  /** Between two requests; beyond: closed. */
  readonly idleTimeoutMs: number;
  /** For a client to take some of what is sent; beyond: closed. */
  readonly sendTimeoutMs: number;
}

/** An HTTP server that is listening. */
export interface HttpServer {
  /** The address in force: with port 0, the port that the system chose. */
  readonly addr: ListenAddress;
  /** Resolves when the server has shut down and its last connection is closed. */
  readonly finished: Promise<void>;
  /**
   * Stops listening, lets requests in flight finish for `grace` milliseconds (30,000 when left out),
   * then closes what is left. Resolves with {@link finished}.
   */
  shutdown(options?: { readonly grace?: number }): Promise<void>;
}
