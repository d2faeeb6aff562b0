/**
 * The streams of one connection: makes them of what the client sends, hands their requests to the
 * handler, and keeps the windows and the limits that they share. A request is handed over when all
 * frames of a piece have been read, so one that is reset within the piece reaches nobody.
 */
import type { ConnectionServer } from "../http1/connection_server.ts";
import { RequestError } from "../http1/request_headers.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Budgets } from "./budgets.ts";
import { type ErrorCodeName, errorCodeName, WINDOW_MAX } from "./constants.ts";
import { ConnectionError, StreamError } from "./errors.ts";
import { appendWindowUpdate } from "./frame_writer.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import type { Section } from "./inbound.ts";
import type { Http2Limits } from "./limits.ts";
import type { Http2Observer } from "./observer.ts";
import type { Outbound } from "./outbound.ts";
import { EarlyPriorities, parsePriority, type Priority } from "./priority.ts";
import { MalformedError, type RequestHeaders, RequestHeadersReader } from "./request_headers.ts";
import { ReceiveWindows } from "./receive_windows.ts";
import { SessionMemory } from "./session_memory.ts";
import type { ClientSettings } from "./settings.ts";
import { Stream, type StreamOwner } from "./stream.ts";
import { mayReceive } from "./stream_state.ts";
import { type StreamEnd, StreamTable } from "./stream_table.ts";

/** Errors of a client that cost it one of its resets. */
const CLIENT_ERRORS: ReadonlySet<ErrorCodeName> = new Set([
  "PROTOCOL_ERROR",
  "FLOW_CONTROL_ERROR",
  "FRAME_SIZE_ERROR",
  "STREAM_CLOSED",
  "REFUSED_STREAM",
]);

/** Of the memory of a connection, what windows may grow by. */
const GROWN_SHARE = 4;

export interface SessionDeps {
  readonly server: ConnectionServer;
  readonly peer: HttpPeer;
  readonly outbound: Outbound;
  readonly budgets: Budgets;
  readonly limits: Http2Limits;
  readonly observer: Http2Observer;
  /** Something went wrong outside of what came. */
  readonly fail: (error: unknown) => void;
  /** Less than before waits of what the client sent. */
  readonly onReleased: () => void;
  readonly onStreamClosed: () => void;
}

export class Session implements StreamOwner {
  readonly streams = new StreamTable();
  readonly outbound: Outbound;
  readonly peer: HttpPeer;
  readonly isTls: boolean;
  readonly decoder: HpackDecoder;
  readonly memory: SessionMemory;
  readonly #deps: SessionDeps;
  readonly #headers: RequestHeadersReader;
  /** Streams whose requests have not been handed over. */
  #arrived: Stream[] = [];
  readonly #early = new EarlyPriorities();
  readonly #receiving: ReceiveWindows;
  #sendWindow: number;
  /** Handlers of streams that are over. */
  #settling = 0;
  #requests = 0;
  /** How the stream ends that is being closed. */
  #end: StreamEnd = "over";
  /** Streams above it are not ours to answer any more. */
  lastIdMax = Infinity;

