/**
 * One connection from a web server: reads bytes, has `protocol/server_connection.ts` make events of
 * them, and gives each to its request. All events of one read are told before any of its requests
 * starts, so a request that came whole is never a stream.
 *
 * Reading stops while a handler leaves more than `bodyBufferMax` bytes of its body unread, or while
 * the web server does not take our replies. The end of what the web server sends ends all its
 * requests.
 */
import { ProtocolStatus } from "../protocol/constants.ts";
import type { ProtocolError } from "../protocol/errors.ts";
import { ServerConnection, type ServerEvent } from "../protocol/server_connection.ts";
import type { TimerId } from "../runtime/clock.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import { reportUnexpected } from "../runtime/unexpected.ts";
import { ActiveRequest, APP_STATUS_FAILED, type RequestHost } from "./active_request.ts";
import type { InputStream } from "./input_stream.ts";
import { Outlet } from "./outlet.ts";
import { respondPlainly } from "./plain_response.ts";
import type { ServerContext } from "./server_context.ts";

/**
 * Encoded bytes beyond which the web server is not read from. Responses stop long before it: only a
 * web server that asks and asks and never reads gets here.
 */
export const REPLIES_LENGTH_MAX = 1024 * 1024;

/**
 * How long a web server may take to close a connection that we have ended. Closing with bytes
 * unread would make the operating system drop what the web server has not read yet.
 */
export const LINGER_MS = 2_000;

/** See the top of this file. */
export class ResponderConnection implements RequestHost {
  readonly context: ServerContext;
  readonly server: ServerConnection;
  readonly outlet: Outlet;
  readonly peer: string;
  readonly #connection: ByteConnection;
  readonly #requests = new Map<number, ActiveRequest>();
  /** Inputs with more waiting in them than they should. */
  readonly #overfull = new Set<InputStream>();
  #resume: (() => void) | undefined;
  /** Whether something came or went since the last look; asking the clock each time costs. */
  #active = true;
  #lastActivityMs: number;
  #used = false;
  #ending = false;
  #lingerTimer: TimerId | undefined;

  constructor(connection: ByteConnection, context: ServerContext) {
    this.#connection = connection;
    this.context = context;
    this.peer = connection.remote;
    this.#lastActivityMs = context.clock.nowMs();
    this.server = new ServerConnection({
      multiplex: context.multiplex,
      quota: context.quota,
      requestsMax: context.limits.maxRequestsPerConnection,
      connectionsMax: context.limits.maxConnections,
      paramsLengthMax: context.limits.paramsLengthMax,
      paramsMax: context.limits.paramsMax,
    });
    this.outlet = new Outlet({
      server: this.server,
      writable: connection.writable,
      clock: context.clock,
      onSent: () => this.#sent(),
      onBroken: () => this.destroy(),
    });
  }

