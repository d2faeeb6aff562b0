/**
 * One connection as the side that sends requests sees it: a multiplexer without I/O. Methods append
 * records to an out buffer; {@link ClientConnection.receive} turns bytes into events of requests.
 *
 * Invariants:
 * - An id is free again only after its END_REQUEST; that of an aborted request never, because an
 *   application may end it at once and go on writing under it.
 * - An event of a request is only ever given for an id that is in use; a record for an id that has
 *   ended is counted and dropped, one for an id that was never given out breaks the connection.
 * - After an abort a request has no events but its end.
 * - A record of a type that FastCGI 1.0 does not know is told and skipped, whatever id it has.
 *
 * It does not know sockets, time, or what STDOUT means.
 */
import { decodeEndRequest, decodeUnknownType } from "./body.ts";
import type { ClientEvent, ClientProtocol, ClientRequestStart } from "./client_protocol.ts";
import { ClientRequestState } from "./client_request_state.ts";
import {
  CONTENT_LENGTH_SAFE,
  isKnownType,
  NULL_REQUEST_ID,
  RecordType,
  recordTypeName,
} from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import { IdTable } from "./id_table.ts";
import { cutBetweenPairs, decodeNameValues, encodeNameValues } from "./name_value.ts";
import { type FastCgiRecord, RecordDecoder } from "./record_decoder.ts";
import { RecordEncoder } from "./record_encoder.ts";
import { RequestIds } from "./request_ids.ts";

export type { ClientEvent, ClientRequestStart } from "./client_protocol.ts";

/** The multiplexer; see the top of this file. */
export class ClientConnection implements ClientProtocol {
  readonly isLast = false;
  readonly endsOutput = false;
  readonly #ids: RequestIds;
  readonly #requests = new IdTable<ClientRequestState>();
  readonly #encoder = new RecordEncoder();
  readonly #decoder = new RecordDecoder();
  #over = false;
  #strayRecords = 0;

  /** @param streamsMax most requests at once; 65,535 is the protocol's own limit */
  constructor(streamsMax: number) {
    this.#ids = new RequestIds(streamsMax);
  }

  /** Requests whose ids are in use, the aborted ones among them. */
  get inUse(): number {
    return this.#ids.inUse;
  }

  get hasFreeId(): boolean {
    return !this.#over && this.#ids.hasFree;
  }

  /** Ids of aborted requests: they are not used again on this connection. */
  get retiredIds(): number {
    return this.#ids.retired;
  }

