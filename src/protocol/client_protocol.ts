/**
 * What a connection of an upstream asks of the protocol that it speaks: requests are begun and
 * their bodies sent, bytes come in and events of requests come out. FastCGI's is
 * `client_connection.ts`, where requests may share a connection; that of HTTP is in `http_client/`.
 */
import type { CgiHeaderSection } from "./cgi_response.ts";
import type { Role } from "./constants.ts";
import type { ProtocolError } from "./errors.ts";

/** What the application did. Bytes may be views of those that were received. */
export type ClientEvent =
  | { readonly kind: "stdout"; readonly requestId: number; readonly bytes: Uint8Array }
  | { readonly kind: "stdout_end"; readonly requestId: number }
  /** Of HTTP: the header section of the response; `stdout` is its body then. */
  | { readonly kind: "headers"; readonly requestId: number; readonly section: CgiHeaderSection }
  /** Of HTTP: one of the responses of status 1xx that stand before it. */
  | { readonly kind: "interim"; readonly requestId: number; readonly section: CgiHeaderSection }
  /** Of HTTP: the protocol that was asked for is spoken from here on (status 101). */
  | { readonly kind: "switched"; readonly requestId: number; readonly section: CgiHeaderSection }
  | { readonly kind: "stderr"; readonly requestId: number; readonly bytes: Uint8Array }
  | {
    readonly kind: "end";
    readonly requestId: number;
    readonly appStatus: number;
    readonly protocolStatus: number;
  }
  /** The request broke a rule; it should be aborted. Its id stays in use until its end. */
  | { readonly kind: "fault"; readonly requestId: number; readonly error: ProtocolError }
  /**
   * The connection is over before the request's END_REQUEST; `finished` says that STDOUT had ended
   * properly before, which some applications think is enough; `unanswered`, of HTTP, that not a
   * byte of a response had come.
   */
  | {
    readonly kind: "lost";
    readonly requestId: number;
    readonly finished: boolean;
    readonly unanswered?: boolean;
  }
  | { readonly kind: "values"; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: "unknown_type"; readonly type: number }
  /** A record of a type that is none of FastCGI 1.0 was skipped. */
  | { readonly kind: "unknown_record"; readonly type: number }
  /** The connection cannot go on: these bytes are not FastCGI. `lost` events follow. */
  | { readonly kind: "broken"; readonly error: ProtocolError };

/** What a request begins with. */
export interface ClientRequestStart {
  readonly role: Role;
  readonly keepConnection: boolean;
  /** Encoded name-value pairs, the whole PARAMS stream. */
  readonly params: Uint8Array;
}

/** What only HTTP wants to know of a request. */
export interface HttpRequestStart {
  readonly method: string;
  readonly hasBody: boolean;
  /** Bytes; undefined where nobody knows, so that it goes in chunks. */
  readonly bodyLength: number | undefined;
  /** Whether an empty body is said to be one, as with POST (RFC 9110 section 8.6). */
  readonly saysLength: boolean;
  /** The protocol that the client wants to switch to, in lower case; undefined: none. */
  readonly upgrade: string | undefined;
}

export interface RequestStart extends ClientRequestStart {
  /** Left out: it is no request of HTTP. */
  readonly http?: HttpRequestStart | undefined;
}

export interface ClientProtocol {
  /** Requests that have not ended, the aborted ones among them. */
  readonly inUse: number;
  readonly hasFreeId: boolean;
  readonly retiredIds: number;
  readonly strayRecords: number;
  /** Whether no further request may begin on the connection. */
  readonly isLast: boolean;
  /** Whether nothing follows on the connection behind {@link takeOutput}. */
  readonly endsOutput: boolean;
  readonly outputLength: number;
  takeOutput(): Uint8Array<ArrayBuffer>;
  recycleOutput(taken: Uint8Array<ArrayBuffer>): void;
  /** Returns the id under which its events come. @throws {ProtocolError} `no_free_id` */
  begin(start: RequestStart): number;
  isInUse(id: number): boolean;
  takesStdin(id: number): boolean;
  sendStdin(id: number, bytes: Uint8Array): void;
  endStdin(id: number): void;
  endLateStdin(id: number): void;
  sendData(id: number, bytes: Uint8Array): void;
  endData(id: number): void;
  abort(id: number): void;
  getValues(names: readonly string[]): void;
  receive(bytes: Uint8Array): ClientEvent[];
  /** The connection is over; `isClean`: the server has ended it, it did not break. */
  receiveEnd(isClean: boolean): ClientEvent[];
}
