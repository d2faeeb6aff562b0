/**
 * One connection as the application side sees it, without I/O. {@link ServerConnection.receive}
 * turns bytes into events of requests; methods append records to an out buffer. What needs no
 * application is answered here: GET_VALUES, unknown management records, and requests that cannot
 * be taken (CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE).
 *
 * Invariants:
 * - A request's first event is `begin` or `fault`, with all its parameters read; after `abort` or
 *   `fault` it has no events but `lost`.
 * - Every request of which there was an event is ended by {@link ServerConnection.endRequest}, or
 *   by `lost`. One that is aborted before its parameters are there is ended here.
 * - A record for an id that is not in use is counted and dropped: the web server may not know yet
 *   that we have ended the request. So is a request's record of a type that nobody knows.
 *
 * It does not know sockets, time, or what a parameter means.
 */
import { decodeBeginRequest, encodeEndRequest } from "./body.ts";
import {
  isKnownType,
  NULL_REQUEST_ID,
  ProtocolStatus,
  RecordType,
  recordTypeName,
  Role,
} from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import { Parameters } from "./parameters.ts";
import { ParamsGathering } from "./params_gathering.ts";
import { type FastCgiRecord, RecordDecoder } from "./record_decoder.ts";
import { RecordEncoder } from "./record_encoder.ts";
import type { RequestQuota } from "./request_quota.ts";
import { replyToManagement } from "./server_management.ts";
import { type InputMove, ServerRequestState } from "./server_request_state.ts";

/** What the web server did. Bytes may be views of those that were received. */
export type ServerEvent =
  | {
    readonly kind: "begin";
    readonly requestId: number;
    readonly role: Role;
    readonly parameters: Parameters;
  }
  /** The request's parameters cannot be taken; it wants a response that says so, and its end. */
  | { readonly kind: "fault"; readonly requestId: number; readonly error: ProtocolError }
  | { readonly kind: "stdin"; readonly requestId: number; readonly bytes: Uint8Array }
  | { readonly kind: "stdin_end"; readonly requestId: number }
  | { readonly kind: "data"; readonly requestId: number; readonly bytes: Uint8Array }
  | { readonly kind: "data_end"; readonly requestId: number }
  /** Nobody waits for the response any more; the request wants its end soon. */
  | { readonly kind: "abort"; readonly requestId: number }
  /** The connection was over before the request's end; its id is in use no more. */
  | { readonly kind: "lost"; readonly requestId: number }
  /** The connection cannot go on: these bytes are not FastCGI. `lost` events follow. */
  | { readonly kind: "broken"; readonly error: ProtocolError };

export interface ServerConnectionOptions {
  /** Whether several requests may be in flight at once. */
  readonly multiplex: boolean;
  /** Requests in flight on all connections of the server. */
  readonly quota: RequestQuota;
  /** Most requests in flight on this connection; beyond: OVERLOADED. */
  readonly requestsMax: number;
  /** Most connections, as GET_VALUES tells; it is for others to hold it. */
  readonly connectionsMax: number;
  /** Most bytes of one request's PARAMS. */
  readonly paramsLengthMax: number;
  /** Most parameters of one request. */
  readonly paramsMax: number;
}

/** The state machine; see the top of this file. */
export class ServerConnection {
  readonly #options: ServerConnectionOptions;
  readonly #requests = new Map<number, ServerRequestState>();
  readonly #encoder = new RecordEncoder();
  readonly #decoder = new RecordDecoder();
  readonly #params: ParamsGathering;
  #over = false;
  #draining = false;
  #strayRecords = 0;
  #unknownRecords = 0;

  constructor(options: ServerConnectionOptions) {
    this.#options = options;
    this.#params = new ParamsGathering(options.paramsLengthMax);
  }

  /** Requests whose ids are in use. */
  get inUse(): number {
    return this.#requests.size;
  }

  /** Records that came for an id which was not in use. */
  get strayRecords(): number {
    return this.#strayRecords;
  }

  /** Records of types that FastCGI 1.0 does not know. */
  get unknownRecords(): number {
    return this.#unknownRecords;
  }

