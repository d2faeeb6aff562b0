/**
 * Requests that afcgi makes itself, such as to an authority for certificates. All of it is bounded:
 * the time from the first look-up to the last byte, the length of the body; and no redirect is
 * followed, because what answers is to be what was asked.
 */

export interface OutgoingRequest {
  readonly method: "GET" | "HEAD" | "POST";
  /** https, or http where the caller allows it. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM of the authorities that vouch for the server; left out: those of the runtime. */
  readonly authorities?: string | undefined;
  /** For all of it. */
  readonly timeoutMs: number;
  readonly bodyLengthMax: number;
  readonly signal?: AbortSignal | undefined;
}

export interface OutgoingResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Sends a request and reads the whole response. @throws {OutgoingError} */
export type SendRequest = (request: OutgoingRequest) => Promise<OutgoingResponse>;

/** Nobody answered, or not as we can read it. */
export class OutgoingError extends Error {
  override readonly name = "OutgoingError";
}
