/**
 * Sends responses on a connection, one after the other. What is there at once leaves in one write,
 * headers and body together; a stream leaves as it comes, as fast as the client takes it
 * (`streamed_response.ts`).
 */
import type { ByteBuffer } from "../protocol/byte_buffer.ts";
import {
  BytesResponse,
  discardResponse,
  fieldsOf,
  FileResponse,
  type HttpResponse,
  type ResponseFields,
  responseLength,
  StreamResponse,
  UpgradeResponse,
} from "../runtime/http_response.ts";
import type { AcceptedSocket } from "../runtime/callback_socket.ts";
import type { Clock } from "../runtime/clock.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import { HeldMemory, type MemoryCount } from "./held_memory.ts";
import { appendResponseHeaders } from "./response_headers.ts";
import { sendFileBytes } from "./sent_file.ts";
import { COPIED_LENGTH_MAX, sendStream, unknownFailure } from "./streamed_response.ts";
import { sendTunnel } from "./tunnel.ts";

/** What the sender needs to know of the request. */
export interface AskedBy {
  readonly method: string;
  readonly protocol: "HTTP/1.0" | "HTTP/1.1";
  readonly keepsAlive: boolean;
}

/**
 * What becomes of the connection: `kept`, another request may follow; `last`, none may; `short`, the
 * response is not whole and its framing shows it; `broken`, it is not whole and only a reset shows
 * it.
 */
export type Outcome = "kept" | "last" | "short" | "broken";

interface ResponseStatus {
  readonly status: number;
  /** Undefined: the usual phrase. */
  readonly reason: string | undefined;
}

export interface WriterServer {
  /** For header sections and short bodies; whoever writes begins with `clear()`. */
  readonly scratch: ByteBuffer;
  readonly clock: Pick<Clock, "atTurnEnd">;
  /** For the `Date` of responses. */
  readonly date: string;
  /** What buffers of all connections hold. */
  readonly memory: MemoryCount;
  /**
   * The body of a response failed, or was shorter than declared, before the client of this address
   * had all of it. Left out: who gives bodies knows it.
   */
  readonly onBodyFailure?: ((error: unknown, host: string) => void) | undefined;
}

export class ResponseWriter {
  readonly #server: WriterServer;
  readonly #socket: AcceptedSocket;
  #hasBegun = false;
  #hasAll = false;
  #isGone = false;
  /** The system has not taken all that was written. */
  #isFull = false;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** As it was when the client was last looked at. */
  #unsentLength = 0;
  #progressMs = 0;
  #wake: (() => void) | undefined;
  /** What was written and the system has not taken. */
  readonly #unsent: HeldMemory;

  constructor(server: WriterServer, socket: AcceptedSocket) {
    this.#server = server;
    this.#socket = socket;
    this.#unsent = new HeldMemory(server.memory);
  }

  /** Whether the response under way has begun, so that nothing else may be said before it. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether the client has yet to take what was sent before. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether the client has, or will have, all of the response under way. */
  get hasGivenAll(): boolean {
    return this.#hasBegun && this.#hasAll;
  }

  /** For how long, as far as was looked, the client has taken nothing of what waits for it. */
  stuckMs(nowMs: number): number {
    const { unsentLength } = this.#socket;
    this.#unsent.note(unsentLength);
    if (unsentLength === 0 || unsentLength !== this.#unsentLength) {
      this.#unsentLength = unsentLength;
      this.#progressMs = nowMs;
    }
    return nowMs - this.#progressMs;
  }

  drained(): void {
    this.#isFull = false;
    // The next piece may be as long as the one that was taken.
    this.#unsentLength = 0;
    this.#unsent.note(0);
    this.#wake?.();
    this.#wake = undefined;
  }

  closed(): void {
    this.#isGone = true;
    this.drained();
    if (!this.#hasAll) void this.#reader?.cancel().catch(() => {});
  }

  hasAll(): void {
    this.#hasAll = true;
  }

  /** That of a client that has left is what it was cancelled for. */
  bodyFailed(error: unknown): void {
    if (!this.#isGone) this.#server.onBodyFailure?.(error ?? unknownFailure(), this.#socket.host);
  }

  /**
   * Settles before the next response is sent. Never rejects.
   *
   * @throws when the response cannot be sent, with nothing written: a field that is no bytes, a
   * body that somebody reads already
   */
  send(response: HttpResponse, asked: AskedBy): Outcome | Promise<Outcome> {
    if (response instanceof Response) return this.#sendStreamed(plainResponse(response), asked);
    if (response instanceof UpgradeResponse) return this.#sendUpgrade(response);
    if (response instanceof StreamResponse) return this.#sendStreamed(response, asked);
    const { status, fields } = response;
    const isBodiless = hasNoBody(asked.method, status);
    if (response instanceof FileResponse && !isBodiless) return this.#sendFile(response, asked);
    const length = status === 204 || status === 304 ? undefined : responseLength(response);
    if (response instanceof BytesResponse) {
      this.#sendWhole(response, fields, length, isBodiless ? undefined : response.body, asked);
    } else {
      discardResponse(response);
      this.#sendWhole({ status, reason: undefined }, fields, length, undefined, asked);
    }
    return asked.keepsAlive ? "kept" : "last";
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#noted(this.#socket.write(bytes)) ? undefined : this.#untilDrained();
  }

  transfer(file: OpenFile, offset: number, length: number): number {
    return this.#socket.transfer(file, offset, length);
  }

  writeScratch(): Promise<void> | undefined {
    const { scratch } = this.#server;
    const isTaken = this.#socket.writeLent(scratch.bytes, scratch.length);
    return this.#noted(isTaken) ? undefined : this.#untilDrained();
  }

  /** `length` is what the header section says, `body` what is sent. */
  #sendWhole(
    status: ResponseStatus,
    fields: ResponseFields,
    length: number | undefined,
    body: Uint8Array | undefined,
    asked: AskedBy,
  ): void {
    this.#scratchHeaders(status, fields, length, asked);
    const { scratch } = this.#server;
    const isCopied = body !== undefined && body.length <= COPIED_LENGTH_MAX;
    if (isCopied) scratch.append(body);
    this.#noted(this.#socket.writeLent(scratch.bytes, scratch.length));
    if (body !== undefined && !isCopied) this.#noted(this.#socket.write(body));
  }

  #scratchHeaders(
    { status, reason }: ResponseStatus,
    fields: ResponseFields,
    length: number | undefined,
    asked: AskedBy,
  ): void {
    const { scratch, date } = this.#server;
    const framing = { length, isChunked: false, connection: connectionField(asked) };
    scratch.clear();
    appendResponseHeaders(scratch, status, fields, framing, date, reason);
  }