  /** Whether nothing more is to come from us: the connection is to be closed once all is sent. */
  get finished(): boolean {
    return this.#over || (this.#draining && this.#requests.size === 0);
  }

  /** Whether the web server owes us bytes: the rest of a record, of parameters or of a body. */
  get awaitsInput(): boolean {
    if (!this.#decoder.atBoundary) return true;
    for (const { input } of this.#requests.values()) {
      if (input === "params" || input === "stdin" || input === "data") return true;
    }
    return false;
  }

  /** Bytes that wait to be sent. */
  get outputLength(): number {
    return this.#encoder.length;
  }

  /** All bytes to send now; hand them back with {@link recycleOutput} after the write. */
  takeOutput(): Uint8Array<ArrayBuffer> {
    return this.#encoder.take();
  }

  recycleOutput(taken: Uint8Array<ArrayBuffer>): void {
    this.#encoder.recycle(taken);
  }

  /** From now on new requests are refused as OVERLOADED; those in flight go on to their end. */
  drain(): void {
    this.#draining = true;
  }

  /** Whether the request is in flight; responses can be sent for such a one only. */
  isInUse(id: number): boolean {
    return this.#requests.has(id);
  }

  sendStdout(id: number, bytes: Uint8Array): void {
    this.#inUse(id).send("stdout");
    this.#encoder.stream(RecordType.STDOUT, id, bytes);
  }

  endStdout(id: number): void {
    this.#inUse(id).send("stdout_end");
    this.#encoder.streamEnd(RecordType.STDOUT, id);
  }

  sendStderr(id: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#inUse(id).usesStderr = true;
    this.#encoder.stream(RecordType.STDERR, id, bytes);
  }

  /** END_REQUEST (section 5.5), after STDERR's end if it was used. STDOUT's end is not implied. */
  endRequest(id: number, appStatus: number, protocolStatus: ProtocolStatus): void {
    const request = this.#inUse(id);
    if (request.usesStderr) this.#encoder.streamEnd(RecordType.STDERR, id);
    this.#encoder.endRequest(id, appStatus, protocolStatus);
    this.#release(request);
    if (!request.keepConnection) this.#draining = true;
  }

  /** What the bytes say, in order. After a `broken` event further bytes say nothing. */
  receive(bytes: Uint8Array): ServerEvent[] {
    const events: ServerEvent[] = [];
    if (this.#over) return events;
    try {
      this.#decoder.push(bytes);
      for (let record = this.#decoder.next(); record; record = this.#decoder.next()) {
        this.#take(record, events);
      }
      this.#params.keepReceived();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      events.push({ kind: "broken", error: peerError(error) });
      this.#loseAll(events);
    }
    return events;
  }

  /** The web server has closed the connection, or it broke. */
  receiveEnd(): ServerEvent[] {
    const events: ServerEvent[] = [];
    if (!this.#over) this.#loseAll(events);
    return events;
  }

  #take(record: FastCgiRecord, events: ServerEvent[]): void {
    if (!isKnownType(record.type)) {
      this.#unknownRecords++;
      // Only one that belongs to no request has a response (section 4.2).
      if (record.requestId !== NULL_REQUEST_ID) return;
    }
    if (record.requestId === NULL_REQUEST_ID) {
      const { multiplex, quota, connectionsMax } = this.#options;
      replyToManagement(
        record,
        { multiplex, connectionsMax, requestsMax: quota.max },
        this.#encoder,
      );
      return;
    }
    const request = this.#requests.get(record.requestId);
    if (request !== undefined) {
      this.#takeStream(request, record, events);
    } else if (record.type === RecordType.BEGIN_REQUEST) {
      this.#begin(record);
    } else {
      this.#strayRecords++;
    }
  }

  #begin(record: FastCgiRecord): void {
    const id = record.requestId;
    const { role, keepConnection } = decodeBeginRequest(record.content);
    const refusal = this.#refusal(role);
    if (refusal !== undefined) {
      this.#encoder.record(RecordType.END_REQUEST, id, encodeEndRequest(0, refusal));
      if (!keepConnection) this.#draining = true;
      return;
    }
    this.#requests.set(id, new ServerRequestState(id, role as Role, keepConnection));
  }

  /** Why a request cannot be taken; takes its place in the quota when it can. */
  #refusal(role: number): ProtocolStatus | undefined {
    if (role !== Role.RESPONDER && role !== Role.AUTHORIZER && role !== Role.FILTER) {
      return ProtocolStatus.UNKNOWN_ROLE;
    }
    if (!this.#options.multiplex && this.#requests.size > 0) return ProtocolStatus.CANT_MPX_CONN;
    if (this.#draining || this.#requests.size >= this.#options.requestsMax) {
      return ProtocolStatus.OVERLOADED;
    }
    if (!this.#options.quota.take(this.#requests.size)) return ProtocolStatus.OVERLOADED;
    return undefined;
  }

  #takeStream(request: ServerRequestState, record: FastCgiRecord, events: ServerEvent[]): void {
    const move = inputMove(record.type, record.content.length);
    if (move === undefined) {
      throw new ProtocolError(
        "bad_record",
        `Cannot take ${recordTypeName(record.type)} for request ${request.id} from a web server`,
      );
    }
    const before = request.input;
    if (before === "params" && (move === "params" || move === "params_end")) {
      this.#takeParams(request, move, record.content, events);
      return;
    }
    request.receive(move);
    if (before === "params") {
      // Aborted before anybody has heard of it.
      this.endRequest(request.id, 0, ProtocolStatus.REQUEST_COMPLETE);
    } else if (before !== "deaf") {
      pushInput(request, move, record.content, events);
    }
  }

  #takeParams(
    request: ServerRequestState,
    move: "params" | "params_end",
    content: Uint8Array,
    events: ServerEvent[],
  ): void {
    const requestId = request.id;
    try {
      if (move === "params") {
        this.#params.add(requestId, content);
        request.receive(move);
        return;
      }
      const parameters = Parameters.decode(this.#params.take(requestId), this.#options.paramsMax);
      request.receive(move);
      events.push({ kind: "begin", requestId, role: request.role, parameters });
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.scope !== "request") throw error;
      this.#params.forget(requestId);
      request.receive("refuse");
      events.push({ kind: "fault", requestId, error });
    }
  }

