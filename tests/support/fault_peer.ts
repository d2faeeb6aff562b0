/**
 * A FastCGI application that does what a test tells it, wrong things above all. It reads requests
 * properly, answers FCGI_GET_VALUES, and hands each request to the behaviour of the moment, which
 * may write any bytes. By default it answers `good`.
 */
import { createServer, type Server, type Socket } from "node:net";
import { RecordType } from "../../src/protocol/constants.ts";
import { decodeNameValues, encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import type { Place } from "./places.ts";

export const GOOD_BODY = "good\n";
export const GOOD_HEADERS = "Content-Type: text/plain\r\n\r\n";

/** A request whose parameters and body have arrived. */
export interface PeerRequest {
  readonly id: number;
  readonly params: ReadonlyMap<string, string>;
  readonly bodyLength: number;
  /** Requests of this connection that have begun and not been answered, this one included. */
  readonly openCount: number;
  readonly connection: PeerConnection;
}

export interface Behaviour {
  /** Sent at once on a new connection, which is then read as ever. */
  readonly greeting?: Uint8Array | string;
  /** Instead of reading anything. */
  onConnect?(connection: PeerConnection): void;
  /** When a request begins, before anything else of it is read. */
  onBegin?(id: number, connection: PeerConnection): void;
  /** Closes the connection when so many bytes of it have been read. */
  readonly readMax?: number;
  /** Instead of the good response. */
  onRequest?(request: PeerRequest): void;
  /** The response to FCGI_GET_VALUES: FCGI_MPXS_CONNS as "0" or "1", or something else. */
  readonly multiplexes?:
    | "0"
    | "1"
    | "silent"
    | "close"
    | "reset"
    | "garbage"
    | "unknown_type"
    | "empty";
}

/** The records of a response, to be sent whole or in part. */
export class ResponseRecords {
  readonly #encoder = new RecordEncoder();

  record(type: number, id: number, content: Uint8Array | string): this {
    this.#encoder.record(type, id, Buffer.from(content));
    return this;
  }

  stdout(id: number, content: Uint8Array | string): this {
    this.#encoder.stream(RecordType.STDOUT, id, Buffer.from(content));
    return this;
  }

  stdoutEnd(id: number): this {
    this.#encoder.streamEnd(RecordType.STDOUT, id);
    return this;
  }

  stderr(id: number, content: Uint8Array | string): this {
    this.#encoder.stream(RecordType.STDERR, id, Buffer.from(content));
    return this;
  }

  end(id: number, protocolStatus = 0, appStatus = 0): this {
    this.#encoder.endRequest(id, appStatus, protocolStatus);
    return this;
  }

  get bytes(): Uint8Array {
    return this.#encoder.take().slice();
  }
}

/** A whole response without fault. */
export function goodResponse(id: number): ResponseRecords {
  return new ResponseRecords().stdout(id, GOOD_HEADERS + GOOD_BODY).stdoutEnd(id).end(id);
}

/** A connection from afcgi. */
export class PeerConnection {
  readonly #socket: Socket;
  readonly #peer: FaultPeer;
  readonly #decoder = new RecordDecoder();
  readonly #requests = new Map<number, { params: Buffer[]; bodyLength: number }>();
  #readLength = 0;

  constructor(socket: Socket, peer: FaultPeer) {
    this.#socket = socket;
    this.#peer = peer;
    socket.on("error", () => {});
    // Left half open, so that either direction can be closed alone.
    socket.on("end", () => socket.end());
    const { onConnect, greeting } = peer.behaviour;
    if (greeting !== undefined) this.write(greeting);
    if (onConnect) onConnect(this);
    else socket.on("data", (bytes: Buffer) => this.#read(bytes));
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  send(response: ResponseRecords): void {
    this.write(response.bytes);
  }

  /** Closes both directions, after all that was written. */
  close(): void {
    this.#socket.destroySoon();
  }

  /** Finishes writing, and reads on. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Breaks the connection. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #read(all: Buffer): void {
    const { readMax = Infinity } = this.#peer.behaviour;
    const bytes = all.subarray(0, Math.max(0, readMax - this.#readLength));
    this.#readLength += bytes.length;
    this.#decoder.push(bytes);
    this.#takeRecords();
    if (this.#readLength >= readMax) this.close();
  }

  #takeRecords(): void {
    for (;;) {
      const record = this.#decoder.next();
      if (record === undefined) return;
      this.#take(record.type, record.requestId, Buffer.from(record.content));
    }
  }

  #take(type: number, id: number, content: Buffer): void {
    if (type === RecordType.GET_VALUES) return this.#answerValues();
    if (type === RecordType.BEGIN_REQUEST) {
      this.#requests.set(id, { params: [], bodyLength: 0 });
      this.#peer.behaviour.onBegin?.(id, this);
      return;
    }
    const request = this.#requests.get(id);
    if (request === undefined) return;
    if (type === RecordType.ABORT_REQUEST) {
      this.#requests.delete(id);
      this.send(new ResponseRecords().end(id));
    }
    if (type === RecordType.PARAMS) request.params.push(content);
    if (type !== RecordType.STDIN) return;
    request.bodyLength += content.length;
    if (content.length > 0) return;
    const openCount = this.#requests.size;
    this.#requests.delete(id);
    if (this.#peer.behaviour.onBegin) return;
    const params = new Map(decodeNameValues(Buffer.concat(request.params)));
    this.#peer.answer({ id, params, bodyLength: request.bodyLength, openCount, connection: this });
  }

  #answerValues(): void {
    const { multiplexes = "1" } = this.#peer.behaviour;
    switch (multiplexes) {
      case "silent":
        return;
      case "close":
        return this.close();
      case "reset":
        return this.reset();
      case "garbage":
        return this.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      case "unknown_type":
        return this.send(
          new ResponseRecords().record(RecordType.UNKNOWN_TYPE, 0, "\x09\0\0\0\0\0\0\0"),
        );
      case "empty":
        return this.send(new ResponseRecords().record(RecordType.GET_VALUES_RESULT, 0, ""));
    }
    const values = encodeNameValues([["FCGI_MPXS_CONNS", multiplexes]]);
    this.send(new ResponseRecords().record(RecordType.GET_VALUES_RESULT, 0, values));
  }
}

/** The application. */
export class FaultPeer {
  readonly place: Place;
  behaviour: Behaviour = {};
  connectionCount = 0;
  requestCount = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, place: Place) {
    this.#server = server;
    this.place = place;
  }

  static start(place: Place): Promise<FaultPeer> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => peer.#accept(socket));
      const peer = new FaultPeer(server, place);
      server.on("error", reject);
      const listening = () => resolve(peer);
      if (place.network === "tcp") server.listen(place.port, place.host, listening);
      else server.listen(place.path, listening);
    });
  }

  answer(request: PeerRequest): void {
    this.requestCount++;
    const { onRequest } = this.behaviour;
    if (onRequest) onRequest(request);
    else request.connection.send(goodResponse(request.id));
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    this.connectionCount++;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    new PeerConnection(socket, this);
  }
}