  #noted(isTaken: boolean): boolean {
    if (isTaken) return true;
    this.#isFull = true;
    if (!this.#isGone) this.#unsent.note(this.#socket.unsentLength);
    return false;
  }

  #untilDrained(): Promise<void> | undefined {
    return this.#isGone ? undefined : new Promise((resolve) => this.#wake = resolve);
  }

  async #sendFile(response: FileResponse, asked: AskedBy): Promise<Outcome> {
    const { status, fields, file, start, end } = response;
    this.#hasBegun = true;
    this.#hasAll = false;
    this.#scratchHeaders({ status, reason: undefined }, fields, end - start, asked);
    const { scratch } = this.#server;
    this.#noted(
      end > start
        ? this.#socket.writeAhead(scratch.bytes, scratch.length)
        : this.#socket.writeLent(scratch.bytes, scratch.length),
    );
    const isWhole = await sendFileBytes(this, this.#server, file, { start, end });
    this.#hasBegun = false;
    if (!isWhole) return "short";
    return asked.keepsAlive ? "kept" : "last";
  }

  #sendStreamed(response: StreamResponse, asked: AskedBy): Outcome | Promise<Outcome> {
    const { status, fields, body, length: declared } = response;
    const isBodiless = hasNoBody(asked.method, status);
    if (isBodiless || body === null) {
      discardResponse(response);
      const length = status === 204 ? undefined : declared ?? (isBodiless ? undefined : 0);
      this.#sendWhole(response, fields, length, undefined, asked);
      if (!isBodiless && length !== 0) return "short";
      return asked.keepsAlive ? "kept" : "last";
    }
    return this.#sendBody(body.getReader(), response, asked);
  }

  async #sendUpgrade({ status, fields, body }: UpgradeResponse): Promise<Outcome> {
    this.#reader = body!.getReader();
    this.#hasBegun = true;
    this.#hasAll = false;
    const { scratch, date } = this.#server;
    const framing = { length: undefined, isChunked: false, connection: "upgrade" } as const;
    scratch.clear();
    appendResponseHeaders(scratch, status, fields, framing, date);
    void this.writeScratch();
    const isWhole = await sendTunnel(this, this.#reader);
    this.#reader = undefined;
    this.#hasBegun = false;
    return isWhole ? "last" : "broken";
  }

  async #sendBody(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    response: StreamResponse,
    asked: AskedBy,
  ): Promise<Outcome> {
    const { status, reason, fields, length: declared } = response;
    const isChunked = declared === undefined && asked.protocol === "HTTP/1.1";
    const isDelimited = declared !== undefined || isChunked;
    this.#reader = reader;
    this.#hasBegun = true;
    this.#hasAll = false;
    let isKept = asked.keepsAlive;
    const isWhole = await sendStream(this, this.#server, reader, {
      declared,
      isChunked,
      append: (whole) => {
        isKept &&= isDelimited || whole !== undefined;
        const connection = connectionField({ ...asked, keepsAlive: isKept });
        const framing = whole === undefined
          ? { length: declared, isChunked, connection }
          : { length: whole, isChunked: false, connection };
        const { scratch, date } = this.#server;
        appendResponseHeaders(scratch, status, fields, framing, date, reason);
      },
    });
    this.#reader = undefined;
    this.#hasBegun = false;
    if (!isWhole) return isDelimited ? "short" : "broken";
    return isKept ? "kept" : "last";
  }
}

/** RFC 9110 section 6.4.1. */
export function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304;
}

/** A client of HTTP/1.0 has to be told that the connection is kept. */
function connectionField({ keepsAlive, protocol }: AskedBy): "close" | "keep-alive" | undefined {
  if (!keepsAlive) return "close";
  return protocol === "HTTP/1.0" ? "keep-alive" : undefined;
}

/** A native response in plain values. */
export function plainResponse(response: Response): StreamResponse {
  const { status, statusText, body } = response;
  return new StreamResponse(status, fieldsOf(response), body, {
    length: declaredLength(response),
    reason: statusText === "" ? undefined : statusText,
  });
}

/** Undefined also for what is no length: the body is then framed without it. */
function declaredLength({ headers }: Response): number | undefined {
  const text = headers.get("content-length");
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
