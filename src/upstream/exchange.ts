/**
 * One attempt to get one response: from the queue over a connection's stream to a complete response,
 * by the states of `exchange_state.ts`. Its time limits are `timed_attempt.ts`'s to keep.
 *
 * Until the header section is complete, a failure rejects {@link Exchange.answered} and the request
 * may be tried again; from then on it errors the body, so that the client sees a response that broke
 * off. A response is complete at END_REQUEST with REQUEST_COMPLETE, or at STDOUT's end and a close,
 * and only when a declared Content-Length is reached; what comes beyond it is dropped.
 */
import type { CgiHeaderSection, ResponseHeaderParser } from "../protocol/cgi_response.ts";
import type { HttpRequestStart } from "../protocol/client_protocol.ts";
import { ProtocolStatus, type Role } from "../protocol/constants.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { nextState } from "../protocol/transitions.ts";
import type { AbortSignalLike } from "../runtime/abort_signal.ts";
import type { Attempts } from "./attempts.ts";
import type { UpstreamConnection } from "./connection.ts";
import type { ExchangeContext } from "./exchange_context.ts";
import type { BodyState, StreamHandler, StreamStart } from "./stream_handler.ts";
import type { UpstreamError } from "./errors.ts";
import {
  bodyFailed,
  clientGone,
  excessFlaw,
  type ExchangeReport,
  headersError,
  lengthError,
  lossIn,
  noHeadersError,
  repeatedFlaw,
  slipError,
  statusError,
  timeoutError,
} from "./exchange_errors.ts";
import { EXCHANGE_TRANSITIONS, type ExchangeEvent, type ExchangeState } from "./exchange_state.ts";
import { headerParserFor } from "./header_parser.ts";
import { httpStartOf } from "./http_start.ts";
import type { ObservedRequest, UpstreamFlaw } from "./observer.ts";
import type { UpstreamRequest, UpstreamResponse } from "./request.ts";
import type { BodyReader, Payload } from "./request_body.ts";
import { bodyFor, EXCESS_LENGTH_MAX } from "./response_body.ts";
import type { ResponseBody, ResponseBodyOwner } from "./response_body.ts";
import { stderrError, StderrLines } from "./stderr_lines.ts";
import { TimedAttempt } from "./timed_attempt.ts";

const NOTHING = new Uint8Array(0);

