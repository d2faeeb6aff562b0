/**
 * afcgi as a library: FastCGI behind any Hono app, any fetch handler as a FastCGI application or over
 * HTTP/1.1 and HTTP/2, a client, and the record codec. Runs on Bun and on Deno.
 *
 * @module
 */

// FastCGI behind a Hono app.
export { fastcgi, type FastCgiOptions } from "./src/http/fastcgi_handler.ts";
export { Upstream, type UpstreamDeps } from "./src/upstream/upstream.ts";
/** @deprecated Use `UpstreamDeps`. */
export type { UpstreamDeps as UpstreamParts } from "./src/upstream/upstream.ts";
export {
  UPSTREAM_DEFAULTS,
  type UpstreamOptions,
  type UpstreamSettings,
} from "./src/upstream/options.ts";
export type { UpstreamRequest, UpstreamResponse } from "./src/upstream/request.ts";
export type { UpstreamObserver } from "./src/upstream/observer.ts";

// One request over one connection.
export {
  type ClientBody,
  type ClientOptions,
  type ClientParams,
  type ClientRequest,
  type ClientResponse,
  FastCgiClient,
} from "./src/upstream/fastcgi_client.ts";

/** @deprecated Use `ClientResponse`. */
export type { ClientResponse as ClientAnswer } from "./src/upstream/fastcgi_client.ts";

// A fetch handler as a FastCGI application.
export { authorized } from "./src/responder/authorized.ts";
export { type FastCgiServer, serveFastCgi } from "./src/responder/serve_fastcgi.ts";
export type {
  ErrorContext,
  /** @deprecated Use `ErrorContext`. */
  ErrorContext as FaultContext,
  FastCgiHandler,
  RequestInfo,
  ResponderLimits,
  RoleName,
  ServeFastCgiOptions,
  ServerStatus,
  StderrWriter,
} from "./src/responder/options.ts";

// A fetch handler over HTTP/1.1 and HTTP/2.
export { serveHttp } from "./src/serve/serve_http.ts";
export type {
  HttpErrorContext,
  HttpHandler,
  HttpRequestInfo,
  HttpServer,
  HttpTlsInfo,
  ServeHttpLimits,
  ServeHttpOptions,
  ServeHttpTls,
} from "./src/serve/options.ts";
export type { Http2Limits } from "./src/http2/limits.ts";

// The codec.
export { ManagementValue, ProtocolStatus, RecordType, Role } from "./src/protocol/constants.ts";
export type { FastCgiRecord } from "./src/protocol/record_decoder.ts";
export { RecordDecoderStream, RecordEncoderStream } from "./src/protocol/streams.ts";
export { decodeNameValues, encodeNameValues } from "./src/protocol/name_value.ts";

// Errors.
export { ProtocolError, type ProtocolErrorCode } from "./src/protocol/errors.ts";
export { UpstreamError, type UpstreamErrorCode } from "./src/upstream/errors.ts";
export { AddressError } from "./src/runtime/address.ts";
export { ConnectError, ListenError } from "./src/runtime/network.ts";
export { TlsError } from "./src/runtime/tls.ts";
