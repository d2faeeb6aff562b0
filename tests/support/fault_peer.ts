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
export const GOOD_HEAD = "Content-Type: text/plain\r\n\r\n";

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
  /** Instead of reading anything. */
  onConnect?(connection: PeerConnection): void;
  /** Instead of the good answer. */
  onRequest?(request: PeerRequest): void;
  /** The answer's FCGI_MPXS_CONNS; "silent": no answer. */
  readonly multiplexes?: "0" | "1" | "silent";
}

/** The records of an answer, to be sent whole or in part. */
export class Answer {
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

/** A whole answer without fault. */
export function goodAnswer(id: number): Answer {
  return new Answer().stdout(id, GOOD_HEAD + GOOD_BODY).stdoutEnd(id).end(id);
}

/** A connection from afcgi. */
export class PeerConnection {
  readonly #socket: Socket;
  readonly #peer: FaultPeer;
  readonly #decoder = new RecordDecoder();
  readonly #requests = new Map<number, { params: Buffer[]; bodyLength: number }>();

  constructor(socket: Socket, peer: FaultPeer) {
    this.#socket = socket;
    this.#peer = peer;
    socket.on("error", () => {});
    const { onConnect } = peer.behaviour;
    if (onConnect) onConnect(this);
    else socket.on("data", (bytes: Buffer) => this.#read(bytes));
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  send(answer: Answer): void {
    this.write(answer.bytes);
  }

  /** Closes after all that was written. */
  close(): void {
    this.#socket.end();
  }

  /** Breaks the connection. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #read(bytes: Buffer): void {
    this.#decoder.push(bytes);
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
      return;
    }
    const request = this.#requests.get(id);
    if (request === undefined) return;
    if (type === RecordType.ABORT_REQUEST) {
      this.#requests.delete(id);
      this.send(new Answer().end(id));
    }
    if (type === RecordType.PARAMS) request.params.push(content);
    if (type !== RecordType.STDIN) return;
    request.bodyLength += content.length;
    if (content.length > 0) return;
    const openCount = this.#requests.size;
    this.#requests.delete(id);
    const params = new Map(decodeNameValues(Buffer.concat(request.params)));
    this.#peer.answer({ id, params, bodyLength: request.bodyLength, openCount, connection: this });
  }

  #answerValues(): void {
    const { multiplexes = "1" } = this.#peer.behaviour;
    if (multiplexes === "silent") return;
    const values = encodeNameValues([["FCGI_MPXS_CONNS", multiplexes]]);
    this.send(new Answer().record(RecordType.GET_VALUES_RESULT, 0, values));
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
      const server = createServer((socket) => peer.#accept(socket));
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
    else request.connection.send(goodAnswer(request.id));
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
