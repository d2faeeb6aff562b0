/**
 * One connection to an HTTP/1.1 server as its client sees it, without I/O: what `ClientConnection`
 * of `protocol/` is for FastCGI, so that pool, queue, exchange and buffers are the same for both. It
 * carries one request at a time, which has {@link REQUEST_ID}.
 *
 * Sending: we frame a body by what we know of it, never by what a client said; the bytes that a
 * request begins with have neither length nor coding nor Connection in them. Receiving: a response
 * ends where its own framing says (RFC 9112 section 6.3). Whatever comes when nobody has asked,
 * behind a response or between two, ends the connection: it would be the next request's response.
 *
 * It does not know sockets, time, or what a request's fields mean.
 */
import { ByteBuffer, latin1 } from "../protocol/byte_buffer.ts";
import type { ClientEvent } from "../protocol/client_connection.ts";
import type {
  ClientProtocol,
  HttpRequestStart,
  RequestStart,
} from "../protocol/client_protocol.ts";
import { ProtocolStatus } from "../protocol/constants.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { nextState } from "../protocol/transitions.ts";
import { RESPONSE_TRANSITIONS, type ResponseEvent, type ResponseState } from "./exchange_state.ts";
import { HeaderGathering } from "./header_gathering.ts";
import { ResponseBodyReader } from "./response_body_reader.ts";
import { bad, type ResponseHeaders } from "./response_headers.ts";

/** The id of every request: there is one at a time. */
export const REQUEST_ID = 1;

/** Most interim responses (status 1xx) before one response. */
export const INTERIM_RESPONSES_MAX = 32;

const CONTINUE = 100;
const SWITCHING_PROTOCOLS = 101;
const CRLF = "\r\n";
const LAST_CHUNK = "0\r\n\r\n";

export class HttpClientConnection implements ClientProtocol {
  readonly strayRecords = 0;
  readonly retiredIds = 0;
  readonly #out = new ByteBuffer();
  readonly #headers: HeaderGathering;
  #state: ResponseState = "idle";
  #request: HttpRequestStart | undefined;
  /** Bytes of the request's body that are still to be sent; undefined where they go in chunks. */
  #unsent: number | undefined = 0;
  #isSending = false;
  #endsOutput = false;
  #interimCount = 0;
  #keepsAlive = true;
  #body: ResponseBodyReader | undefined;

  /** @param headersLengthMax most bytes of a response's header section */
  constructor(headersLengthMax: number) {
    this.#headers = new HeaderGathering(headersLengthMax);
  }

  get inUse(): number {
    return this.#request === undefined ? 0 : 1;
  }

  get hasFreeId(): boolean {
    return this.#state === "idle" && this.#keepsAlive;
  }

  get isLast(): boolean {
    return !this.#keepsAlive;
  }

  get endsOutput(): boolean {
    return this.#endsOutput;
  }

  get outputLength(): number {
    return this.#out.length;
  }

  takeOutput(): Uint8Array<ArrayBuffer> {
    return this.#out.take();
  }

  recycleOutput(taken: Uint8Array<ArrayBuffer>): void {
    this.#out.recycle(taken);
  }

  /** @throws {ProtocolError} `no_free_id` */
  begin({ params, keepConnection, http }: RequestStart): number {
    if (!this.hasFreeId) {
      throw new ProtocolError("no_free_id", "Cannot begin a request: the connection is taken", {
        fault: "local",
        scope: "request",
      });
    }
    if (http === undefined) throw new RangeError("Cannot begin a request that is none of HTTP");
    this.#take("request");
    this.#request = http;
    this.#interimCount = 0;
    this.#isSending = http.hasBody;
    this.#unsent = http.hasBody ? http.bodyLength : 0;
    this.#out.append(params);
    this.#out.append(latin1(framingFields(http, keepConnection) + CRLF));
    if (!keepConnection) this.#keepsAlive = false;
    return REQUEST_ID;
  }

  isInUse(id: number): boolean {
    return id === REQUEST_ID && this.#request !== undefined;
  }