  /** Records that came for a request which had already ended. */
  get strayRecords(): number {
    return this.#strayRecords;
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

  /**
   * BEGIN_REQUEST and all of PARAMS (sections 5.1, 5.2).
   *
   * @returns the id under which its events come
   * @throws {ProtocolError} `no_free_id`
   */
  begin(start: ClientRequestStart): number {
    const id = this.#over ? undefined : this.#ids.take();
    if (id === undefined) {
      throw new ProtocolError("no_free_id", "Cannot begin a request: no id is free", {
        fault: "local",
        scope: "request",
      });
    }
    this.#requests.add(id, new ClientRequestState(id, start.role));
    this.#encoder.beginRequest(id, start.role, start.keepConnection);
    this.#sendParams(id, start.params);
    this.#encoder.streamEnd(RecordType.PARAMS, id);
    return id;
  }

  /** Whether the request has not ended yet. */
  isInUse(id: number): boolean {
    return this.#requests.get(id) !== undefined;
  }

  /** Whether STDIN of the request can still be sent: it has neither ended nor been aborted. */
  takesStdin(id: number): boolean {
    return this.#requests.get(id)?.sending === "sending";
  }

  sendStdin(id: number, bytes: Uint8Array): void {
    this.#inUse(id).send("stdin");
    this.#encoder.stream(RecordType.STDIN, id, bytes);
  }

  endStdin(id: number): void {
    this.#inUse(id).send("stdin_end");
    this.#encoder.streamEnd(RecordType.STDIN, id);
  }

  /**
   * The end of STDIN of a request that has ended before it: Go's net/http/fcgi (1.19) keeps its id
   * in flight until then, and closes the connection when the id is used again. Others ignore it.
   */
  endLateStdin(id: number): void {
    if (!this.#over) this.#encoder.streamEnd(RecordType.STDIN, id);
  }

  /** The second stream of a filter (section 6.4). */
  sendData(id: number, bytes: Uint8Array): void {
    this.#inUse(id).send("data");
    this.#encoder.stream(RecordType.DATA, id, bytes);
  }

  endData(id: number): void {
    this.#inUse(id).send("data_end");
    this.#encoder.streamEnd(RecordType.DATA, id);
  }

  /** ABORT_REQUEST (section 5.4). The id stays in use until the application ends the request. */
  abort(id: number): void {
    this.#inUse(id).send("abort");
    this.#encoder.abortRequest(id);
  }

  /** GET_VALUES (section 4.1). */
  getValues(names: readonly string[]): void {
    const content = encodeNameValues(names.map((name) => [name, ""]));
    this.#encoder.record(RecordType.GET_VALUES, NULL_REQUEST_ID, content);
  }

  /**
   * What the bytes say, in order. After a `broken` event further bytes say nothing. The id of a
   * request that ended in these events is free at once: begin nothing before all are handled, or
   * the new request would be given events of the old one.
   */
  receive(bytes: Uint8Array): ClientEvent[] {
    const events: ClientEvent[] = [];
    if (this.#over) return events;
    try {
      this.#decoder.push(bytes);
      for (let record = this.#decoder.next(); record; record = this.#decoder.next()) {
        this.#take(record, events);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      events.push({ kind: "broken", error });
      this.#loseAll(events);
    }
    return events;
  }

  /** The application has closed the connection, or it broke. */
  receiveEnd(): ClientEvent[] {
    const events: ClientEvent[] = [];
    if (!this.#over) this.#loseAll(events);
    return events;
  }

  /** php-fpm reads each record of PARAMS by itself: a pair that straddles two is an error to it. */
  #sendParams(id: number, params: Uint8Array): void {
    if (params.length <= CONTENT_LENGTH_SAFE) {
      this.#encoder.stream(RecordType.PARAMS, id, params);
      return;
    }
    for (const pairs of cutBetweenPairs(params, CONTENT_LENGTH_SAFE)) {
      this.#encoder.stream(RecordType.PARAMS, id, pairs);
    }
  }

  #take(record: FastCgiRecord, events: ClientEvent[]): void {
    if (!isKnownType(record.type)) {
      events.push({ kind: "unknown_record", type: record.type });
      return;
    }
    if (record.requestId === NULL_REQUEST_ID) {
      this.#takeManagement(record, events);
      return;
    }
    const request = this.#requests.get(record.requestId);
    if (request === undefined) {
      this.#takeStray(record);
      return;
    }
    if (record.type === RecordType.END_REQUEST) {
      this.#end(request, record, events);
    } else if (request.sending !== "aborting") {
      takeStream(request, record, events);
    }
  }

  #takeManagement(record: FastCgiRecord, events: ClientEvent[]): void {
    if (record.type === RecordType.GET_VALUES_RESULT) {
      events.push({ kind: "values", values: new Map(decodeNameValues(record.content)) });
    } else if (record.type === RecordType.UNKNOWN_TYPE) {
      events.push({ kind: "unknown_type", type: decodeUnknownType(record.content) });
    } else {
      throw new ProtocolError(
        "bad_record",
        `Cannot take ${recordTypeName(record.type)} with request id 0`,
      );
    }
  }

  #takeStray(record: FastCgiRecord): void {
    if (!this.#ids.wasGiven(record.requestId)) {
      throw new ProtocolError(
        "bad_request_id",
        `Cannot take ${recordTypeName(record.type)} for request ${record.requestId}: ` +
          "it was never begun",
      );
    }
    this.#strayRecords++;
  }

  #end(request: ClientRequestState, record: FastCgiRecord, events: ClientEvent[]): void {
    const { appStatus, protocolStatus } = decodeEndRequest(record.content);
    this.#requests.take(request.id);
    if (request.sending === "aborting") this.#ids.retire(request.id);
    else this.#ids.release(request.id);
    events.push({ kind: "end", requestId: request.id, appStatus, protocolStatus });
  }

  #loseAll(events: ClientEvent[]): void {
    this.#over = true;
    for (const { id, receiving } of this.#requests.items()) {
      events.push({ kind: "lost", requestId: id, finished: receiving === "finished" });
      this.#requests.take(id);
      this.#ids.release(id);
    }
  }

  #inUse(id: number): ClientRequestState {
    const request = this.#requests.get(id);
    if (request === undefined) throw new RangeError(`Cannot use request ${id}: it has ended`);
    return request;
  }
}

/** A record of a request that is neither over nor aborted. */
function takeStream(
  request: ClientRequestState,
  { type, content }: FastCgiRecord,
  events: ClientEvent[],
): void {
  const requestId = request.id;
  if (type === RecordType.STDERR) {
    if (content.length > 0) events.push({ kind: "stderr", requestId, bytes: content });
    return;
  }
  if (type !== RecordType.STDOUT) {
    throw new ProtocolError(
      "bad_record",
      `Cannot take ${recordTypeName(type)} from an application`,
    );
  }
  try {
    request.receive(content.length > 0 ? "stdout" : "stdout_end");
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    events.push({ kind: "fault", requestId, error });
    return;
  }
  if (content.length > 0) events.push({ kind: "stdout", requestId, bytes: content });
  else events.push({ kind: "stdout_end", requestId });
}
