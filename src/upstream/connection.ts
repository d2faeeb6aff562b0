/**
 * One connection to an application: drives the multiplexer of `protocol/` over a socket.
 *
 *      connecting ──► open ──► draining ──► closed
 *          └────────────┴──────────────────────┘ (refused, broken, closed by the application)
 *
 * A request may begin while the connection is still being made: its records leave with the first
 * write. Draining, it takes nothing new and closes when its last request has ended.
 *
 * Abort: where requests share the connection, ABORT_REQUEST is sent and the id stays in use until
 * the application ends the request; after `timeouts.abort` the connection drains. Where they do not,
 * the connection is closed.
 *
 * It does not know HTTP, CGI, retries or other connections.
 */
import { ClientConnection, type ClientEvent } from "../protocol/client_connection.ts";
import { ProtocolStatus } from "../protocol/constants.ts";
import { IdTable } from "../protocol/id_table.ts";
import { formatAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { BodySender } from "./body_sender.ts";
import { connectionError } from "./connection_errors.ts";
import { type DeadlineHolder, type Deadlines, NO_SLOT } from "./deadlines.ts";
import type { UpstreamError } from "./errors.ts";
import {
  IDLE_TIMEOUT_MULTIPLEXED_MS,
  IDLE_TIMEOUT_SINGLE_MS,
  type ServerOptions,
  type UpstreamOptions,
} from "./options.ts";
import type { StreamHandler, StreamStart } from "./stream_handler.ts";
import { Transport, type TransportOwner } from "./transport.ts";

/** Most ids of aborted requests on a connection, which are not used again, before it drains. */
export const RETIRED_IDS_MAX = 256;

export type ConnectionState = "connecting" | "open" | "draining" | "closed";

/** What the pool that holds the connection is told. */
export interface ConnectionOwner {
  onOpen(connection: UpstreamConnection): void;
  /** A request has ended or the connection reads again: there may be room. */
  onRoom(connection: UpstreamConnection): void;
  onPaused(connection: UpstreamConnection): void;
  onAborted(connection: UpstreamConnection): void;
  onUnknownRecord(connection: UpstreamConnection, type: number): void;
  onClosed(connection: UpstreamConnection, error: UpstreamError): void;
}

export interface ConnectionParts {
  readonly runtime: Runtime;
  readonly deadlines: Deadlines;
  readonly owner: ConnectionOwner;
  readonly server: ServerOptions;
  readonly options: UpstreamOptions;
  readonly multiplexed: boolean;
  /** For logs; unique in the upstream. */
  readonly number: number;
}

export class UpstreamConnection implements DeadlineHolder, TransportOwner {
  readonly number: number;
  readonly multiplexed: boolean;
  readonly address: string;
  deadlineMs: number;
  deadlineSlot = NO_SLOT;

  readonly #parts: ConnectionParts;
  readonly #protocol: ClientConnection;
  readonly #bodies: BodySender;
  readonly #transport: Transport;
  readonly #retiredIdsMax: number;
  readonly #handlers = new IdTable<StreamHandler>();
  /** Aborted requests without END_REQUEST, and until when to wait for it. */
  readonly #aborting = new Map<number, number>();
  readonly #pausedBy = new Set<number>();
  #state: ConnectionState = "connecting";
  #connected = false;
  #hasAnswered = false;
  #requestsBegun = 0;
  #begunSinceWrite = 0;
  /** Requests that began with the last write in which any did. */
  #begunTogether = 0;
  #connectTimedOut = false;
  #closedByUs = false;
  /** While the events of one read are handed out, and whether there is room after them. */
  #dispatching = false;
  #hasRoomAfter = false;
  #broken: UpstreamError | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.multiplexed = parts.multiplexed;
    this.address = formatAddress(parts.server.address);
    const { connections, timeouts } = parts.options;
    this.#protocol = new ClientConnection(parts.multiplexed ? connections.streamsMax : 1);
    // Where few requests fit, half of the ids must stay in use.
    this.#retiredIdsMax = Math.min(RETIRED_IDS_MAX, Math.ceil(connections.streamsMax / 2));
    this.#bodies = new BodySender(this.#protocol, () => this.#transport.schedule());
    this.deadlineMs = parts.deadlines.after(timeouts.connectMs);
    parts.deadlines.add(this);
    this.#transport = new Transport(parts.runtime, parts.server.address, this);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Whether it ever stood: before, nothing of a request can have reached the application. */
  get wasConnected(): boolean {
    return this.#connected;
  }

  /** Whether the server is to blame that it never stood, and not we who closed it before. */
  get couldNotConnect(): boolean {
    return !this.#connected && (this.#connectTimedOut || !this.#closedByUs);
  }

  /** Whether anything ever came: before, the application may not even have accepted it. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Requests on the connection, the aborted ones among them. */
  get streams(): number {
    return this.#protocol.inUse;
  }

  /** Requests so far. */
  get requestsBegun(): number {
    return this.#requestsBegun;
  }

  get isPaused(): boolean {
    return this.#pausedBy.size > 0;
  }

  get strayRecords(): number {
    return this.#protocol.strayRecords;
  }

  /**
   * Whether another request may begin now. Not between the events of one read: the id of a request
   * whose end is among them is free already, and the next one under it would get what is left.
   */
  get canBegin(): boolean {
    return (this.#state === "open" || this.#state === "connecting") &&
      !this.#dispatching && this.#pausedBy.size === 0 && this.#protocol.hasFreeId;
  }

  /** Begins a request and returns its id; only while {@link canBegin}. */
  begin(start: StreamStart, handler: StreamHandler): number {
    const { reuse, requestsMax } = this.#parts.options.connections;
    const id = this.#protocol.begin({
      role: start.role,
      keepConnection: reuse,
      params: start.params(),
    });
    this.#handlers.add(id, handler);
    this.#requestsBegun++;
    if (this.#connected && this.#aborting.size === 0) this.deadlineMs = Infinity;
    if (this.#requestsBegun === requestsMax || !reuse) this.drain();
    this.#bodies.send(id, start, handler);
    this.#begunSinceWrite++;
    if (this.#isAlone && start.stdin === undefined) this.#transport.flush();
    else this.#transport.schedule();
    return id;
  }

  /** Gives a request up; its handler hears nothing more. For one that has ended: nothing. */
  abort(id: number): void {
    if (this.#handlers.take(id) === undefined) return;
    this.#bodies.stop(id);
    this.resumeReading(id);
    if (!this.#protocol.isInUse(id)) return;
    this.#parts.owner.onAborted(this);
    if (!this.multiplexed) {
      this.close();
      return;
    }
    this.#protocol.abort(id);
    this.#aborting.set(id, this.#parts.deadlines.after(this.#parts.options.timeouts.abortMs));
    this.#updateDeadline();
    this.#transport.schedule();
  }

  /** Stops reading for the sake of one request whose client is slow. */
  pauseReading(id: number): void {
    if (this.#pausedBy.size === 0) {
      this.#transport.pause();
      this.#parts.owner.onPaused(this);
    }
    this.#pausedBy.add(id);
  }

  resumeReading(id: number): void {
    if (!this.#pausedBy.delete(id) || this.#pausedBy.size > 0) return;
    this.#transport.resume();
    this.#announceRoom();
  }

  /** Takes nothing new, and closes when nothing is left. */
  drain(): void {
    if (this.#state === "closed") return;
    this.#state = "draining";
    this.#closeIfDone();
  }

  /** Closes at once; requests on it are lost. */
  close(): void {
    if (this.#state === "closed") return;
    // The socket's end comes later: until then nothing may begin here.
    this.#state = "draining";
    this.#closedByUs = true;
    this.#transport.close();
  }

  // What the transport asks and tells.

  takeOutput(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#begunSinceWrite > 0) this.#begunTogether = this.#begunSinceWrite;
    this.#begunSinceWrite = 0;
    this.#bodies.fill();
    return this.#protocol.outputLength > 0 ? this.#protocol.takeOutput() : undefined;
  }

  recycleOutput(bytes: Uint8Array<ArrayBuffer>): void {
    this.#protocol.recycleOutput(bytes);
  }

  onOpen(): void {
    this.#connected = true;
    if (this.#state === "connecting") this.#state = "open";
    this.#updateDeadline();
    this.#bodies.open();
    this.#parts.owner.onOpen(this);
  }

  onBytes(bytes: Uint8Array): void {
    this.#hasAnswered = true;
    this.#dispatch(this.#protocol.receive(bytes));
  }

  onUnwritable(): void {
    this.drain();
  }

  onClosed(cause: unknown): void {
    const error = this.#broken ?? connectionError({
      address: this.address,
      connected: this.#connected,
      timedOut: this.#connectTimedOut,
      requestsOpen: this.#handlers.size,
      cause,
    });
    this.#broken = error;
    this.#state = "closed";
    this.#parts.deadlines.remove(this);
    this.#pausedBy.clear();
    this.#dispatch(this.#protocol.receiveEnd());
    this.#parts.owner.onClosed(this, error);
  }

  onDeadline(): void {
    const nowMs = this.#parts.deadlines.nowMs();
    if (!this.#connected) {
      this.#connectTimedOut = true;
      this.close();
      return;
    }
    for (const [id, untilMs] of this.#aborting) {
      // The id never becomes free: nothing new may come here.
      if (untilMs <= nowMs) {
        this.#aborting.set(id, Infinity);
        this.#state = "draining";
      }
    }
    this.#updateDeadline();
    if (this.#state === "draining") this.#closeIfDone();
    else if (this.#protocol.inUse === 0) this.close();
  }

  /**
   * Whether the request that has just begun has nothing to gather with, so that the application can
   * begin: no other is in flight, and where others could come the last one came alone as well.
   */
  get #isAlone(): boolean {
    return this.#protocol.inUse === 1 && (!this.multiplexed || this.#begunTogether <= 1);
  }

  #dispatch(events: readonly ClientEvent[]): void {
    this.#dispatching = true;
    for (const event of events) this.#handle(event);
    this.#dispatching = false;
    if (this.#hasRoomAfter) this.#announceRoom();
  }

  #announceRoom(): void {
    this.#hasRoomAfter = this.#dispatching;
    if (!this.#dispatching) this.#parts.owner.onRoom(this);
  }

  #handle(event: ClientEvent): void {
    switch (event.kind) {
      case "stdout":
        this.#handlers.get(event.requestId)?.onStdout(event.bytes);
        break;
      case "stdout_end":
        this.#handlers.get(event.requestId)?.onStdoutEnd();
        break;
      case "stderr":
        this.#handlers.get(event.requestId)?.onStderr(event.bytes);
        break;
      case "end":
        this.#end(event.requestId, event.protocolStatus, event.appStatus);
        break;
      case "fault":
      case "lost":
        this.#lose(event);
        break;
      case "broken":
        this.#broken = connectionError({
          address: this.address,
          connected: true,
          requestsOpen: this.#handlers.size,
          cause: event.error,
        });
        this.close();
        break;
      case "unknown_record":
        this.#parts.owner.onUnknownRecord(this, event.type);
        break;
      case "values":
      case "unknown_type":
        // Answers to questions that this connection does not ask; see negotiation.ts.
        break;
    }
  }

  #end(id: number, protocolStatus: number, appStatus: number): void {
    const handler = this.#handlers.take(id);
    this.#aborting.delete(id);
    const bodyWasSent = this.#bodies.stop(id);
    this.resumeReading(id);
    // What is still on its way of the body would stand before the next request's records.
    if (!this.multiplexed && (!bodyWasSent || protocolStatus !== ProtocolStatus.REQUEST_COMPLETE)) {
      this.#state = "draining";
    }
    if (this.#protocol.retiredIds >= this.#retiredIdsMax) this.#state = "draining";
    handler?.onEnd(protocolStatus, appStatus);
    if (this.#state === "draining") this.#closeIfDone();
    else if (this.#protocol.inUse === 0) this.#updateDeadline();
    this.#announceRoom();
  }

  #lose(event: ClientEvent & { kind: "fault" | "lost" }): void {
    const id = event.requestId;
    const handler = this.#handlers.get(id);
    if (event.kind === "fault") {
      this.abort(id);
      handler?.onLost(
        connectionError({ address: this.address, connected: true, cause: event.error }),
        false,
      );
      return;
    }
    this.#handlers.take(id);
    this.#bodies.stop(id);
    handler?.onLost(this.#broken!, event.finished);
  }

  #closeIfDone(): void {
    for (const untilMs of this.#aborting.values()) if (untilMs !== Infinity) return;
    if (this.#handlers.size === 0) this.close();
  }

  /** The next moment at which something is to be done: an abort to give up, or idleness to end. */
  #updateDeadline(): void {
    // Until it stands, the limit is that of connecting.
    if (!this.#connected) return;
    this.deadlineMs = Infinity;
    for (const untilMs of this.#aborting.values()) {
      if (untilMs < this.deadlineMs) this.deadlineMs = untilMs;
    }
    if (this.#protocol.inUse > 0) return;
    const idleTimeoutMs = this.#parts.options.connections.idleTimeoutMs ??
      (this.multiplexed ? IDLE_TIMEOUT_MULTIPLEXED_MS : IDLE_TIMEOUT_SINGLE_MS);
    this.deadlineMs = this.#parts.deadlines.after(idleTimeoutMs);
  }
}
