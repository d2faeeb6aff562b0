/**
 * A request as an upstream takes it, and the response as it gives it: CGI terms, no HTTP server's.
 */
import type { CgiHeaderSection, ResponseHeaderParser } from "../protocol/cgi_response.ts";
import type { Role } from "../protocol/constants.ts";
import type { AbortSignalLike } from "../runtime/abort_signal.ts";
import type { UpstreamError } from "./errors.ts";
import type { NextServerRule } from "./next_server.ts";
import type { BodyReader, RequestBody, SendableBody } from "./request_body.ts";

/** A client that wants to leave HTTP, as for a WebSocket (RFC 9110 section 7.8). */
export interface TunnelRequest {
  /** What it wants to speak, in lower case. */
  readonly protocol: string;
  /** What it sends once the server has agreed. */
  reader(): BodyReader;
}

/** What only HTTP wants to know of a request. */
export interface HttpPart {
  /** Whether an empty body is said to be one. */
  readonly saysLength: boolean;
  /** Left out: it stays with HTTP. */
  readonly tunnel?: TunnelRequest | undefined;
  /** Whether it only asks if another request may go on; left out: no. */
  readonly asks?: boolean;
  /** By what `balance: hash` keeps requests together. */
  readonly valueOf: (name: string) => string | undefined;
}

export interface UpstreamRequest {
  /** For logs: the client's request. */
  readonly id: string;
  readonly role: Role;
  readonly method: string;
  /** Left out: it is for a FastCGI application. */
  readonly http?: HttpPart | undefined;
  /**
   * Encoded name-value pairs; of HTTP the request's line and its fields, but those that frame it. The
   * bytes must stay as they are until the next call. Asked for at each
   * attempt, once the body's length is known; `undefined` where there is no body.
   */
  readonly params: (contentLength: number | undefined) => Uint8Array;
  readonly body: RequestBody | undefined;
  /** The second stream of a filter (section 6.4). */
  readonly data?: RequestBody | SendableBody;
  /** Reads the response's header section in at most `lengthMax` bytes; left out: it is CGI's. */
  readonly headerParser?: (lengthMax: number) => ResponseHeaderParser;
  /** Whether a response's length is that of something else; left out: no. */
  readonly isHandedOver?: (section: CgiHeaderSection) => boolean;
  /** Called with each interim response (status 1xx), which stands before the real one. */
  readonly onInterim?: ((section: CgiHeaderSection) => void) | undefined;
  /** After what another server gets it; left out: as `retry` of the upstream says. */
  readonly nextServer?: NextServerRule | undefined;
  /** Texts on STDERR, before the response's header section, by which there is no response. */
  readonly refusedStderr?: readonly string[] | undefined;
  /** Fires when the client has left. */
  readonly signal?: AbortSignalLike;
}

/** Where a response came from, for logs. */
export interface ResponseSource {
  readonly server: string;
  readonly connection: number;
  readonly stream: number;
  /** From placing the request until its header section was complete. */
  readonly headMs: number;
}

export interface UpstreamResponse {
  readonly head: CgiHeaderSection;
  /**
   * All of it, when the application had finished by the time its header section was looked at; else
   * a stream that errors with an {@link UpstreamError} when the response breaks off; null for no
   * body.
   */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  readonly source: ResponseSource;
  /**
   * Bytes of the body so far, and how it ended; `undefined` while it goes on. For a body that is
   * given whole it is settled at once.
   */
  readonly progress: BodyProgress;
}

/** Changes while the body is read. */
export interface BodyProgress {
  bytes: number;
  ended: boolean;
  error: UpstreamError | undefined;
  /** Called once when the body has ended, well or not; may be set until then. */
  onEnded: (() => void) | undefined;
}
