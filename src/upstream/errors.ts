/**
 * Why a request got no response, or only half of one. The code is stable; the phase says how far
 * the request had come; `sent` says whether the application may have seen it, which decides whether
 * it may be repeated. Which HTTP status a client gets is decided in `http/own_responses.ts`.
 */
import type { Fault } from "../protocol/errors.ts";

/** Stable codes, as they stand in logs and in `afcgi_upstream_errors_total{code}`. */
export type UpstreamErrorCode =
  | "connect_failed"
  | "connect_timeout"
  | "local_limit"
  | "lookup_failed"
  | "servers_down"
  | "queue_full"
  | "queue_timeout"
  | "tunnels_full"
  | "send_timeout"
  | "request_body_timeout"
  | "request_body_failed"
  | "first_byte_timeout"
  | "idle_timeout"
  | "total_timeout"
  | "connection_lost"
  | "bad_record"
  | "bad_answer"
  | "answer_too_large"
  | "spill_failed"
  | "memory_full"
  | "overloaded"
  | "cannot_multiplex"
  | "unknown_role"
  | "client_gone"
  | "slow_client"
  | "draining";

/** How far a request had come. */
export type ExchangePhase = "queue" | "connect" | "send" | "first_byte" | "body" | "done";

export interface UpstreamErrorOptions {
  readonly phase: ExchangePhase;
  readonly fault?: Fault;
  readonly sent?: boolean;
  readonly byHabit?: boolean;
  readonly cause?: unknown;
}

export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly code: UpstreamErrorCode;
  readonly phase: ExchangePhase;
  readonly fault: Fault;
  /** Whether bytes of the request may have reached the application. */
  readonly sent: boolean;
  /**
   * Whether the application closed the connection with another request's response, as it does every
   * time: this one broke nothing.
   */
  readonly byHabit: boolean;
  /** The server's address, once one was picked. */
  server: string | undefined;

  constructor(code: UpstreamErrorCode, message: string, options: UpstreamErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.phase = options.phase;
    this.fault = options.fault ?? "application";
    this.sent = options.sent ?? false;
    this.byHabit = options.byHabit ?? false;
  }
}

/** The text of anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