  constructor(deps: SessionDeps, initialSendWindow: number) {
    const { server, limits, outbound, peer } = deps;
    this.#deps = deps;
    this.outbound = outbound;
    this.peer = peer;
    this.isTls = server.isTls;
    this.#sendWindow = initialSendWindow;
    this.#receiving = new ReceiveWindows(
      limits.memoryMax / GROWN_SHARE,
      (streamId, increment) => this.#announce(streamId, increment),
    );
    this.decoder = new HpackDecoder(limits.headerTableMax);
    this.memory = new SessionMemory(server.memory, limits.memoryMax, deps.onReleased);
    this.#headers = new RequestHeadersReader(
      this.decoder,
      limits.headerListMax ?? server.headersLengthMax,
    );
    outbound.onRoom = () => this.#onRoom();
  }

  get coarseNowMs(): number {
    return this.#deps.server.coarseNowMs;
  }

  get date(): string {
    return this.#deps.server.date;
  }

  /** Requests that have come. */
  get requests(): number {
    return this.#requests;
  }

  /** Whether nothing is under way, for the client or behind it. */
  get isIdle(): boolean {
    return this.streams.size === 0 && this.#settling === 0;
  }

  readonly handler: StreamOwner["handler"] = (request, peer) =>
    this.#deps.server.handler(request, peer);

  onFailure(error: unknown): void {
    this.#deps.server.onFailure(error);
  }

  onBodyFailure(error: unknown): void {
    this.#deps.server.onBodyFailure?.(error, this.peer.host);
  }

  fail(error: unknown): void {
    this.#deps.fail(error);
  }

  /** The connection rests: what it remembers is not worth its memory. */
  forget(): void {
    this.#headers.forget();
    this.outbound.forget();
  }

  /** Hands over what has come, as long as the client takes what is there for it. */
  askHandlers(): void {
    while (this.#arrived.length > 0 && !this.memory.holdsTooMuch) {
      const arrived = this.#arrived;
      this.#arrived = [];
      for (const stream of arrived) {
        if (this.memory.holdsTooMuch) this.#arrived.push(stream);
        else if (stream.state !== "closed") stream.ask();
      }
      if (this.memory.holdsTooMuch) return;
    }
  }

  /** The connection is over, and with it everything under way. */
  end(): void {
    this.#arrived = [];
    for (const stream of [...this.streams.values()]) this.#close(stream);
  }

  onSection(section: Section): void {
    const { streamId } = section;
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return this.#trailers(stream, section);
    if (streamId > this.streams.lastId) return this.#request(section);
    const end = this.streams.endOf(streamId);
    if (end === "reset by us") return this.#readOver(section);
    if (end === undefined) {
      throw new ConnectionError("PROTOCOL_ERROR", `Stream ${streamId} is lower than one before it`);
    }
    throw new ConnectionError("STREAM_CLOSED", `HEADERS on stream ${streamId}, which is over`);
  }

  onData(streamId: number, data: Uint8Array, flowLength: number, isEnd: boolean): void {
    this.#receiving.takeOfConnection(flowLength);
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.#lateData(streamId);
    if (!mayReceive(stream.state)) {
      throw new StreamError(streamId, "STREAM_CLOSED", "DATA behind the end of the body");
    }
    this.#receiving.takeOfStream(stream, flowLength);
    if (data.length < flowLength) this.consumed(stream, flowLength - data.length, false);
    const fits = stream.receive(data) &&
      (!isEnd || stream.state === "closed" || stream.receiveEnd());
    if (!fits) this.#malformed(streamId, "The body has another length than Content-Length says");
  }

  onReset(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    this.#deps.observer.onReset("client", errorCodeName(code));
    this.#close(stream, "reset by the client");
  }

  onSettings({ headerTableSize, initialWindow, frameLengthMax }: ClientSettings): void {
    this.outbound.encoder.limitTable(headerTableSize);
    this.outbound.frameLengthMax = frameLengthMax;
    const more = initialWindow - this.#sendWindow;
    this.#sendWindow = initialWindow;
    if (more === 0) return;
    for (const stream of this.streams.values()) {
      if (stream.sendWindow + more > WINDOW_MAX) {
        throw new ConnectionError("FLOW_CONTROL_ERROR", "A stream's window is too large");
      }
      stream.sendWindow += more;
      if (stream.sendWindow > 0) stream.windowOpened();
      else this.outbound.queue.remove(stream);
    }
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const { outbound } = this;
    if (streamId !== 0) {
      const stream = this.streams.get(streamId);
      if (stream === undefined) return;
      if (stream.sendWindow + increment > WINDOW_MAX) {
        throw new StreamError(streamId, "FLOW_CONTROL_ERROR", "The stream's window is too large");
      }
      stream.sendWindow += increment;
      if (stream.sendWindow > 0) stream.windowOpened();
      return;
    }
    if (outbound.window + increment > WINDOW_MAX) {
      throw new ConnectionError("FLOW_CONTROL_ERROR", "The connection's window is too large");
    }
    const wasClosed = outbound.window <= 0;
    outbound.window += increment;
    if (!wasClosed) return;
    for (const stream of this.streams.values()) stream.windowOpened();
  }

  onPriority(streamId: number, value: string): void {
    const priority = parsePriority(value);
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.#prioritize(stream, priority);
    else if (this.streams.isIdle(streamId)) this.#early.keep(streamId, priority);
  }

  /** What went wrong with one stream. */
  onStreamError({ streamId, code }: StreamError): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return this.reset(stream, code);
    this.#sayReset(streamId, code);
  }

  hold(length: number): void {
    this.memory.hold(length);
  }

  holdResponse(length: number): void {
    this.memory.holdResponse(length);
  }

  consumed(stream: Stream, length: number, isWaiting: boolean): void {
    this.#receiving.consumed(stream, length, isWaiting);
  }

  reset(stream: Stream, code: ErrorCodeName): void {
    this.#close(stream, "reset by us");
    this.#sayReset(stream.id, code);
  }

  onClosed(stream: Stream): void {
    const { observer, onStreamClosed } = this.#deps;
    this.#receiving.release(stream);
    if (stream.isAsking) this.#settling++;
    observer.onStreamClosed();
    this.streams.remove(stream.id, this.#end);
    if (this.#end === "over") this.#deps.budgets.give("resets", 1);
    onStreamClosed();
  }

  onSettled(): void {
    this.#settling--;
    this.#deps.onStreamClosed();
  }

  #close(stream: Stream, end: StreamEnd = "over"): void {
    if (stream.state === "closed") return;
    this.#end = end;
    stream.move("reset");
    this.#end = "over";
  }

  #sayReset(streamId: number, code: ErrorCodeName): void {
    const { observer, budgets, fail } = this.#deps;
    try {
      if (CLIENT_ERRORS.has(code)) budgets.take("resets");
      if (code !== "NO_ERROR") observer.onReset("server", code);
      this.outbound.reset(streamId, code);
      this.outbound.schedule();
    } catch (error) {
      fail(error);
    }
  }

  #trailers(stream: Stream, section: Section): void {
    const { bytes, start, end, isEnd } = section;
    if (!mayReceive(stream.state)) {
      this.#readOver(section);
      throw new StreamError(stream.id, "STREAM_CLOSED", "HEADERS behind the end of the body");
    }
    try {
      this.#headers.readTrailers(bytes, start, end);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      return this.#malformed(stream.id, error.message);
    }
    if (!isEnd) return this.#malformed(stream.id, "HEADERS within a body");
    if (!stream.receiveEnd()) {
      this.#malformed(stream.id, "The body has another length than Content-Length says");
    }
  }

  /** A section that nobody wants still changes what the next one means. */
  #readOver({ bytes, start, end }: Section): void {
    this.decoder.begin(bytes, start, end);
    while (this.decoder.next() !== undefined);
  }

  #request(section: Section): void {
    const { streamId, isEnd } = section;
    const { streams } = this;
    streams.use(streamId);
    if (streamId > this.lastIdMax) {
      // The client has been told that nothing comes of it, and asks elsewhere.
      streams.remove(streamId, "reset by us");
      return this.#readOver(section);
    }
    this.#requests++;
    let headers: RequestHeaders;
    try {
      headers = this.#headers.read(section.bytes, section.start, section.end);
    } catch (error) {
      if (error instanceof MalformedError) return this.#malformed(streamId, error.message);
      if (error instanceof RequestError) return this.#refuse(streamId, error, isEnd);
      throw error;
    }
    if (section.isSelfDependent) return this.#malformed(streamId, "A stream depends on itself");
    if (isEnd && (headers.contentLength ?? 0) > 0) {
      return this.#malformed(streamId, "The body has another length than Content-Length says");
    }
    const { limits: { streamsMax }, server } = this.#deps;
    if (streams.size >= streamsMax || streams.size + this.#settling >= 2 * streamsMax) {
      throw this.#unopened(streamId, "REFUSED_STREAM", "Too many streams at once");
    }
    const stream = new Stream(this, streamId, this.#sendWindow, server.coarseNowMs);
    this.#open(stream, headers.priority);
    stream.begin(headers, isEnd);
    this.#arrived.push(stream);
  }

  #open(stream: Stream, priority: string | undefined): void {
    const told = this.#early.take(stream.id) ??
      (priority === undefined ? undefined : parsePriority(priority));
    if (told !== undefined) this.#prioritize(stream, told);
    this.streams.add(stream);
    this.#deps.observer.onStreamOpened();
  }

  #prioritize(stream: Stream, { urgency, isIncremental }: Priority): void {
    this.outbound.queue.reprioritize(stream, urgency, isIncremental);
  }

  /** A request that is told what is wrong with it, as over HTTP/1. */
  #refuse(streamId: number, error: RequestError, isEnd: boolean): void {
    const { server } = this.#deps;
    const stream = new Stream(this, streamId, this.#sendWindow, server.coarseNowMs);
    this.#open(stream, undefined);
    stream.beginRefused(this.#headers.method ?? "GET", isEnd);
    stream.respond(server.onRequestError(error, this.peer, undefined));
  }

  #malformed(streamId: number, message: string): never {
    const { server } = this.#deps;
    server.onRequestError(new RequestError(400, message), this.peer, undefined);
    throw this.#unopened(streamId, "PROTOCOL_ERROR", message);
  }

  /** A stream that never came to be ends as one that we reset. */
  #unopened(streamId: number, code: ErrorCodeName, message: string): StreamError {
    if (this.streams.get(streamId) === undefined) this.streams.remove(streamId, "reset by us");
    return new StreamError(streamId, code, message);
  }

  #lateData(streamId: number): void {
    if (this.streams.endOf(streamId) === "reset by us") return;
    throw new ConnectionError("STREAM_CLOSED", `DATA on stream ${streamId}, which is over`);
  }

  #announce(streamId: number, increment: number): void {
    try {
      this.outbound.control((out) => appendWindowUpdate(out, streamId, increment));
      this.outbound.schedule();
    } catch (error) {
      this.#deps.fail(error);
    }
  }

  #onRoom(): void {
    for (const stream of this.streams.values()) stream.startResponse();
  }
}
