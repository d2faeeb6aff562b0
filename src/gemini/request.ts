/** A Gemini request that has passed the gateway's checks, and what is learnt of it on its way. */
import type { BodyProgress } from "../upstream/request.ts";
import type { UpstreamErrorCode } from "../upstream/errors.ts";
import type { TlsConnection } from "../runtime/tls.ts";
import type { GeminiHeader } from "./response_header.ts";
import type { GeminiUri } from "./uri.ts";

/** Stable codes of responses that afcgi makes itself. */
export type GeminiReplyCode =
  | UpstreamErrorCode
  | "bad_request"
  | "proxy_refused"
  | "no_such_route"
  | "no_such_file"
  | "hidden_file"
  | "outside_root"
  | "unreadable_file"
  | "file_error"
  | "client_cert"
  | "too_many_requests"
  | "request_timeout"
  | "send_timeout"
  | "internal_error";

/** What the log line says beside the request itself. */
export interface GeminiTrace {
  upstream?: string;
  server?: string;
  connection?: number;
  stream?: number;
  upstreamMs?: number;
  code?: GeminiReplyCode;
}

export interface GeminiRequest {
  readonly id: string;
  readonly uri: GeminiUri;
  /** The port that clients name. */
  readonly port: number;
  readonly connection: TlsConnection;
  readonly trace: GeminiTrace;
  /** Fires when the client has left. */
  readonly signal: AbortSignal;
}

export interface GeminiReply {
  readonly header: GeminiHeader;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  readonly progress?: BodyProgress;
}
