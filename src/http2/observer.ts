/** What is told of the connections of HTTP/2, for metrics and the log. */
import type { HttpPeer } from "../runtime/connection.ts";
import type { ErrorCodeName } from "./constants.ts";
import type { ConnectionError } from "./errors.ts";

/** Why we ended a connection: a name of ours, or that of a limit, or of an error, in lower case. */
export type GoawayReason = string;

export interface Http2Observer {
  onOpened(): void;
  onClosed(): void;
  onStreamOpened(): void;
  onStreamClosed(): void;
  onReset(by: "client" | "server", code: ErrorCodeName | "unknown"): void;
  /** GOAWAY was sent; `error` is there where the client did something wrong. */
  onGoaway(reason: GoawayReason, peer: HttpPeer, error: ConnectionError | undefined): void;
}

export const NO_OBSERVER: Http2Observer = {
  onOpened() {},
  onClosed() {},
  onStreamOpened() {},
  onStreamClosed() {},
  onReset() {},
  onGoaway() {},
};