  takesStdin(id: number): boolean {
    return this.isInUse(id) && (this.#isSending || this.#isTunnel);
  }

  sendStdin(_id: number, bytes: Uint8Array): void {
    if (this.#isTunnel) return this.#out.append(bytes);
    if (this.#unsent === undefined) {
      this.#out.appendAscii(bytes.length.toString(16) + CRLF);
      this.#out.append(bytes);
      this.#out.appendAscii(CRLF);
      return;
    }
    // A byte more would be the beginning of the next request.
    if (bytes.length > this.#unsent) throw new RangeError("The body is longer than was declared");
    this.#unsent -= bytes.length;
    this.#out.append(bytes);
  }

  endStdin(_id: number): void {
    if (this.#isTunnel) {
      this.#endsOutput = true;
      return;
    }
    if (!this.#isSending) return;
    if (this.#unsent === undefined) this.#out.appendAscii(LAST_CHUNK);
    else if (this.#unsent > 0) throw new RangeError("The body is shorter than was declared");
    this.#isSending = false;
  }

  /** The connection ends with a body that is not sent to its end. */
  endLateStdin(_id: number): void {}

  sendData(): never {
    throw new RangeError("HTTP has no second stream");
  }

  endData(): never {
    throw new RangeError("HTTP has no second stream");
  }

  /** HTTP/1.1 cannot: whoever gives a request up closes the connection. */
  abort(): void {
    this.#over();
  }

  getValues(): never {
    throw new RangeError("HTTP has no GET_VALUES");
  }

  receive(bytes: Uint8Array): ClientEvent[] {
    const events: ClientEvent[] = [];
    let position = 0;
    try {
      while (position < bytes.length && this.#state !== "over") {
        position = this.#read(bytes, position, events);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#break(error, events);
    }
    return events;
  }

  receiveEnd(isClean: boolean): ClientEvent[] {
    const events: ClientEvent[] = [];
    const isWhole = isClean &&
      (this.#state === "tunnel" || (this.#state === "body" && this.#body!.endsWithConnection));
    if (isWhole) this.#end(events);
    else if (this.#request !== undefined) {
      this.#request = undefined;
      const unanswered = this.#state === "headers" && this.#interimCount === 0 &&
        !this.#headers.hasBegun;
      events.push({ kind: "lost", requestId: REQUEST_ID, finished: false, unanswered });
    }
    this.#over();
    return events;
  }

  /** The only place that changes the state. */
  #take(event: ResponseEvent): void {
    this.#state = nextState(RESPONSE_TRANSITIONS, this.#state, event, "a response");
  }

  get #isTunnel(): boolean {
    return this.#state === "tunnel";
  }

  /** Returns where what was read has ended. */
  #read(bytes: Uint8Array, position: number, events: ClientEvent[]): number {
    switch (this.#state) {
      case "idle":
        return bad("bytes came that nobody had asked for");
      case "headers": {
        const gathered = this.#headers.push(bytes, position);
        if (gathered === undefined) return bytes.length;
        this.#takeHeaders(gathered.headers, events);
        return gathered.end;
      }
      case "body": {
        const body = this.#body!;
        const read = body.read(bytes, position);
        if (read.piece.length > 0) {
          events.push({ kind: "stdout", requestId: REQUEST_ID, bytes: read.piece });
        }
        if (body.isWhole) this.#complete(events);
        return position + read.count;
      }
      default:
        events.push({ kind: "stdout", requestId: REQUEST_ID, bytes: bytes.subarray(position) });
        return bytes.length;
    }
  }

  #takeHeaders(headers: ResponseHeaders, events: ClientEvent[]): void {
    const { section } = headers;
    if (section.status < 200) return this.#takeInterim(headers, events);
    const request = this.#request!;
    events.push({ kind: "headers", requestId: REQUEST_ID, section });
    const hasNone = request.method === "HEAD" || section.status === 204 || section.status === 304;
    // What says that it goes on where nothing may follow is not to be trusted with another request.
    const isOdd = section.status === 204 && headers.framing.kind !== "end" &&
      (section.contentLength ?? 1) > 0;
    if (!headers.keepsAlive || isOdd) this.#keepsAlive = false;
    this.#body = hasNone ? undefined : new ResponseBodyReader(headers.framing);
    if (this.#body === undefined || this.#body.isWhole) return this.#complete(events);
    if (this.#body.endsWithConnection) this.#keepsAlive = false;
    this.#take("headers");
  }

  #takeInterim(headers: ResponseHeaders, events: ClientEvent[]): void {
    const { section: { status }, section, upgrade } = headers;
    if (++this.#interimCount > INTERIM_RESPONSES_MAX) {
      bad(`more than ${INTERIM_RESPONSES_MAX} interim responses stand before it`);
    }
    if (status === SWITCHING_PROTOCOLS) {
      const asked = this.#request!.upgrade;
      if (asked === undefined) bad("it switches protocols, and nobody had asked for that");
      if (upgrade !== asked) bad(`it switches to another protocol than "${asked}"`);
      this.#keepsAlive = false;
      this.#take("switched");
      // Behind it there is no body, whatever it says of one.
      const plain = { ...section, contentLength: undefined };
      events.push({ kind: "switched", requestId: REQUEST_ID, section: plain });
    } else if (status !== CONTINUE) {
      events.push({ kind: "interim", requestId: REQUEST_ID, section });
    }
  }

  /** The response is whole, and with it the request, sent to its end or not. */
  #complete(events: ClientEvent[]): void {
    if (this.#isSending) this.#keepsAlive = false;
    this.#take("complete");
    this.#end(events);
  }

  #end(events: ClientEvent[]): void {
    this.#request = undefined;
    this.#body = undefined;
    this.#isSending = false;
    const protocolStatus = ProtocolStatus.REQUEST_COMPLETE;
    events.push({ kind: "end", requestId: REQUEST_ID, appStatus: 0, protocolStatus });
  }

  #break(error: ProtocolError, events: ClientEvent[]): void {
    const hasRequest = this.#request !== undefined;
    this.#keepsAlive = false;
    this.#over();
    if (hasRequest) events.push({ kind: "fault", requestId: REQUEST_ID, error });
    else events.push({ kind: "broken", error });
  }

  #over(): void {
    this.#keepsAlive = false;
    this.#take("over");
  }
}

/** What frames the request, and what becomes of the connection behind it. */
function framingFields(http: HttpRequestStart, keepsConnection: boolean): string {
  if (http.upgrade !== undefined) {
    return `connection: upgrade${CRLF}upgrade: ${http.upgrade}${CRLF}`;
  }
  let fields = keepsConnection ? "" : `connection: close${CRLF}`;
  if (http.hasBody) {
    fields += http.bodyLength === undefined
      ? `transfer-encoding: chunked${CRLF}`
      : `content-length: ${http.bodyLength}${CRLF}`;
  } else if (http.saysLength) {
    fields += `content-length: 0${CRLF}`;
  }
  return fields;
}
