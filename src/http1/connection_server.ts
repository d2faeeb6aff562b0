/** What the connections of a server share, and what they tell it. */
import type { HttpPeer } from "../runtime/connection.ts";
import type { BytesResponse, HttpResponse } from "../runtime/http_response.ts";
import type { AcceptedSocket } from "../runtime/callback_socket.ts";
import type { MemoryCount } from "./held_memory.ts";
import type { WriterServer } from "./response_writer.ts";
import type { FieldNames } from "./field_names.ts";
import type { RequestError } from "./request_headers.ts";
import type { ServedConnection } from "./served_connection.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** Most of a body that is read over so that the connection can go on, in bytes. */
export const DRAINED_LENGTH_MAX = 256 * 1024;

/**
 * Most bytes that are dropped of what a client goes on sending behind the last response, so that it
 * can read that response; what is beyond stays with the system until the connection ends.
 */
export const LINGERED_LENGTH_MAX = 16 * 1024 * 1024;

export interface ConnectionTimeouts {
  /** From a connection to the end of its TLS handshake. */
  readonly handshakeMs: number;
  /** From a header section's first byte to its last. */
  readonly headersMs: number;
  /** Between two requests. */
  readonly idleMs: number;
  /** For a client to take some of what is sent. */
  readonly sendMs: number;
  /** For a client to close a connection that we have ended. */
  readonly closeMs: number;
}

export interface ConnectionServer extends WriterServer {
  /** Milliseconds, as of a moment ago. */
  readonly coarseNowMs: number;
  readonly handler: (request: HttpRequest, peer: HttpPeer) => HttpResponse | Promise<HttpResponse>;
  readonly names: FieldNames;
  readonly headersLengthMax: number;
  /** Requests that a connection may make; 0: as many as it likes. */
  readonly requestsMax: number;
  readonly isTls: boolean;
  /** What buffers of all connections hold. */
  readonly memory: MemoryCount;
  readonly timeouts: ConnectionTimeouts;
  /** Takes no more requests. */
  readonly isStopping: boolean;
  /** Connections without a request end; while it stops, those may begin one more at first. */
  readonly closesIdle: boolean;
  /** A request that could not be read; returns what the client is told. */
  onRequestError(
    error: RequestError,
    peer: HttpPeer,
    request: HttpRequest | undefined,
  ): BytesResponse;
  /** What should not have happened: a handler threw, or what it gave cannot be sent. */
  onFailure(error: unknown): void;
  onGone(connection: ServedConnection, host: string): void;
}

/** Makes a connection of HTTP/2. */
export type OpenHttp2 = (server: ConnectionServer, socket: AcceptedSocket) => ServedConnection;
