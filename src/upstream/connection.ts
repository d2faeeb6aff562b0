/**
 * One connection to an application: drives a protocol (`protocols.ts`) over a socket, by the states
 * of `connection_state.ts`. A request may begin while it is still being made. An aborted one keeps its
 * id on a shared connection, for `timeouts.abort` at most; any other connection ends with it.
 *
 * Requests can hold each other up by a body that nobody reads: the application (`sending_flow.ts`) or a
 * client (`standing_still.ts`, `reading_pauses.ts`).
 *
 * What goes wrong in here, or in a request that is told something, closes the connection and is
 * reported. It does not know what requests are made of, retries or other connections.
 */
import type { ClientEvent } from "../protocol/client_connection.ts";
import type { ClientProtocol } from "../protocol/client_protocol.ts";
import { ProtocolStatus, Role } from "../protocol/constants.ts";
import { IdTable } from "../protocol/id_table.ts";
import { formatAddress } from "../runtime/address.ts";
import { AbortedRequests } from "./aborted_requests.ts";
import { BodySender } from "./body_sender.ts";
import { connectionError, lossError, slowClientError, unknownRecord } from "./connection_errors.ts";
import { ConnectionLife } from "./connection_life.ts";
import { ConnectionOutput } from "./connection_output.ts";
import type { ConnectionDeps } from "./connection_deps.ts";
import type { ShownState } from "./connection_state.ts";
import { type DeadlineHolder, NO_SLOT } from "./deadlines.ts";
import type { UpstreamError } from "./errors.ts";
import { idleTimeoutMs } from "./options.ts";
import { createProtocol } from "./protocols.ts";
import { ReadingPauses } from "./reading_pauses.ts";
import { RoomNotice } from "./room_notice.ts";
import { SendingFlow } from "./sending_flow.ts";
import { StandingStill } from "./standing_still.ts";
import { type StreamHandler, type StreamStart, tellStream } from "./stream_handler.ts";
import { Transport, type TransportOwner } from "./transport.ts";

/** Most ids of aborted requests on a connection, which are not used again, before it drains. */
export const RETIRED_IDS_MAX = 256;

export class UpstreamConnection implements DeadlineHolder, TransportOwner {
  readonly number: number;
  readonly multiplexed: boolean;
  readonly life: ConnectionLife;
  readonly address: string;
  deadlineMs: number;
  deadlineSlot = NO_SLOT;
  /** Whether it has left HTTP: it belongs to one client until it ends. */
  isTunnel = false;
  /** Requests on it that its owner has counted. */
  streamsCounted = 0;
  /** Whether what is sent is read. */
  readonly flow: SendingFlow;
  /** Before a client's response goes into a file. */
  readonly standing: StandingStill;

  readonly #deps: ConnectionDeps<UpstreamConnection>;
  readonly #upstream: string;
  readonly #protocol: ClientProtocol;
  readonly #bodies: BodySender;
  readonly #output: ConnectionOutput;
  readonly #transport: Transport;
  readonly #retiredIdsMax: number;
  readonly #handlers = new IdTable<StreamHandler>();
  readonly #aborting = new AbortedRequests();
  readonly #pauses = new ReadingPauses();
  /** The request that wants the connection for itself, as long as it is in use; 0: none. */
  #aloneId = 0;
  readonly #room = new RoomNotice(() => this.#deps.owner.onRoom(this));
  #broken: UpstreamError | undefined;

