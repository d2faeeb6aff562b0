/**
 * What goes wrong on a connection of HTTP/2, and how much dies of it (RFC 9113 section 5.4): a
 * connection error ends the connection with GOAWAY, a stream error one stream with RST_STREAM.
 */
import type { ErrorCodeName } from "./constants.ts";

/** Ends the connection. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: ErrorCodeName;
  /** The limit that was passed, as its key is named; undefined where it was none. */
  readonly limit: string | undefined;

  constructor(code: ErrorCodeName, message: string, limit?: string) {
    super(message);
    this.code = code;
    this.limit = limit;
  }
}

/** Ends a stream. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  readonly code: ErrorCodeName;
  readonly streamId: number;

  constructor(streamId: number, code: ErrorCodeName, message: string) {
    super(message);
    this.streamId = streamId;
    this.code = code;
  }
}
