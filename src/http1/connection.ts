/**
 * One client's connection: requests in, responses out, one after the other, by the states of
 * `connection_state.ts`. What a client sends before its turn waits, and the client with it
 * (`inflow.ts`).
 *
 * Each way in (the socket's events, the server's calls, a handler that is done) ends the connection,
 * and tells the server, when something in here goes wrong.
 */
import { nextState } from "../protocol/transitions.ts";
import type { ClientPhase } from "./client_phase.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { AcceptedSocket, SocketEvents } from "../runtime/callback_socket.ts";
import type { UpgradeResponse } from "../runtime/http_response.ts";
import { type Outcome, ResponseWriter } from "./response_writer.ts";
import { type ConnectionServer, DRAINED_LENGTH_MAX } from "./connection_server.ts";
import {
  CONNECTION_TRANSITIONS,
  type ConnectionEvent,
  type ConnectionState,
  PHASE_OF_STATE,
} from "./connection_state.ts";
import { HandlerCall, type HandlerCaller } from "./handler_call.ts";
import { HeldMemory, sendLimitMs } from "./held_memory.ts";
import { HeaderReader, type ReadHeaders } from "./header_reader.ts";
import { Inflow } from "./inflow.ts";
import { continueResponse, EarlyHints, withoutHints } from "./interim_responses.ts";
import { ServerRequest } from "./request.ts";
import { RequestBody } from "./request_body.ts";
import { type BodyFraming, RequestError, type RequestHeaders } from "./request_headers.ts";

export class Connection implements SocketEvents, HandlerCaller {
  readonly #server: ConnectionServer;
  readonly #socket: AcceptedSocket;
  readonly #writer: ResponseWriter;
  readonly #peer: HttpPeer;
  readonly #headers: HeaderReader;
  readonly #hints: EarlyHints;
  readonly #inflow: Inflow;
  readonly #call: HandlerCall;
  #state: ConnectionState = "idle";
  #body: RequestBody | undefined;
  /** The client has left HTTP: what comes goes through as it is. */
  #isTunnel = false;
  #onFlushed: (() => void) | undefined;
  #deadlineMs: number;