  /** Serves the connection to its end; never rejects. */
  async run(): Promise<void> {
    const reader = this.#connection.readable.getReader();
    try {
      for (;;) {
        while (this.#mustPause()) await new Promise<void>((resolve) => this.#resume = resolve);
        const { done, value } = await reader.read();
        if (done) break;
        this.#active = true;
        if (!this.#ending) this.#receive(value);
      }
    } catch (error) {
      // Once we have ended it, how the web server lets go is of no interest.
      if (!this.#ending) this.context.report(error, { phase: "connection", peer: this.peer });
    }
    this.#take(this.server.receiveEnd());
    if (this.#requests.size > 0) {
      const error = new Error(`${this.#requests.size} requests of a connection are left behind`);
      reportUnexpected(error, "a connection from a web server");
    }
    this.destroy();
  }

  /** Takes no new request; ends when those in flight are done. */
  drain(): void {
    this.server.drain();
    this.outlet.flushSoon();
  }

  /** Ends at once, with all its requests. */
  destroy(): void {
    this.#ending = true;
    this.outlet.close();
    if (this.#lingerTimer !== undefined) this.context.clock.clearTimer(this.#lingerTimer);
    this.#resumeReading();
    this.#connection.destroy();
  }

  /** Ends a connection on which nothing came for too long; to be called now and then. */
  checkTimeouts(nowMs: number): void {
    if (this.#active || this.#ending || this.#mustPause()) {
      this.#active = false;
      this.#lastActivityMs = nowMs;
      return;
    }
    const { inputTimeoutMs, idleTimeoutMs } = this.context.limits;
    const silentMs = nowMs - this.#lastActivityMs;
    if (inputTimeoutMs > 0 && silentMs >= inputTimeoutMs && this.server.awaitsInput) {
      const error = new Error(`Cannot read request: nothing has come for ${silentMs} ms`);
      this.context.report(error, { phase: "connection", peer: this.peer });
      this.destroy();
    } else if (idleTimeoutMs > 0 && silentMs >= idleTimeoutMs && this.server.inUse === 0) {
      this.drain();
    }
  }

  /**
   * Web servers look at different things. That the connection is closed before END_REQUEST, all of
   * them see; so that is done where no other request suffers from it. Else END_REQUEST says
   * OVERLOADED after a part of the response, which is no complete response to a web server that
   * multiplexes well.
   */
  cut(requestId: number): void {
    if (this.server.inUse > 1) {
      this.server.endRequest(requestId, APP_STATUS_FAILED, ProtocolStatus.OVERLOADED);
    } else {
      this.server.receiveEnd();
    }
    this.outlet.flushSoon();
  }

  ended(requestId: number): void {
    this.#requests.delete(requestId);
  }

  inputTaken(): void {
    if (this.#overfull.size > 0 && !this.#mustPause()) this.#resumeReading();
  }

  /** What it throws is no error of the connection, which cannot go on all the same. */
  #receive(bytes: Uint8Array): void {
    try {
      this.#take(this.server.receive(bytes));
    } catch (error) {
      reportUnexpected(error, "a connection from a web server");
      this.destroy();
    }
  }

  #take(events: readonly ServerEvent[]): void {
    const begun: ActiveRequest[] = [];
    for (const event of events) {
      switch (event.kind) {
        case "begin": {
          const { requestId, role, parameters } = event;
          const request = new ActiveRequest(requestId, role, parameters, this);
          this.#requests.set(requestId, request);
          if (!this.#used) this.context.connectionsUsed++;
          this.#used = true;
          begun.push(request);
          break;
        }
        case "fault":
          this.#refuse(event.requestId, event.error);
          break;
        case "broken":
          this.context.report(event.error, { phase: "connection", peer: this.peer });
          break;
        default:
          this.#takeOfRequest(event);
      }
    }
    for (const request of begun) request.start();
    if (this.server.outputLength > 0 || this.server.finished) this.outlet.flushSoon();
  }

  #takeOfRequest(event: Exclude<ServerEvent, { kind: "begin" | "fault" | "broken" }>): void {
    const request = this.#requests.get(event.requestId);
    if (request === undefined) return;
    switch (event.kind) {
      case "stdin":
        this.#fill(request.stdin, event.bytes);
        break;
      case "stdin_end":
        request.stdin?.end();
        break;
      case "data":
        this.#fill(request.data, event.bytes);
        break;
      case "data_end":
        request.data?.end();
        break;
      case "abort":
        request.abort(new DOMException("The web server has aborted the request", "AbortError"));
        break;
      case "lost":
        request.abort(new DOMException("The connection to the web server is lost", "AbortError"));
    }
  }

  #fill(input: InputStream | undefined, bytes: Uint8Array): void {
    if (input === undefined) return;
    input.push(bytes);
    if (input.buffered > this.context.limits.bodyBufferMax) this.#overfull.add(input);
  }

  #refuse(requestId: number, error: ProtocolError): void {
    this.context.report(error, { phase: "request", peer: this.peer });
    const status = error.code === "params_too_large" ? 431 : 400;
    respondPlainly(this.server, requestId, status, error.message);
  }

  #mustPause(): boolean {
    if (this.#ending) return false;
    for (const input of this.#overfull) {
      if (input.buffered <= this.context.limits.bodyBufferMax) this.#overfull.delete(input);
    }
    return this.#overfull.size > 0 || this.server.outputLength > REPLIES_LENGTH_MAX;
  }

  #resumeReading(): void {
    this.#resume?.();
    this.#resume = undefined;
  }

  /** All that there was to send is with the operating system. */
  #sent(): void {
    this.#active = true;
    this.#resumeReading();
    if (!this.server.finished || this.outlet.isBusy || this.#ending) return;
    this.#ending = true;
    this.#lingerTimer = this.context.clock.setTimer(() => this.destroy(), LINGER_MS);
    void this.outlet.end();
  }
}