  constructor(deps: ConnectionDeps<UpstreamConnection>) {
    this.#deps = deps;
    this.#upstream = deps.options.name;
    this.number = deps.number;
    this.multiplexed = deps.multiplexed;
    this.address = formatAddress(deps.server.address);
    const { connections, timeouts } = deps.options;
    this.#protocol = createProtocol(deps.options, deps.multiplexed);
    this.#retiredIdsMax = Math.min(RETIRED_IDS_MAX, Math.ceil(connections.streamsMax / 2));
    this.#bodies = new BodySender(this.#protocol, () => this.#transport.schedule());
    this.deadlineMs = deps.deadlines.after(timeouts.connectMs);
    deps.deadlines.add(this);
    this.#output = new ConnectionOutput(this.#protocol, this.#bodies);
    this.#transport = new Transport(deps, this, this.#output);
    this.standing = new StandingStill({
      clock: deps.runtime.clock,
      isWaitedFor: (longCount) => longCount < this.#handlers.size || deps.owner.hasWaiting,
      onStandStill: () => this.#transport.pause(),
      onReadOn: () => this.#transport.resume(),
      onSpill: (id, isSlow) => this.#guard(() => this.#handlers.get(id)?.onSpill(isSlow)),
    });
    this.flow = new SendingFlow({
      protocol: this.#protocol,
      bodies: this.#bodies,
      transport: this.#transport,
      deadlines: deps.deadlines,
      // With "on" nobody knows whether it answers.
      mayAsk: deps.options.multiplex === "auto",
    });
    this.life = new ConnectionLife(this.#transport, deps.keeps);
  }

  get state(): ShownState {
    return this.life.shownState;
  }

  get streams(): number {
    return this.#protocol.inUse;
  }

  get requestsBegun(): number {
    return this.life.requestsBegun;
  }

  get isPaused(): boolean {
    return this.#pauses.isPaused;
  }

  get strayRecords(): number {
    return this.#protocol.strayRecords;
  }

  /** Whether another request may begin now; not between the events of one read. */
  get canBegin(): boolean {
    return this.life.takesRequests && !this.#room.isDispatching && !this.#pauses.isPaused &&
      this.#aloneId === 0 && this.#protocol.hasFreeId;
  }

  /** Returns the request's id; only while {@link canBegin}. */
  begin(start: StreamStart, handler: StreamHandler): number {
    this.standing.interrupt();
    const id = this.#protocol.begin({
      role: start.role,
      keepConnection: this.life.keeps,
      params: start.params(),
      http: start.http,
    });
    this.#handlers.add(id, handler);
    this.life.requestBegan(id);
    this.#deps.owner.onBegan(this);
    this.#output.began(id);
    if (start.wantsAlone) this.#aloneId = id;
    const hasBody = start.stdin !== undefined || start.data !== undefined;
    if (hasBody && this.multiplexed) this.flow.add(id);
    this.#updateDeadline();
    const isLast = this.requestsBegun === this.#deps.options.connections.requestsMax;
    if (isLast || !this.life.keeps) this.drain();
    this.#bodies.send(id, start, handler);
    if (this.#output.isFull || (this.#isAlone && start.stdin === undefined)) {
      this.#transport.flush();
    } else this.#transport.schedule();
    return id;
  }

  /** Gives a request up; its handler hears nothing more. For one that has ended: nothing. */
  abort(id: number): void {
    if (this.#handlers.take(id) === undefined) return;
    this.#bodies.stop(id);
    this.resumeReading(id);
    this.standing.ended(id);
    if (!this.#protocol.isInUse(id)) return;
    this.#deps.observer.onAborted(this.#upstream);
    if (!this.multiplexed || id === this.#aloneId) return this.close();
    this.#protocol.abort(id);
    this.#aborting.add(id, this.#deps.deadlines.after(this.#deps.options.timeouts.abortMs));
    this.#updateDeadline();
    this.#transport.schedule();
  }

  /** For one whose client is slow. */
  pauseReading(id: number): void {
    if (!this.#pauses.add(id, this.#deps.deadlines.nowMs())) return;
    this.#transport.pause();
    this.#updateDeadline();
    this.#deps.observer.onPaused(this.#upstream);
  }

  resumeReading(id: number): void {
    this.standing.remove(id);
    if (!this.#pauses.isPaused) return;
    if (!this.#pauses.remove(id, this.#deps.deadlines.nowMs())) return;
    this.#transport.resume();
    this.#updateDeadline();
    this.#room.found();
  }

  /** Takes nothing new, and closes when nothing is left. */
  drain(): void {
    if (this.life.isOver) return;
    this.life.take("drain");
    this.#closeIfDone();
  }

  /** Requests on it are lost. */
  close(): void {
    if (this.life.isOver) return;
    this.life.take("close");
    this.#hangUp();
  }

  /** Something went wrong on our side, such as an event that a state does not expect. */
  fail(error: unknown): void {
    this.#broken ??= this.#fault(error);
    this.close();
    this.#deps.observer.onFailure?.(this.#upstream, error);
  }

  // What the transport tells.

  onDrained(): void {
    this.#room.found();
  }

  onOpen(): void {
    this.#guard(() => {
      this.life.take("opened");
      for (const handler of this.#handlers.items()) handler.onConnected();
      this.#updateDeadline();
      this.#bodies.open();
      this.#deps.owner.onOpen(this);
    });
  }

  onBytes(bytes: Uint8Array): void {
    this.life.received();
    try {
      this.#dispatch(this.#protocol.receive(bytes));
    } catch (error) {
      this.fail(error);
    }
  }

  onUnwritable(): void {
    this.drain();
  }

  onClosed(cause: unknown): void {
    const error = this.#broken ?? connectionError({
      address: this.address,
      connected: this.life.hasStood,
      timedOut: this.life.state === "timed_out",
      cause,
    });
    this.#broken = error;
    this.life.lost(this.#handlers.size, this.#deps.deadlines.nowMs());
    this.#deps.deadlines.remove(this);
    this.#pauses.clear();
    this.standing.clear();
    // Whatever goes wrong here, the requests hear of the end, and so does the pool.
    this.#guard(() => this.life.take("ended"));
    const events = this.#protocol.receiveEnd(cause === undefined);
    for (const event of events) this.#guard(() => this.#handle(event));
    for (const left of this.#handlers.items()) this.#guard(() => left.onLost(error, false));
    this.#deps.owner.onClosed(this, error);
  }

  onDeadline(): void {
    this.#guard(() => this.#checkLimits(this.#deps.deadlines.nowMs()));
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Until the transport says that it is closed there is no limit. */
  #hangUp(): void {
    this.deadlineMs = Infinity;
    this.#transport.close();
  }

  #checkLimits(nowMs: number): void {
    if (!this.life.hasStood) {
      this.life.take("timeout");
      return this.#hangUp();
    }
    // The id never becomes free: nothing new may come here.
    if (this.#aborting.giveUp(nowMs)) this.life.take("drain");
    if (this.#pauses.deadlineMs <= nowMs) this.#endPause(nowMs);
    if (this.flow.deadlineMs <= nowMs) this.flow.look(nowMs);
    this.#updateDeadline();
    if (this.life.state === "draining") this.#closeIfDone();
    else if (this.#protocol.inUse === 0) this.close();
  }

  /** Whether the request that has just begun has, as far as is known, nothing to gather with. */
  get #isAlone(): boolean {
    return this.#protocol.inUse === 1 && (!this.multiplexed || this.#output.cameAlone);
  }

  #dispatch(events: readonly ClientEvent[]): void {
    this.#room.dispatch();
    try {
      for (const event of events) this.#handle(event);
    } finally {
      this.#room.dispatched();
    }
  }

  #handle(event: ClientEvent): void {
    switch (event.kind) {
      case "switched":
        this.#switch(event);
        break;
      case "end":
        this.#end(event.requestId, event.protocolStatus, event.appStatus);
        break;
      case "fault":
      case "lost":
        this.#lose(event);
        break;
      case "broken":
        this.#broken = this.#fault(event.error);
        this.close();
        break;
      case "unknown_record":
        this.#deps.observer.onFlaw(unknownRecord(this.#upstream, this.address, event.type));
        break;
      case "values":
      case "unknown_type":
        if (this.flow.answered(event)) this.#room.found();
        break;
      default:
        tellStream(this.#handlers.get(event.requestId), event);
    }
  }

  /** Whoever holds the others up for too long goes, where anybody waits. */
  #endPause(nowMs: number): void {
    const isWaitedFor = this.#deps.owner.hasWaiting && !this.isTunnel;
    if (this.#protocol.inUse > this.#pauses.count || isWaitedFor) {
      this.#handlers.get(this.#pauses.first!)?.onSlowClient(slowClientError(this.address));
    }
    this.#pauses.postpone(nowMs);
  }

  #switch({ requestId: id, section }: ClientEvent & { kind: "switched" }): void {
    this.isTunnel = true;
    const handler = this.#handlers.get(id)!;
    const bodies = { role: Role.RESPONDER, stdin: handler.onSwitched(section), data: undefined };
    this.#bodies.send(id, bodies, handler);
    this.#deps.owner.onSwitched(this);
  }

  #end(id: number, protocolStatus: number, appStatus: number): void {
    this.life.requestEnded(this.#deps.deadlines);
    const handler = this.#handlers.take(id);
    this.#aborting.remove(id);
    this.flow.remove(id);
    if (id === this.#aloneId) this.#aloneId = 0;
    const bodyWasSent = this.#bodies.stop(id);
    this.resumeReading(id);
    this.standing.ended(id);
    // What is still on its way of the body would stand before the next request's records.
    const isSpoilt = !this.multiplexed && (!bodyWasSent || this.#protocol.isLast ||
      protocolStatus !== ProtocolStatus.REQUEST_COMPLETE);
    const isLast = isSpoilt || this.#protocol.retiredIds >= this.#retiredIdsMax;
    if (isLast && !this.life.isOver) this.life.take("drain");
    handler?.onEnd(protocolStatus, appStatus);
    if (this.life.state === "draining") this.#closeIfDone();
    else if (this.#protocol.inUse === 0) this.#updateDeadline();
    this.#room.found();
  }

  #lose(event: ClientEvent & { kind: "fault" | "lost" }): void {
    const id = event.requestId;
    const handler = this.#handlers.get(id);
    if (event.kind === "fault") {
      this.abort(id);
      return handler?.onLost(this.#fault(event.error), false);
    }
    this.#handlers.take(id);
    this.#bodies.stop(id);
    const sent = !this.#output.isUnsent(id);
    const byHabit = this.life.isLostByHabit(id, event.unanswered);
    handler?.onLost(lossError(this.#broken!, { sent, byHabit }), event.finished);
  }

  #fault(cause: unknown): UpstreamError {
    return connectionError({ address: this.address, connected: true, cause });
  }

  #closeIfDone(): void {
    if (this.#aborting.deadlineMs === Infinity && this.#handlers.size === 0) this.close();
  }

  /** The next moment at which something is to be done: see `onDeadline`. */
  #updateDeadline(): void {
    // Until it stands, the limit is that of connecting.
    if (!this.life.hasStood) return;
    if (this.#protocol.inUse > 0) {
      const { deadlineMs } = this.#aborting;
      this.deadlineMs = Math.min(deadlineMs, this.#pauses.deadlineMs, this.flow.deadlineMs);
      return;
    }
    const limitMs = idleTimeoutMs(this.#deps.options.connections, this.multiplexed);
    this.deadlineMs = this.#deps.deadlines.after(limitMs);
  }
}