  constructor(server: ConnectionServer, socket: AcceptedSocket) {
    this.#server = server;
    this.#socket = socket;
    this.#headers = new HeaderReader(server);
    this.#peer = {
      host: socket.host,
      port: socket.port,
      protocol: "HTTP/1.1",
      tls: socket.tls,
      earlyHints: (links) => this.#sendEarlyHints(links),
    };
    this.#hints = new EarlyHints(socket);
    this.#inflow = new Inflow(socket, new HeldMemory(server.memory));
    this.#writer = new ResponseWriter(server, socket);
    this.#call = new HandlerCall(server, this.#writer, this);
    this.#deadlineMs = server.coarseNowMs + server.timeouts.idleMs;
  }

  /** The client has begun to say something, which somebody else reads for now. */
  expectHeaders(): void {
    if (this.#state === "idle") this.#take("headers");
  }

  received(bytes: Uint8Array): void {
    this.#inflow.begin();
    try {
      this.#read(bytes);
      this.#readWaiting();
    } catch (error) {
      this.fail(error);
    }
    this.#inflow.settle();
  }

  drained(): void {
    try {
      this.#writer.drained();
      if (this.#state === "sending") this.#finish();
      this.readOn();
      this.#notifyFlushed();
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * A client that sends nothing more before it has its response has left: most that leave say no more
   * than this, and nginx, Bun and Deno see it like that. What is written goes out.
   */
  peerEnded(): void {
    try {
      if (this.#state === "gone") return;
      if (this.#isTunnel) this.#body?.end();
      else if (this.#state === "responding" && !this.#writer.hasGivenAll) return this.destroy();
      this.#take("peer_ended");
    } catch (error) {
      this.fail(error);
    }
  }

  closed(): void {
    if (this.#state !== "gone") this.#take("gone");
  }

  /** Ends the connection at once; a client that lacks some of a response sees that it does. */
  destroy(): void {
    if (this.#state === "gone") return;
    if (this.#writer.hasBegun || this.#writer.isFull) return this.#cut();
    this.#socket.destroy();
    this.closed();
  }

  /** Whether a request may begin. */
  get isReadingHeaders(): boolean {
    return this.#state === "idle" || this.#state === "headers" || this.#state === "blank";
  }

  get phase(): ClientPhase {
    return PHASE_OF_STATE[this.#state];
  }

  /** Whether all that was to say is with the system. */
  get isFlushed(): boolean {
    return !this.#isResponding && !this.#writer.isFull;
  }

  /** Resolves when it {@link isFlushed}; asked once. */
  untilFlushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFlushed = resolve;
      this.#notifyFlushed();
    });
  }

  /** Said with the next response. */
  announceStop(): void {}

  /** Ends the connection softly when it has nothing to do. */
  stop(): void {
    if (this.#state === "idle" || this.#state === "blank") this.#take("close");
  }

  /** Called now and then: ends what has taken too long. */
  checkTimeouts(nowMs: number): void {
    try {
      this.#checkTimeouts(nowMs);
    } catch (error) {
      this.fail(error);
    }
  }

  get #isResponding(): boolean {
    return this.#state === "responding" || this.#state === "responding_last";
  }

  /** The only place that changes the state; what belongs to entering one is done here. */
  #take(event: ConnectionEvent): void {
    const before = this.#state;
    const state = nextState(CONNECTION_TRANSITIONS, before, event, "an HTTP connection");
    if (state === before) return;
    this.#state = state;
    const { coarseNowMs, timeouts } = this.#server;
    switch (state) {
      case "idle":
        if (event === "finished") this.#deadlineMs = coarseNowMs + timeouts.idleMs;
        break;
      case "headers":
        // Once for each request: empty lines, one byte at a time, would else begin it anew.
        if (before === "idle") this.#deadlineMs = coarseNowMs + timeouts.headersMs;
        break;
      case "draining":
        this.#deadlineMs = coarseNowMs + timeouts.closeMs;
        break;
      case "closing":
        // Nothing more comes from us, and the client is waited for to say the same.
        this.#deadlineMs = coarseNowMs + timeouts.closeMs;
        this.#inflow.linger();
        this.#socket.end();
        break;
      case "gone":
        this.#leave();
        break;
    }
  }

  /** What came belongs to a request: its header section, its body; or to a later one. */
  #read(bytes: Uint8Array): void {
    switch (this.#state) {
      case "responding":
      case "draining":
        return this.#readBody(bytes);
      case "closing":
        return this.#inflow.drop(bytes.length);
      case "gone":
        return;
      default:
        return this.#inflow.keep(bytes);
    }
  }

  /**
   * Reads requests as long as none is under way. A response that is there at once comes back to here:
   * a loop takes less room than a recursion.
   */
  #readWaiting(): void {
    while (this.isReadingHeaders) {
      const bytes = this.#inflow.next();
      if (bytes === undefined) return;
      this.#readHeaders(bytes);
    }
  }

  #readHeaders(bytes: Uint8Array): void {
    let read: ReadHeaders | undefined;
    try {
      read = this.#headers.push(bytes);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return this.#refuse(error, error.isHeadRequest ? "HEAD" : "GET");
    }
    const { waitingLength } = this.#headers;
    this.#inflow.gatheredLength = waitingLength;
    if (read === undefined) this.#take(waitingLength > 0 ? "headers" : "blank");
    else this.#begin(read.headers, read.rest);
  }

  #begin(headers: RequestHeaders, rest: Uint8Array): void {
    this.#take("request");
    this.#hints.begin();
    const { framing, expectsContinue } = headers;
    this.#body = framing.kind === "none" ? undefined : this.#createBody(framing, expectsContinue);
    const request = new ServerRequest(headers, this.#body, this.#server.isTls);
    this.#call.begin(headers, request);
    if (rest.length > 0) this.#readBody(rest);
    if (!this.#isResponding) return;
    this.#call.ask(
      request,
      headers.protocol === "HTTP/1.1" ? this.#peer : withoutHints(this.#peer),
    );
  }

  // What a request's handler asks and tells.

  keepsAlive(headers: RequestHeaders): boolean {
    const body = this.#body;
    // What nobody reads would have to be read over, or never comes.
    const isLeft = body?.isOver === false && !(body.leftMin <= DRAINED_LENGTH_MAX && body.isWanted);
    return headers.keepsAlive && !isLeft && !this.#server.isStopping && !this.#headers.hasReadAll;
  }

  switched(response: UpgradeResponse): void {
    this.#isTunnel = true;
    const incoming = this.#createBody({ kind: "length", length: Infinity }, false);
    this.#body = incoming;
    response.onSwitched(incoming.stream);
    const waiting = this.#inflow.next();
    if (waiting !== undefined) this.#readBody(waiting);
    if (this.#state === "responding_last") incoming.end();
  }

  #createBody(framing: BodyFraming, expectsContinue: boolean): RequestBody {
    return new RequestBody(framing, expectsContinue, {
      sendContinue: () => this.#sendContinue(),
      pause: () => this.#inflow.holdBody(true),
      resume: () => this.#inflow.holdBody(false),
    }, new HeldMemory(this.#server.memory));
  }

  readOn(): void {
    this.#readWaiting();
    this.#inflow.update();
  }

  responded(outcome: Outcome): void {
    const body = this.#body;
    if (outcome === "broken") return this.#cut();
    if (outcome !== "kept") this.#take("close");
    else if (body === undefined || body.isOver) this.#finish();
    else this.#take("body_remains");
    body?.drop();
    this.#notifyFlushed();
  }

  /** A request and its response are over. */
  #finish(): void {
    this.#body = undefined;
    if (this.#server.closesIdle) this.#take("close");
    else this.#take(this.#writer.isFull ? "unflushed" : "finished");
  }

  #readBody(bytes: Uint8Array): void {
    const body = this.#body;
    let count = 0;
    if (body !== undefined && !body.isOver) {
      try {
        count = body.take(bytes);
      } catch (error) {
        return this.#breakOff(error);
      }
    }
    if (count < bytes.length) this.#inflow.keep(bytes.subarray(count));
    // What is left of it was known to be short when its response began (`keepsAlive`).
    if (this.#state === "draining" && body!.isOver) this.#finish();
  }

  /** The body cannot be read to its end, so nothing behind it can be trusted. */
  #breakOff(error: unknown): void {
    if (!(error instanceof RequestError)) throw error;
    const { request } = this.#call;
    this.#body?.fail();
    if (request === undefined) return this.#take("close");
    if (this.#writer.hasBegun) return this.#cut();
    this.#call.leave();
    this.#refuse(error, request.method, request);
  }

  #refuse(error: RequestError, method = "GET", request?: ServerRequest): void {
    const response = this.#server.onRequestError(error, this.#peer, request);
    this.#headers.clear();
    this.#inflow.gatheredLength = 0;
    void this.#writer.send(response, { method, protocol: "HTTP/1.1", keepsAlive: false });
    this.#take("close");
  }

  #checkTimeouts(nowMs: number): void {
    const { closeMs } = this.#server.timeouts;
    // Of a client that left while nothing is read from it only a write that fails tells.
    if (this.#socket.isBroken || this.#writer.stuckMs(nowMs) > sendLimitMs(this.#server)) {
      return this.#cut();
    }
    if (this.#isResponding || this.#state === "sending") return;
    if (this.#state === "closing" && this.#socket.unsentLength > 0) {
      this.#deadlineMs = nowMs + closeMs;
    }
    if (this.#state === "idle" || this.#state === "blank") this.#headers.rest();
    if (nowMs <= this.#deadlineMs) return;
    if (this.#state === "closing") this.destroy();
    else if (this.#state !== "headers") this.#take("close");
    else this.#refuse(new RequestError(408, "The header section did not come in time"));
  }

  #notifyFlushed(): void {
    if (this.#onFlushed === undefined || !this.isFlushed) return;
    this.#onFlushed();
    this.#onFlushed = undefined;
  }

  /** Ends the connection so that the client sees it broken. */
  #cut(): void {
    this.#socket.reset();
    this.closed();
  }

  /** Something went wrong in here, such as an event that the state does not expect. */
  fail(error: unknown): void {
    this.#cut();
    this.#server.onFailure(error);
  }

  /** The socket has gone, and nothing is left to do. */
  #leave(): void {
    this.#call.leave();
    this.#body?.fail();
    this.#inflow.end();
    this.#writer.closed();
    this.#notifyFlushed();
    this.#server.onGone(this, this.#peer.host);
  }

  #sendContinue(): void {
    if (!this.#writer.hasBegun) this.#socket.write(continueResponse());
  }

  #sendEarlyHints(links: readonly string[]): void {
    if (this.#call.request !== undefined && !this.#writer.hasBegun) this.#hints.send(links);
  }
}
