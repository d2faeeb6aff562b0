/**
 * One client's connection of HTTP/2: its preface, its frames, how it ends. What its streams do is the
 * session's.
 */
import type { ConnectionServer } from "../http1/connection_server.ts";
import { HeldMemory, sendLimitMs } from "../http1/held_memory.ts";
import type { ServedConnection } from "../http1/served_connection.ts";
import { nextState } from "../protocol/transitions.ts";
import type { AcceptedSocket } from "../runtime/callback_socket.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import { Budgets } from "./budgets.ts";
import { type ErrorCodeName, PREFACE, STREAM_ID_MAX, WINDOW_DEFAULT } from "./constants.ts";
import {
  CONNECTION_TRANSITIONS,
  type ConnectionEvent,
  type ConnectionState,
  phaseOf,
} from "./connection_state.ts";
import { ConnectionError, StreamError } from "./errors.ts";
import { FrameReader } from "./frame_reader.ts";
import { appendGoaway, appendPing, appendSettingsAck } from "./frame_writer.ts";
import { appendGreeting } from "./greeting.ts";
import { Inbound } from "./inbound.ts";
import { continuationsFor, HELD_MS, type Http2Limits } from "./limits.ts";
import type { GoawayReason, Http2Observer } from "./observer.ts";
import { ALIVE_PING, LEAVING_MS, LEAVING_PING, Liveness } from "./liveness.ts";
import { Outbound } from "./outbound.ts";
import { Reading } from "./reading.ts";
import { Session } from "./session.ts";
import { SocketProgress } from "./socket_progress.ts";
import type { ClientSettings } from "./settings.ts";

export interface Http2Deps {
  readonly limits: Http2Limits;
  readonly observer: Http2Observer;
}

export class Http2Connection implements ServedConnection {
  readonly #server: ConnectionServer;
  readonly #socket: AcceptedSocket;
  readonly #observer: Http2Observer;
  readonly #peer: HttpPeer;
  readonly #budgets: Budgets;
  readonly #outbound: Outbound;
  readonly #session: Session;
  readonly #inbound: Inbound;
  readonly #frames = new FrameReader();
  /** Beginnings of frames and header sections. */
  readonly #gathered: HeldMemory;
  #state: ConnectionState = "preface";
  #prefaceLength = 0;
  #isReceiving = false;
  readonly #reading: Reading;
  #deadlineMs: number;
  readonly #liveness: Liveness;
  readonly #progress: SocketProgress;
  /** When the client last held no more of responses than it may. */
  #progressMs: number;
  #onFlushed: (() => void) | undefined;

