/**
 * The one error class of the protocol, and its stable codes. An error says who failed and how much
 * of the connection it takes along: an error of scope "request" ends one request, one of scope
 * "connection" ends all of them. It does not know HTTP: which status a client sees is decided in
 * `http/`.
 */

/** Who failed. */
export type Fault = "local" | "application" | "client";

/** How much dies. */
export type FaultScope = "request" | "connection";

/** Stable codes of protocol errors. */
export type ProtocolErrorCode =
  | "bad_version"
  | "bad_record"
  | "bad_name_value"
  | "bad_request_id"
  | "bad_transition"
  | "bad_cgi_header"
  | "cgi_header_too_large"
  | "bad_answer_head"
  | "bad_http_response"
  | "http_header_too_large"
  | "params_too_large"
  | "no_free_id";

/** A breach of FastCGI 1.0 or of HTTP/1.1, or of a limit that bounds it. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ProtocolErrorCode;
  readonly fault: Fault;
  readonly scope: FaultScope;

  constructor(
    code: ProtocolErrorCode,
    message: string,
    options: { fault?: Fault; scope?: FaultScope; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fault = options.fault ?? "application";
    this.scope = options.scope ?? "connection";
  }
}
