/**
 * One stream: a request for the handler, and its response for the client. What may come and go is said
 * by `stream_state.ts`; the windows are RFC 9113 section 5.2. It knows no frames: the connection takes
 * those apart, and puts together what goes out.
 */
import { checkLinks, EARLY_HINTS_MAX } from "../http1/interim_responses.ts";
import { nextState } from "../protocol/transitions.ts";
import { ServerRequest } from "../http1/request.ts";
import { hasNoBody, plainResponse } from "../http1/response_writer.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import {
  BytesResponse,
  discardResponse,
  FileResponse,
  type HttpResponse,
  type StreamResponse,
} from "../runtime/http_response.ts";
import type { ErrorCodeName } from "./constants.ts";
import { STREAM_WINDOW } from "./limits.ts";
import type { Outbound, Sending } from "./outbound.ts";
import { PRIORITY_DEFAULT } from "./priority.ts";
import { RequestBody } from "./request_body.ts";
import type { RequestHeaders } from "./request_headers.ts";
import { BytesBody, FileBody, type ResponseBody, StreamBody } from "./response_body.ts";
import { prepareFields } from "./response_headers.ts";
import { maySend, STREAM_TRANSITIONS, type StreamEvent, type StreamState } from "./stream_state.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

const NOTHING = new Uint8Array(0);
const SERVER_ERROR = new BytesResponse(500, [], NOTHING);

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly outbound: Outbound;
  readonly isTls: boolean;
  readonly date: string;
  readonly coarseNowMs: number;
  /** Who is at the other end, without what is a stream's own. */
  readonly peer: HttpPeer;
  handler(request: HttpRequest, peer: HttpPeer): HttpResponse | Promise<HttpResponse>;
  onFailure(error: unknown): void;
  onBodyFailure(error: unknown): void;
  /** Something went wrong on our side, and the connection with it. */
  fail(error: unknown): void;
  /** So many bytes more, or fewer, of what the client sent wait for us. */
  hold(length: number): void;
  /** The same of what waits for the client. */
  holdResponse(length: number): void;
  /** So many bytes of the body were read; the reader is faster than the client, or not. */
  consumed(stream: Stream, length: number, isWaiting: boolean): void;
  /** We end the stream before it is over. */
  reset(stream: Stream, code: ErrorCodeName): void;
  onClosed(stream: Stream): void;
  /** The handler of a stream that was over before has settled. */
  onSettled(): void;
}

export class Stream implements Sending {
  readonly id: number;
  sendWindow: number;
  /** What the client may send, and what it may send again once it is told. */
  receiveWindow = STREAM_WINDOW;
  windowMax = STREAM_WINDOW;
  unannounced = 0;
  urgency = PRIORITY_DEFAULT.urgency;
  isIncremental = PRIORITY_DEFAULT.isIncremental;
  isQueued = false;
  /** When something of its response went out last, or could have. */
  progressMs: number;
  responseBody: ResponseBody | undefined;
  readonly #owner: StreamOwner;
  #state: StreamState = "idle";
  #method = "GET";
  #request: ServerRequest | undefined;
  #body: RequestBody | undefined;
  /** Bytes that the client has still to send, where it has said how many. */
  #contentLeft: number | undefined;
  /** Fields that are held for the handler. */
  #headersSize = 0;
  #heldBody = 0;
  #heldResponse = 0;
  /** A response that waits for room. */
  #response: HttpResponse | undefined;
  #hasResponded = false;
  #isAsking = false;
  #hints = 0;

  constructor(owner: StreamOwner, id: number, sendWindow: number, nowMs: number) {
    this.#owner = owner;
    this.id = id;
    this.sendWindow = sendWindow;
    this.progressMs = nowMs;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Whether the handler is still to settle. */
  get isAsking(): boolean {
    return this.#isAsking;
  }

  /** Whether the client waits for a response that has not begun. */
  get isUnanswered(): boolean {
    return !this.#hasResponded;
  }

  /** Whether a response waits for the client's window. */
  get isStuck(): boolean {
    const body = this.responseBody;
    return body !== undefined && (body.available > 0 || !this.#mayPull);
  }

  get #mayPull(): boolean {
    return this.sendWindow > 0 && this.#owner.outbound.window > 0;
  }

  /** The table of `stream_state.ts` is the only way from one state to another. */
  move(event: StreamEvent): void {
    this.#state = nextState(STREAM_TRANSITIONS, this.#state, event, "a stream");
    if (this.#state === "closed") this.#close();
  }

  /** The request is read; the handler is asked later, by {@link ask}. */
  begin(headers: RequestHeaders, isEnd: boolean): void {
    this.#method = headers.method;
    this.#headersSize = headers.size;
    this.#owner.hold(headers.size);
    this.move("receiveHeaders");
    if (!isEnd) {
      this.#contentLeft = headers.contentLength;
      this.#body = new RequestBody({
        sendContinue: () => this.#interim(100, []),
        consumed: (length, isWaiting) => {
          this.#noteWaiting();
          this.#owner.consumed(this, length, isWaiting);
        },
      }, headers.expectsContinue);
    }
    this.#request = new ServerRequest(headers, this.#body, this.#owner.isTls);
    if (isEnd) this.move("receiveEnd");
  }

