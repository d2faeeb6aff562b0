/**
 * What `serveFastCgi` can be told, and what a handler is told. Times are milliseconds, sizes are
 * bytes.
 */
import type { ListenAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The role in which a web server asks (section 6). */
export type RoleName = "responder" | "authorizer" | "filter";

/** Writes to the request's STDERR stream, which web servers put into their log. */
export interface StderrWriter {
  /**
   * Settles when the bytes are with the connection: true, or false when the request was over
   * before and nobody can read them any more. It never rejects.
   */
  write(text: string | Uint8Array): Promise<boolean>;
}

/** The server as its handlers see it. */
export interface ServerStatus {
  /** Connections since the start. */
  readonly connectionsSeen: number;
  /** Those of them that carried a request; others only asked, or did nothing. */
  readonly connectionsUsed: number;
  readonly connectionsOpen: number;
  /** Requests in flight, this one included. */
  readonly requestsActive: number;
  /** The most that were in flight at once. */
  readonly requestsActiveMax: number;
  /** Requests that reached the handler since the start. */
  readonly requestsSeen: number;
}

/**
 * What FastCGI says about a request beyond what a `Request` can hold. In a Hono app it is `c.env`.
 *
 * @example
 * ```ts
 * import { type RequestInfo, serveFastCgi } from "afcgi";
 *
 * function handle(request: Request, info: RequestInfo): Response {
 *   info.waitUntil(info.stderr.write(`${info.remoteAddr} has asked for ${request.url}\n`));
 *   return new Response(info.params.get("SERVER_SOFTWARE") ?? "Nobody knows");
 * }
 *
 * const server = await serveFastCgi(handle, { listen: "127.0.0.1:0" });
 * await server.shutdown();
 * ```
 */
export interface RequestInfo {
  /**
   * Every parameter as the web server sent it, read as UTF-8; a value that is not UTF-8 has one
   * character for each byte. Of several with the same name the last.
   */
  readonly params: ReadonlyMap<string, string>;
  readonly role: RoleName;
  /** The client's address as the web server tells it (`REMOTE_ADDR`); empty when it does not. */
  readonly remoteAddr: string;
  readonly stderr: StderrWriter;
  /** The second stream of a filter (section 6.4); null in the other roles. */
  readonly data: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly server: ServerStatus;
  /** Work that goes on after the response; `shutdown` waits for it. */
  waitUntil(work: Promise<unknown>): void;
}

/** Any Web-standard fetch handler, such as `app.fetch` of a Hono app. */
export type FastCgiHandler = (request: Request, info: RequestInfo) => Response | Promise<Response>;

/** Where something went wrong that no response can tell. */
export interface ErrorContext {
  /** `handler`: it threw or its body failed; `request`: cannot be read; else what it says. */
  readonly phase: "handler" | "request" | "connection" | "wait_until";
  /** The other end of the connection, as a user would write it. */
  readonly peer: string;
}

/** Where to listen, for whom, and within which limits; all but `listen` have defaults. */
export interface ServeFastCgiOptions extends Partial<ResponderLimits> {
  /**
   * `tcp://host:port`, `host:port`, `:port`, `unix:/path` or `unix:@name`; or `fd:0` for the listening
   * socket that a web server or spawn-fcgi has left us (`fd:3`: that of a systemd socket unit).
   */
  readonly listen: string | ListenAddress;
  /**
   * Permissions of a unix socket's file, as bits (`0o660`) or octal digits (`"0660"`): who may write
   * to it may connect. Left out: its owner alone (0600), with a `group` that group too (0660).
   */
  readonly mode?: number | string;
  /** Group of a unix socket's file, by name or number; left out: ours. */
  readonly group?: string;
  /**
   * IP addresses whose connections are taken; others, and those that have none, are closed on
   * arrival (section 3.2). Left out: the list in FCGI_WEB_SERVER_ADDRS; without it, everybody's.
   */
  readonly webServerAddrs?: readonly string[];
  /** Left out: that of the process. */
  readonly runtime?: Runtime;
  /** Whether several requests may share a connection; true when left out. */
  readonly multiplex?: boolean;
  /**
   * Told of every error. Left out: what a handler or its `waitUntil` threw goes to `console.error`,
   * and the rest, which a web server brings about, only to the web server, on STDERR.
   */
  readonly onError?: (error: unknown, context: ErrorContext) => void;
}

/**
 * Bounds; each says what happens beyond it. Times are milliseconds, sizes are bytes. Where one is
 * left out, it is that of docs/applications.md.
 */
export interface ResponderLimits {
  /** Requests at once on all connections; beyond: OVERLOADED. FCGI_MAX_REQS tells it. */
  readonly maxRequests: number;
  /** Requests at once on one connection; beyond: OVERLOADED. */
  readonly maxRequestsPerConnection: number;
  /** Connections at once; beyond: closed on arrival. FCGI_MAX_CONNS tells it. */
  readonly maxConnections: number;
  /** Bytes of one request's PARAMS; beyond: 431. */
  readonly paramsLengthMax: number;
  /** Parameters of one request; beyond: 431. */
  readonly paramsMax: number;
  /** Bytes of one body that wait for the handler; beyond: its connection is not read from. */
  readonly bodyBufferMax: number;
  /** Bytes of a response's header section; beyond: 500. */
  readonly headLengthMax: number;
  /** Longest silence of a web server in the middle of a request; beyond: closed. 0: for ever. */
  readonly inputTimeoutMs: number;
  /** How long a connection without requests is kept; 0: for ever. */
  readonly idleTimeoutMs: number;
}

const KIB = 1024;

export const RESPONDER_LIMIT_DEFAULTS: ResponderLimits = {
  maxRequests: 10_000,
  maxRequestsPerConnection: 10_000,
  maxConnections: 1024,
  paramsLengthMax: 256 * KIB,
  paramsMax: 1000,
  bodyBufferMax: 1024 * KIB,
  headLengthMax: 64 * KIB,
  inputTimeoutMs: 60_000,
  idleTimeoutMs: 0,
};