  #loseAll(events: ServerEvent[]): void {
    this.#over = true;
    for (const request of this.#requests.values()) {
      // Of a request whose parameters were not all there, nobody has heard.
      if (request.input !== "params") events.push({ kind: "lost", requestId: request.id });
      this.#release(request);
    }
  }

  #release(request: ServerRequestState): void {
    this.#requests.delete(request.id);
    this.#params.forget(request.id);
    this.#options.quota.release();
  }

  #inUse(id: number): ServerRequestState {
    const request = this.#requests.get(id);
    if (request === undefined) throw new RangeError(`Cannot use request ${id}: it has ended`);
    return request;
  }
}

/** The move that a record of a request in flight is; undefined for what no web server may send. */
function inputMove(type: number, contentLength: number): InputMove | undefined {
  const isEnd = contentLength === 0;
  switch (type) {
    case RecordType.PARAMS:
      return isEnd ? "params_end" : "params";
    case RecordType.STDIN:
      return isEnd ? "stdin_end" : "stdin";
    case RecordType.DATA:
      return isEnd ? "data_end" : "data";
    case RecordType.ABORT_REQUEST:
      return "abort";
    default:
      return undefined;
  }
}

/** The event of a record behind the parameters, of a request that listens. */
function pushInput(
  { id: requestId, role }: ServerRequestState,
  move: InputMove,
  bytes: Uint8Array,
  events: ServerEvent[],
): void {
  if (move === "abort") {
    events.push({ kind: "abort", requestId });
  } else if (role === Role.AUTHORIZER) {
    // Its STDIN means nothing; that it may come at all is said in `server_request_state.ts`.
  } else if (move === "stdin" || move === "data") {
    events.push({ kind: move, requestId, bytes });
  } else if (move === "stdin_end" || move === "data_end") {
    events.push({ kind: move, requestId });
  }
}

/** On this side of a connection, whoever breaks the protocol is the web server. */
function peerError(error: ProtocolError): ProtocolError {
  return new ProtocolError(error.code, error.message, { fault: "client", cause: error });
}