  constructor(server: ConnectionServer, socket: AcceptedSocket, { limits, observer }: Http2Deps) {
    const nowMs = server.coarseNowMs;
    this.#server = server;
    this.#socket = socket;
    this.#progress = new SocketProgress(socket);
    this.#reading = new Reading(socket);
    this.#gathered = new HeldMemory(server.memory);
    this.#observer = observer;
    const { host, port, tls } = socket;
    this.#peer = { host, port, protocol: "HTTP/2.0", tls };
    this.#budgets = new Budgets(limits, nowMs);
    this.#outbound = new Outbound(socket, server.clock, this.#budgets, server.memory);
    this.#outbound.onError = (error) => this.#failWith(error);
    this.#outbound.onFlushed = () => this.#finish();
    this.#session = new Session({
      server,
      peer: this.#peer,
      outbound: this.#outbound,
      budgets: this.#budgets,
      limits,
      observer,
      fail: (error) => this.#failWith(error),
      onReleased: () => this.#flow(),
      onStreamClosed: () => this.#onStreamClosed(),
    }, WINDOW_DEFAULT);
    const headerListMax = limits.headerListMax ?? server.headersLengthMax;
    const continuationsMax = Math.max(limits.continuationsMax, continuationsFor(headerListMax));
    const session = this.#session;
    this.#inbound = new Inbound(
      {
        get coarseNowMs() {
          return server.coarseNowMs;
        },
        onSection: (section) => this.#onSection(() => session.onSection(section)),
        onData: (streamId, data, length, isEnd) => session.onData(streamId, data, length, isEnd),
        onReset: (streamId, code) => session.onReset(streamId, code),
        onSettings: (settings) => this.#onSettings(settings),
        onSettingsAck: () => session.decoder.acknowledged(),
        onPing: (payload, isAck) => this.#onPing(payload, isAck),
        onGoaway: () => this.#leaveAfterClient(),
        onWindowUpdate: (streamId, increment) => session.onWindowUpdate(streamId, increment),
        onPriority: (streamId, value) => session.onPriority(streamId, value),
      },
      session.streams,
      this.#budgets,
      continuationsMax,
    );
    this.#deadlineMs = nowMs + server.timeouts.headersMs;
    this.#progressMs = nowMs;
    this.#liveness = new Liveness(nowMs);
    observer.onOpened();
    this.#outbound.control((out) => appendGreeting(out, limits, headerListMax));
    this.#outbound.schedule();
  }

  received(bytes: Uint8Array): void {
    if (this.#state === "closing") return this.#reading.drop(bytes.length);
    if (this.#state === "gone") return;
    this.#isReceiving = true;
    try {
      const rest = this.#state === "preface" ? this.#takePreface(bytes) : bytes;
      if (rest !== undefined) this.#takeFrames(rest);
      this.#session.askHandlers();
    } catch (error) {
      this.#failWith(error);
    }
    this.#isReceiving = false;
    this.#gathered.note(this.#frames.waitingLength + this.#inbound.gatheredLength);
    this.#outbound.flush();
    this.#finish();
    this.#flow();
  }

  drained(): void {
    this.#progress.drained();
    this.#outbound.drained();
    this.#finish();
  }

  /** As over HTTP/1, a client that sends nothing more has left. */
  peerEnded(): void {
    if (this.#state === "closing" || this.#state === "gone") return;
    this.#session.end();
    this.#close();
  }

  closed(): void {
    if (this.#state === "gone") return;
    this.#move("gone");
    this.#session.end();
    this.#outbound.closed();
    this.#gathered.note(0);
    this.#tellFlushed();
    this.#observer.onClosed();
    this.#server.onGone(this, this.#peer.host);
  }

  destroy(): void {
    if (this.#state === "gone") return;
    const isWhole = this.#session.isIdle && this.#outbound.isFlushed;
    if (isWhole || this.#state === "closing") this.#socket.destroy();
    else this.#socket.reset();
    this.closed();
  }

  get phase() {
    return phaseOf(this.#state, this.#session.isIdle, this.#outbound.isFlushed);
  }

  get isFlushed(): boolean {
    if (this.#state === "gone") return true;
    return this.#state === "closing" && this.#outbound.isFlushed;
  }

  untilFlushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFlushed = resolve;
      this.#tellFlushed();
    });
  }

  announceStop(): void {
    if (this.#state !== "preface") this.#leave("stopping");
  }

  stop(): void {
    if (this.#state === "preface") this.#close();
    else this.#leave("stopping");
  }

  checkTimeouts(nowMs: number): void {
    const sendMs = sendLimitMs(this.#server);
    if (this.#socket.isBroken || this.#progress.stuckMs(nowMs) > sendMs) return this.#cut();
    this.#budgets.refill(nowMs);
    this.#outbound.noteHeld();
    switch (this.#state) {
      case "preface":
        if (nowMs > this.#deadlineMs) this.#close();
        return;
      case "closing":
        if (this.#socket.unsentLength > 0) {
          this.#deadlineMs = nowMs + this.#server.timeouts.closeMs;
        }
        if (nowMs > this.#deadlineMs) this.destroy();
        return;
      case "leaving":
        if (nowMs > this.#deadlineMs) this.#drain();
    }
    this.#checkOpen(nowMs, sendMs);
    this.#outbound.flush();
    this.#finish();
  }

  #checkOpen(nowMs: number, sendMs: number): void {
    this.#flow();
    const { headersMs, idleMs, closeMs } = this.#server.timeouts;
    const { gatheringSinceMs } = this.#inbound;
    if (gatheringSinceMs !== undefined && nowMs - gatheringSinceMs > headersMs) {
      const message = "The header section did not come in time";
      return this.#failWith(new ConnectionError("ENHANCE_YOUR_CALM", message, "header_timeout"));
    }
    for (const stream of [...this.#session.streams.values()]) {
      if (stream.isDraining) {
        if (nowMs - stream.progressMs > closeMs) this.#session.reset(stream, "NO_ERROR");
      } else if (!stream.isStuck || stream.progressMs < 0) stream.progressMs = nowMs;
      else if (nowMs - stream.progressMs > sendMs) this.#session.reset(stream, "CANCEL");
    }
    if (!this.#session.memory.holdsTooMuch) this.#progressMs = nowMs;
    else if (nowMs - this.#progressMs > HELD_MS) {
      const message = "The client takes nothing of what it has asked for";
      return this.#failWith(new ConnectionError("ENHANCE_YOUR_CALM", message, "memory"));
    }
    this.#checkAlive(nowMs, idleMs);
  }

  /** Nothing has come for a while: without streams the connection ends, with some it is asked. */
  #checkAlive(nowMs: number, idleMs: number): void {
    if (this.#session.isIdle) this.#session.forget();
    const { isPaused } = this.#reading;
    const found = isPaused ? this.#liveness.lookUnread(nowMs) : this.#liveness.look(nowMs, idleMs);
    if (found === "gone" && !this.#outbound.isFull) return this.#cut();
    if (found !== "quiet" || this.#state === "leaving") return;
    if (this.#session.isIdle) return this.#goaway("NO_ERROR", "idle");
    this.#liveness.asked(nowMs);
    this.#outbound.control((out) => appendPing(out, ALIVE_PING, false));
  }

  /** What stands behind the preface; undefined while it goes on. */
  #takePreface(bytes: Uint8Array): Uint8Array | undefined {
    let at = 0;
    for (; at < bytes.length && this.#prefaceLength < PREFACE.length; at++) {
      if (bytes[at] === PREFACE[this.#prefaceLength++]) continue;
      throw new ConnectionError("PROTOCOL_ERROR", "The client's preface is not that of HTTP/2");
    }
    if (this.#prefaceLength < PREFACE.length) return undefined;
    this.#move("preface");
    return bytes.subarray(at);
  }

  #takeFrames(bytes: Uint8Array): void {
    const frames = this.#frames;
    frames.push(bytes);
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
      this.#liveness.heard(this.#server.coarseNowMs);
      try {
        this.#inbound.take(frame);
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
        this.#session.onStreamError(error);
      }
      if (this.#state === "closing" || this.#state === "gone") return;
    }
  }

  #onSection(take: () => void): void {
    const { requestsMax } = this.#server;
    take();
    if (requestsMax > 0 && this.#session.requests >= requestsMax) {
      this.#leave("requests_per_connection");
    }
  }

  #onSettings(settings: ClientSettings): void {
    this.#session.onSettings(settings);
    this.#outbound.control(appendSettingsAck);
  }

  #onPing(payload: Uint8Array, isAck: boolean): void {
    if (!isAck) return this.#outbound.control((out) => appendPing(out, payload, true));
    if (this.#state === "leaving" && payload.every((byte, at) => byte === LEAVING_PING[at])) {
      this.#drain();
    }
  }

  /** Tells the client to ask elsewhere; what it has sent by then still counts. */
  #leave(reason: GoawayReason): void {
    if (this.#state !== "open") return;
    this.#move("leave");
    this.#deadlineMs = this.#server.coarseNowMs + LEAVING_MS;
    this.#observer.onGoaway(reason, this.#peer, undefined);
    this.#outbound.control((out) => {
      appendGoaway(out, STREAM_ID_MAX, "NO_ERROR");
      appendPing(out, LEAVING_PING, false);
    });
    this.#outbound.schedule();
  }

  /** The client begins no more streams. */
  #leaveAfterClient(): void {
    if (this.#state === "open" || this.#state === "leaving") this.#move("drain");
  }

  /** What comes from now on is not answered any more. */
  #drain(): void {
    this.#move("drain");
    const { lastId } = this.#session.streams;
    this.#session.lastIdMax = lastId;
    this.#outbound.control((out) => appendGoaway(out, lastId, "NO_ERROR"));
    this.#outbound.schedule();
  }

  #onStreamClosed(): void {
    if (this.#isReceiving) return;
    this.#session.askHandlers();
    this.#finish();
  }

  /** Ends what has nothing left to do. */
  #finish(): void {
    if (this.#state === "draining" && this.#session.isIdle && this.#outbound.isFlushed) {
      this.#close();
    }
    this.#tellFlushed();
  }

  #failWith(error: unknown): void {
    if (this.#state === "closing" || this.#state === "gone") return;
    if (!(error instanceof ConnectionError)) {
      this.#server.onFailure(error);
      return this.#goaway("INTERNAL_ERROR", "internal_error");
    }
    this.#goaway(error.code, error.limit ?? error.code.toLowerCase(), error);
  }

  /** Ends the connection, and everything that is under way on it. */
  #goaway(code: ErrorCodeName, reason: GoawayReason, error?: ConnectionError): void {
    this.#observer.onGoaway(reason, this.#peer, error);
    const { lastId } = this.#session.streams;
    this.#move("close");
    this.#session.end();
    this.#socketGoaway(lastId, code, error?.message ?? "");
    this.#endSocket();
  }

  #socketGoaway(lastId: number, code: ErrorCodeName, message: string): void {
    try {
      this.#outbound.control((out) => appendGoaway(out, lastId, code, message));
    } catch {
      // It is in the buffer all the same, which only has grown too long.
    }
    this.#outbound.flushLast();
  }

  /** Says that nothing more comes, and waits for the client to say the same. */
  #close(): void {
    // With its last stream it may have done so already.
    if (this.#state === "closing") return;
    this.#move("close");
    this.#outbound.flushLast();
    this.#endSocket();
  }

  #endSocket(): void {
    this.#deadlineMs = this.#server.coarseNowMs + this.#server.timeouts.closeMs;
    this.#socket.end();
    this.#tellFlushed();
  }

  #cut(): void {
    this.#socket.reset();
    this.closed();
  }

  #flow(): void {
    if (this.#isReceiving || this.#state === "gone") return;
    this.#reading.update(this.#state !== "closing" && this.#session.memory.holdsUp);
  }

  #tellFlushed(): void {
    if (this.#onFlushed === undefined || !this.isFlushed) return;
    this.#onFlushed();
    this.#onFlushed = undefined;
  }

  #move(event: ConnectionEvent): void {
    this.#state = nextState(CONNECTION_TRANSITIONS, this.#state, event, "an HTTP/2 connection");
  }
}