  /** Of a request that is told what is wrong with it, and that no handler sees. */
  beginRefused(method: string, isEnd: boolean): void {
    this.#method = method;
    this.move("receiveHeaders");
    if (isEnd) this.move("receiveEnd");
  }

  ask(): void {
    const request = this.#request;
    if (request === undefined) return;
    const { host, port, protocol, tls } = this.#owner.peer;
    const earlyHints = (links: readonly string[]) => this.#sendEarlyHints(links);
    const peer = { host, port, protocol, tls, earlyHints } as HttpPeer;
    let response: HttpResponse | Promise<HttpResponse>;
    try {
      response = this.#owner.handler(request, peer);
    } catch (error) {
      return this.#failed(error);
    }
    if (!(response instanceof Promise)) return this.respond(response);
    this.#isAsking = true;
    response.then(
      (settled) =>
        this.#guarded(() => {
          this.#settle();
          this.respond(settled);
        }),
      (error: unknown) =>
        this.#guarded(() => {
          this.#settle();
          this.#failed(error);
        }),
    );
  }

  #settle(): void {
    this.#isAsking = false;
    if (this.#state === "closed") this.#owner.onSettled();
  }

  /** The handler threw, which none should; where the client has gone, that is the reason. */
  #failed(error: unknown): void {
    if (!maySend(this.#state)) return;
    this.#owner.onFailure(error);
    this.respond(SERVER_ERROR);
  }

  respond(response: HttpResponse): void {
    if (!maySend(this.#state)) return discardResponse(response);
    this.#request?.answered();
    this.#response = response;
    if (!this.#owner.outbound.isFull) this.startResponse();
  }

  /** There is room for what waits: the response, or more of its body. */
  startResponse(): void {
    const response = this.#response;
    if (response === undefined) return;
    this.#response = undefined;
    try {
      this.#send(response);
    } catch (error) {
      discardResponse(response);
      this.#owner.onFailure(error);
      this.#send(SERVER_ERROR);
    }
  }

  /** @throws when the response cannot be sent, with nothing written */
  #send(response: HttpResponse): void {
    const plain = response instanceof Response ? plainResponse(response) : response;
    const { status, fields } = plain;
    prepareFields(fields);
    const isBodiless = hasNoBody(this.#method, status);
    if (plain instanceof BytesResponse) {
      const { body } = plain;
      const length = status === 204 || status === 304 ? undefined : body.length;
      const isEnd = isBodiless || body.length === 0;
      return this.#start(plain, length, isEnd ? undefined : new BytesBody(body));
    }
    if (plain instanceof FileResponse) {
      const { file, start, end } = plain;
      const length = status === 204 || status === 304 ? undefined : end - start;
      const isEnd = isBodiless || end <= start;
      if (isEnd) discardResponse(plain);
      return this.#start(plain, length, isEnd ? undefined : new FileBody(file, start, end));
    }
    this.#sendStream(plain, isBodiless);
  }

  #sendStream(plain: StreamResponse, isBodiless: boolean): void {
    const { status, body, length: declared } = plain;
    if (!isBodiless && body !== null) {
      const streamBody = new StreamBody(body, declared, {
        onReady: () => this.#guarded(() => this.#onReady()),
        onBroken: (error) => this.#guarded(() => this.broke(error)),
      });
      return this.#start(plain, declared, streamBody);
    }
    discardResponse(plain);
    const length = status === 204 ? undefined : declared ?? (isBodiless ? undefined : 0);
    const isShort = !isBodiless && length !== 0;
    this.#start(plain, length, undefined, isShort);
  }

  /** Sends the headers, and whatever is there of the body; `isShort`: none of it will be. */
  #start(
    { status, fields }: Exclude<HttpResponse, Response>,
    length: number | undefined,
    body: ResponseBody | undefined,
    isShort = false,
  ): void {
    const { outbound, date } = this.#owner;
    const isEnd = body === undefined && !isShort;
    outbound.headers(this.id, status, fields, length, date, isEnd);
    outbound.schedule();
    this.#hasResponded = true;
    this.responseBody = body;
    if (isShort) return this.broke();
    if (isEnd) return this.sentAll();
    this.#onReady();
  }

  /** What a promise calls has nobody who would hear of an error. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#owner.fail(error);
    }
  }

  /** Bytes of the body are there, or its end, or nothing yet. */
  #onReady(): void {
    const body = this.responseBody;
    if (body === undefined || !maySend(this.#state)) return;
    this.#noteHeld();
    const { outbound } = this.#owner;
    if (body.available > 0) {
      if (this.sendWindow <= 0) return;
      outbound.queue.add(this);
      return outbound.schedule();
    }
    if (!body.isLast) return this.#mayPull ? body.pull() : undefined;
    outbound.end(this.id);
    this.sentAll();
  }

  /** The client takes more. */
  windowOpened(): void {
    if (this.responseBody !== undefined) this.#onReady();
  }

  sent(): void {
    this.progressMs = -1;
    this.#noteHeld();
    const body = this.responseBody!;
    // What may come next is the end, which needs no window (RFC 9113 section 6.9).
    if (body.available === 0 && !body.isLast) body.pull();
  }

  sentAll(): void {
    this.#noteHeld();
    // It is read to its end: there is nothing to cancel.
    this.responseBody = undefined;
    this.move("sendEnd");
    if (this.#state !== "half-closed (local)") return;
    this.#body?.drop();
    this.progressMs = this.#owner.coarseNowMs;
    this.#endDraining();
  }

  /** Whether the response is over, and what is left of the body is read by nobody. */
  get isDraining(): boolean {
    return this.#state === "half-closed (local)";
  }

  /** A rest that the client may not send any more need not be waited for (RFC 9113 section 8.1). */
  #endDraining(): void {
    if (!this.isDraining) return;
    const left = this.#contentLeft ?? 1;
    if (left > this.receiveWindow) this.#owner.reset(this, "NO_ERROR");
  }

  /** The response is not whole, and the client is to see that; `error`: why its body is not. */
  broke(error?: unknown): void {
    if (!maySend(this.#state)) return;
    if (error !== undefined) this.#owner.onBodyFailure(error);
    this.#owner.reset(this, "INTERNAL_ERROR");
  }

  /** Whether so many bytes of a body may come; they are the payload of a DATA frame. */
  receive(bytes: Uint8Array): boolean {
    if (this.#contentLeft !== undefined && (this.#contentLeft -= bytes.length) < 0) return false;
    const body = this.#body;
    if (body === undefined || bytes.length === 0) return true;
    if (body.isDropped) this.#endDraining();
    else body.take(bytes);
    this.#noteWaiting();
    return true;
  }

  /** The body has ended; no, where it is shorter than was said. */
  receiveEnd(): boolean {
    if (this.#contentLeft !== undefined && this.#contentLeft > 0) return false;
    this.#body?.end();
    this.move("receiveEnd");
    return true;
  }

  #interim(status: number, fields: readonly (readonly [string, string])[]): void {
    if (this.#hasResponded || !maySend(this.#state)) return;
    this.#owner.outbound.interim(this.id, status, fields);
  }

  /** One that comes late is none, so nothing of them waits for a client. */
  #sendEarlyHints(links: readonly string[]): void {
    checkLinks(links);
    if (this.#hints >= EARLY_HINTS_MAX || this.#response !== undefined) return;
    this.#hints++;
    this.#interim(103, links.map((link) => ["link", link] as const));
  }

  /** What waits for who reads the body. */
  #noteWaiting(): void {
    const waiting = this.#state === "closed" ? 0 : this.#body!.waitingLength;
    if (waiting === this.#heldBody) return;
    const more = waiting - this.#heldBody;
    this.#heldBody = waiting;
    this.#owner.hold(more);
  }

  #noteHeld(): void {
    const held = this.responseBody?.heldLength ?? 0;
    if (held === this.#heldResponse) return;
    this.#owner.holdResponse(held - this.#heldResponse);
    this.#heldResponse = held;
  }

  #close(): void {
    const owner = this.#owner;
    owner.outbound.queue.remove(this);
    this.#noteWaiting();
    owner.hold(-this.#headersSize);
    owner.holdResponse(-this.#heldResponse);
    this.#heldResponse = 0;
    this.responseBody?.cancel();
    this.responseBody = undefined;
    if (this.#response !== undefined) discardResponse(this.#response);
    this.#response = undefined;
    this.#request?.left();
    this.#body?.fail();
    this.#request = undefined;
    owner.onClosed(this);
  }
}