export class Exchange extends TimedAttempt
  implements StreamHandler, StreamStart, ResponseBodyOwner {
  readonly request: UpstreamRequest;
  readonly payload: Payload;
  readonly stdin: BodyReader | undefined;
  readonly data: BodyReader | undefined;
  /** Resolves when the header section is complete; then call {@link takeResponse}. */
  readonly answered: Promise<void>;
  readonly context: ExchangeContext<Exchange>;
  /** Made when something comes: a request that is held for long does not need it till then. */
  #headerParser: ResponseHeaderParser | undefined;
  #state: ExchangeState = "queue";
  #connection: UpstreamConnection | undefined;
  #streamId = 0;
  #headersMs = 0;
  #wasKept = false;
  #isTunnel = false;
  #body: ResponseBody | undefined;
  #stderr: StderrLines | undefined;
  #afterDone: ((payload: Payload) => void) | undefined;
  #bodyState: BodyState = "sent";
  #resolve!: () => void;
  #reject!: (error: UpstreamError) => void;

  constructor(
    context: ExchangeContext<Exchange>,
    request: UpstreamRequest,
    payload: Payload,
    attempts: Attempts,
  ) {
    super(context.deadlines, attempts, context.options.queue.timeoutMs);
    this.context = context;
    this.request = request;
    this.payload = payload;
    this.stdin = payload.body?.reader();
    this.data = payload.data?.reader();
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get role(): Role {
    return this.request.role;
  }

  params(): Uint8Array {
    return this.request.params(this.payload.body?.length);
  }

  get http(): HttpRequestStart | undefined {
    return httpStartOf(this.request, this.payload);
  }

  get phase(): ExchangeState {
    return this.#state;
  }

  get server(): string | undefined {
    return this.#connection?.address;
  }

  get wantsAlone(): boolean {
    return this.attempts.wantsAlone;
  }

  /** Whether it went over a connection that had carried requests before. */
  get wasKept(): boolean {
    return this.#wasKept;
  }

  /** Calls once nothing more will happen; at once when that is so already. */
  afterDone(callback: (payload: Payload) => void): void {
    if (this.#state === "done") callback(this.payload);
    else this.#afterDone = callback;
  }

  /** Begins the request on a connection that can take it. */
  placeOn(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#wasKept = connection.requestsBegun > 0;
    this.#take(connection.life.hasStood ? "placed" : "placed_early");
    this.setLimit(this.context.options.timeouts.firstByteMs);
    this.#streamId = connection.begin(this, this);
  }

  /** Ends the exchange; the application is told if it knows of the request. */
  fail(error: UpstreamError): void {
    if (this.#state === "done") return;
    error.server ??= this.server;
    const connection = this.#connection;
    this.#finish();
    connection?.abort(this.#streamId);
    if (this.#body === undefined) this.#reject(error);
    else this.#body.fail(error);
  }

  /**
   * The response. All events of the read that completed its header section have been seen by the
   * time a waiter of {@link answered} gets here, so a short response is whole, and one that is
   * already known to be broken can still be refused.
   *
   * @throws {UpstreamError}
   */
  takeResponse(): UpstreamResponse {
    const body = this.#body!;
    if (body.failure !== undefined) {
      body.discard(body.failure);
      throw body.failure;
    }
    return {
      head: body.section,
      body: body.take(),
      progress: body.progress,
      source: {
        server: this.#connection!.address,
        connection: this.#connection!.number,
        stream: this.#streamId,
        headMs: this.#headersMs,
      },
    };
  }

  // What the connection tells.

  onConnected(): void {
    this.#take("connected");
  }

  onHeaders(section: CgiHeaderSection): void {
    this.#beginBody(section, NOTHING);
    if (this.#state !== "done") this.#expectMore();
  }

  onInterim(section: CgiHeaderSection): void {
    this.request.onInterim?.(section);
  }

  onSwitched(section: CgiHeaderSection): BodyReader {
    this.#isTunnel = true;
    this.onHeaders(section);
    return this.request.http!.tunnel!.reader();
  }

  onStdout(bytes: Uint8Array): void {
    if (this.#body === undefined) {
      this.#takeHeaders(bytes);
      // An unfinished header section, or one of status 1xx, is no response: the limit stays.
      if (this.#body === undefined) return;
    } else if (!this.#takeBody(this.#body, bytes)) return;
    // It may be over now, its header section refused for example.
    if (this.#state !== "done") this.#expectMore();
  }

  /** The end of the request follows, or a close; both are told. */
  onStdoutEnd(): void {}

  onStderr(bytes: Uint8Array): void {
    const refused = this.#body === undefined && stderrError(this.request, this.phase, bytes);
    if (refused) this.fail(refused);
    const { observer, options } = this.context;
    this.#stderr ??= new StderrLines(
      (line) => observer.onStderrLine(line, this.#observed()),
      (...what) => observer.leavesOutStderr?.(options.name, ...what) ?? false,
    );
    this.#stderr.push(bytes);
  }

  onEnd(protocolStatus: number, appStatus: number): void {
    if (protocolStatus === ProtocolStatus.REQUEST_COMPLETE) this.#complete(appStatus);
    else this.fail(statusError(this.#report(), protocolStatus));
  }

  onLost(error: UpstreamError, finished: boolean): void {
    if (finished && this.#body !== undefined) return this.#complete(0);
    this.fail(lossIn(this.phase, error));
  }

  onBodyProgress(state: BodyState): void {
    this.#bodyState = state;
    if (this.#isTunnel && this.#state === "body") this.#expectMore();
    if (this.#state === "body" || this.#state === "done") return;
    this.setLimit(this.context.options.timeouts.firstByteMs);
  }

  onSpill(isSlow: boolean): void {
    this.#body!.spill(isSlow);
  }

  onSlowClient(error: UpstreamError): void {
    this.context.observer.onSlowClient(this.context.options.name);
    this.fail(error);
  }

  onBodyFailed(cause: unknown): void {
    this.fail(bodyFailed(cause));
  }

  protected onLimit(): void {
    // While reading stands still for a slow client's sake, the application is not to blame.
    if (this.#connection?.isPaused && this.attempts.totalDeadlineMs > this.deadlineMs) {
      return this.#expectMore();
    }
    this.fail(timeoutError(this.#report()));
  }

  protected get client(): AbortSignalLike | undefined {
    return this.request.signal;
  }

  protected onClientGone(): void {
    this.fail(clientGone(this.phase, this.#connection !== undefined));
  }

  /** The connection is told, which tells everybody on it; without one the attempt ends alone. */
  protected onSlip(error: unknown): void {
    const { observer, options } = this.context;
    this.endLimits();
    this.context.onDone(this);
    if (this.#connection === undefined) observer.onFailure?.(options.name, error);
    else this.#connection.fail(error);
    this.#reject(slipError(this.#state, error));
  }

  /** The only place that changes the state. */
  #take(event: ExchangeEvent): void {
    this.#state = nextState(EXCHANGE_TRANSITIONS, this.#state, event, "an exchange");
  }

  #takeHeaders(bytes: Uint8Array): void {
    let start;
    try {
      this.#headerParser ??= headerParserFor(this.request, this.context);
      start = this.#headerParser.push(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.fail(headersError(this.#report(), error));
    }
    if (start !== undefined) this.#beginBody(start.section, start.rest);
  }

  #beginBody(section: CgiHeaderSection, rest: Uint8Array): void {
    this.#take("headers");
    this.#headersMs = this.ageMs;
    this.#body = bodyFor(section, this.request, this);
    const { repeated } = section;
    if (repeated !== undefined) this.#tellFlaw("repeated_field", repeatedFlaw(repeated));
    this.#takeBody(this.#body, rest);
    this.#resolve();
  }

  /** The response has come a step further, and has the time of one for the next. */
  #expectMore(): void {
    const { timeouts, tunnels } = this.context.options;
    if (this.#isTunnel) this.setLimit(tunnels.idleMs, false);
    else this.setLimit(timeouts.idleMs);
  }

  // What the body asks and tells.

  onBodySpill(bytes: number): void {
    this.context.observer.onSpill(bytes);
  }

  onBodyLong(): void {
    this.#connection!.standing.becameLong(this.#streamId);
  }

  get isAlone(): boolean {
    return this.#connection!.streams === 1;
  }

  mayStandStill(): boolean {
    return this.#connection!.standing.stand(this.#streamId);
  }

  onBodyFull(): void {
    this.#connection!.pauseReading(this.#streamId);
  }

  onBodyRoom(): void {
    // After the end the id may be another request's.
    if (this.#state !== "done") this.#connection!.resumeReading(this.#streamId);
  }

  onBodyGivenUp(error: UpstreamError): void {
    this.fail(error);
  }

  /** Whether the bytes belong to the response: what is thrown away moves no limit. */
  #takeBody(body: ResponseBody, bytes: Uint8Array): boolean {
    if (bytes.length === 0) return false;
    const hadExcess = body.excessLength > 0;
    const isWanted = body.push(bytes);
    if (body.excessLength === 0) return isWanted;
    if (!hadExcess) this.#tellFlaw("excess_body", excessFlaw(body.section.contentLength));
    if (body.excessLength <= EXCESS_LENGTH_MAX) return isWanted;
    // The client has all that was declared; the rest may have no end.
    this.#complete(0);
    this.#connection!.abort(this.#streamId);
    return false;
  }

  #tellFlaw(code: UpstreamFlaw["code"], message: string): void {
    const request = this.#observed();
    this.context.observer.onFlaw({ ...request, code, message, request });
  }

  #complete(appStatus: number): void {
    if (this.#body === undefined) return this.fail(noHeadersError(this.#report(), appStatus));
    const fault = this.#body.lengthError();
    if (fault !== undefined) return this.fail(lengthError(this.#report(), fault));
    this.#finish();
    this.#body.end();
  }

  /** After this nothing more happens to the application's side of the exchange. */
  #finish(): void {
    this.#take("done");
    this.endLimits();
    this.#stderr?.end();
    this.context.onDone(this);
    this.#afterDone?.(this.payload);
  }

  #observed(): ObservedRequest {
    return {
      requestId: this.request.id,
      upstream: this.context.options.name,
      server: this.server,
      connection: this.#connection?.number,
      stream: this.#streamId,
    };
  }

  #report(): ExchangeReport {
    return {
      phase: this.phase,
      role: this.role,
      server: this.server,
      options: this.context.options,
      responseHasBegun: this.#body !== undefined || (this.#headerParser?.hasBegun ?? false),
      headersAreComplete: this.#body !== undefined,
      isTunnel: this.#isTunnel,
      bodyState: this.#bodyState,
      isTotal: this.isTotalLimit,
    };
  }
}
