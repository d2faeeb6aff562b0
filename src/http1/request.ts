/**
 * A request as its handler gets it: what of Fetch's `Request` a server's handler uses, made when it
 * is asked for. A native one would cost as much as all the rest, would tidy the target, and would
 * refuse some methods and the body of a GET.
 */
import { LightAbortSignal } from "../runtime/abort_signal.ts";
import type { RequestFields } from "./request_fields.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

const ABSOLUTE = /^https?:\/\//i;

/** What a request says, whatever version it came in. */
export interface RequestLine {
  readonly method: string;
  readonly fields: RequestFields;
  readonly target: string;
}

/** A body for one reader. */
export interface BodyStream {
  readonly stream: ReadableStream<Uint8Array>;
}

export class ServerRequest implements HttpRequest {
  readonly method: string;
  readonly headers: RequestFields;
  readonly #target: string;
  readonly #isTls: boolean;
  readonly #body: BodyStream | undefined;
  #aborter: AbortController | undefined;
  #abortSignal: LightAbortSignal | undefined;
  #state: "waiting" | "answered" | "left" = "waiting";

  constructor(
    { method, fields, target }: RequestLine,
    body: BodyStream | undefined,
    isTls: boolean,
  ) {
    this.method = method;
    this.headers = fields;
    this.#target = target;
    this.#isTls = isTls;
    this.#body = body;
  }

  /** The target as it was sent, behind the host that it is for; without a host, and `*`, alone. */
  get url(): string {
    const host = this.headers.get("host");
    const target = this.#target;
    if (host === null || target === "*" || ABSOLUTE.test(target)) return target;
    const origin = `${this.#isTls ? "https" : "http"}://${host}`;
    // Of CONNECT the target is no path, but an address (RFC 9112 section 3.2.3).
    return this.method === "CONNECT" ? `${origin}/` : origin + target;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#body?.stream ?? null;
  }

  /** Fires when the client leaves before it is answered. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    if (this.#state === "left") this.#aborter.abort();
    return this.#aborter.signal;
  }

  /** The same as {@link signal}, for less. */
  get abortSignal(): LightAbortSignal {
    this.#abortSignal ??= new LightAbortSignal();
    if (this.#state === "left") this.#abortSignal.abort();
    return this.#abortSignal;
  }

  /** The handler has done its work. */
  answered(): void {
    if (this.#state === "waiting") this.#state = "answered";
  }

  /** The connection is over. */
  left(): void {
    if (this.#state !== "waiting") return;
    this.#state = "left";
    this.#abortSignal?.abort();
    this.#aborter?.abort();
  }
}
