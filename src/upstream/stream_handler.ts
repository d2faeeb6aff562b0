/**
 * One request on a connection: what it begins with, and who is told what becomes of it. It stands
 * between the connection, which knows many of them, and the exchange, which is one.
 */
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import type { ClientEvent } from "../protocol/client_connection.ts";
import type { HttpRequestStart } from "../protocol/client_protocol.ts";
import type { Role } from "../protocol/constants.ts";
import type { UpstreamError } from "./errors.ts";
import type { BodyReader } from "./request_body.ts";

/** Whom the body waits for: the client, the application's socket, or nobody any more. */
export type BodyState = "from_client" | "to_application" | "sent";

/** Who wants to know what becomes of a request on the connection. */
export interface StreamHandler {
  /** The connection stands; not told where it stood when the request began. */
  onConnected(): void;
  /** Of HTTP: the header section of the response; what is told as STDOUT is its body then. */
  onHeaders(section: CgiHeaderSection): void;
  /** Of HTTP: a response of status 1xx, which stands before the real one. */
  onInterim(section: CgiHeaderSection): void;
  /** Of HTTP: it is a tunnel now; what it says is told as STDOUT. Returns what it is sent. */
  onSwitched(section: CgiHeaderSection): BodyReader;
  onStdout(bytes: Uint8Array): void;
  onStdoutEnd(): void;
  onStderr(bytes: Uint8Array): void;
  /** END_REQUEST; the last call, unless `onLost` is. */
  onEnd(protocolStatus: number, appStatus: number): void;
  /** The connection is over, or the request broke a rule. `finished`: STDOUT had ended properly. */
  onLost(error: UpstreamError, finished: boolean): void;
  /** The body has come a step further. */
  onBodyProgress(state: BodyState): void;
  /** The connection has stood still for its sake, and is read on from now. */
  onSpill(isSlow: boolean): void;
  /** Its client reads so slowly that others wait: it has to go. */
  onSlowClient(error: UpstreamError): void;
  /** The body could not be read. */
  onBodyFailed(error: unknown): void;
}

/** What a request on the connection begins with. */
export interface StreamStart {
  readonly role: Role;
  /** It may be what broke a connection before: nobody else is to share one with it. */
  readonly wantsAlone: boolean;
  /** Encoded name-value pairs, asked for when the request begins and good until the next call. */
  params(): Uint8Array;
  readonly stdin: BodyReader | undefined;
  /** The second stream of a filter. */
  readonly data: BodyReader | undefined;
  /** What HTTP wants to know of it; undefined where FastCGI is spoken. */
  readonly http: HttpRequestStart | undefined;
}

/** What of a connection's events is for one request alone. */
export type StreamEvent = ClientEvent & {
  readonly kind: "stdout" | "stdout_end" | "stderr" | "headers" | "interim";
};

/** Tells it; where nobody is left to hear it, nobody does. */
export function tellStream(handler: StreamHandler | undefined, event: StreamEvent): void {
  switch (event.kind) {
    case "stdout":
      return handler?.onStdout(event.bytes);
    case "stdout_end":
      return handler?.onStdoutEnd();
    case "stderr":
      return handler?.onStderr(event.bytes);
    case "headers":
      return handler?.onHeaders(event.section);
    case "interim":
      return handler?.onInterim(event.section);
  }
}
