/**
 * A client of a simulation: sends one request, feeds its body, reads its response slowly, may leave
 * at any time, and checks that what it gets is its own: the key in the header section, every byte
 * of the body, and an end that is either clean with as many bytes as the application said, or an
 * error.
 */
import { latin1 } from "../../src/protocol/byte_buffer.ts";
import type { Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { UpstreamProtocol } from "../../src/upstream/options.ts";
import type { RequestBody } from "../../src/upstream/request_body.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { pattern, patternFault, type Random } from "./random.ts";

const METHODS = ["GET", "POST", "HEAD", "PUT", "PATCH"] as const;

/** Most bytes of a body that are gathered in memory. */
const GATHER_MEMORY_MAX = 1_000;

/** How a request ended. */
export type Outcome = "complete" | "cut" | "refused" | "left";

export interface ClientObserver {
  onFault(text: string): void;
}

export class SimulatedClient {
  readonly key: number;
  readonly method: string;
  /** How it ended, once it has. */
  outcome: Outcome | undefined;
  /** Why it was refused or cut. */
  error: UpstreamError | undefined;
  /** Bytes of the response that were read. */
  length = 0;
  /** There was no response at all. */
  wasRefused = false;
  /** Listeners on the signal: none may be left. */
  listeners = 0;
  readonly #random: Random;
  readonly #observer: ClientObserver;
  readonly #calm: boolean;
  /** Reads only at the end, and seldom. */
  readonly isSlow: boolean;
  readonly #leaving = new AbortController();
  readonly #bodies: BodyFeed[] = [];
  #response: UpstreamResponse | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #reading = false;
  #left = false;

  constructor(key: number, random: Random, calm: boolean, observer: ClientObserver) {
    this.key = key;
    this.#random = random;
    this.#calm = calm;
    this.#observer = observer;
    this.method = random.pick(METHODS);
    this.isSlow = random.chance(0.3);
  }

  /** Sends the request. */
  start(upstream: Upstream, protocol: UpstreamProtocol): void {
    const isHttp = protocol === "http";
    const role = isHttp ? "1" : this.#random.weighted({ 1: 20, 2: 1, 3: 2 });
    const hasBody = this.method !== "GET" && this.method !== "HEAD";
    const body = hasBody || role === "3" ? this.#body() : undefined;
    const data = role === "3" ? this.#body() : undefined;
    const answered = upstream.send({
      id: String(this.key),
      role: Number(role) as Role,
      method: this.method,
      params: isHttp ? () => this.#httpStart() : (length) => this.#parameters(length),
      ...(isHttp && { http: { saysLength: hasBody, valueOf: () => String(this.key) } }),
      body,
      ...(data && { data }),
      signal: this.#countedSignal(),
    });
    answered.then((response) => this.#answered(response), (error) => {
      this.wasRefused = true;
      this.#ended("refused", error);
    });
  }

  #parameters(length: number | undefined): Uint8Array {
    return encodeNameValues([
      ["KEY", String(this.key)],
      ["CONTENT_LENGTH", String(length ?? "")],
      ["FILL", this.#fill],
    ]);
  }

  #httpStart(): Uint8Array {
    return latin1(`${this.method} /${this.key} HTTP/1.1\r\nhost: a\r\nfill: ${this.#fill}\r\n`);
  }

  /** Requests are of different lengths. */
  get #fill(): string {
    return "x".repeat(this.key % 7 * 200);
  }

  get canFeed(): boolean {
    return this.#bodies.some((body) => body.canFeed);
  }

  get canRead(): boolean {
    return this.#reader !== undefined && !this.#reading && this.outcome === undefined;
  }

  /** The next piece of the request's body. */
  feed(): void {
    const body = this.#bodies.find(({ canFeed }) => canFeed);
    body?.feed(this.#random.between(1, 2_000));
  }

  /** The request's body breaks off. */
  breakBody(): void {
    this.#bodies.find(({ canFeed }) => canFeed)?.break();
  }

  /** Begins to read one piece of the response. */
  read(): void {
    this.#reading = true;
    this.#reader!.read().then(({ done, value }) => {
      this.#reading = false;
      if (this.#left) return;
      if (done) this.#checkEnd();
      else this.#check(value);
    }, (error) => this.#ended(this.#left ? "left" : "cut", error));
  }

  /** Leaves: as an HTTP server sees it, the signal fires, and then the stream is cancelled. */
  leave(how: "signal" | "cancel"): void {
    if (this.outcome !== undefined || this.#left) return;
    if (how === "cancel" && this.#reader === undefined) return;
    this.#left = true;
    if (how === "signal") this.#leaving.abort();
    this.#reader?.cancel().catch(() => {});
    if (this.#response !== undefined) this.outcome = "left";
  }

  #body(): RequestBody {
    const length = this.#random.between(0, 5_000);
    const breaks = !this.#calm && this.#random.chance(0.05);
    const feed = new BodyFeed(this.key, length, breaks);
    this.#bodies.push(feed);
    return {
      stream: feed.stream,
      length: this.#random.chance(0.7) ? length : undefined,
      memoryMax: GATHER_MEMORY_MAX,
    };
  }

  #countedSignal(): AbortSignal {
    const { signal } = this.#leaving;
    const { addEventListener, removeEventListener } = signal;
    const listeners = new Set<unknown>();
    signal.addEventListener = (...args: unknown[]) => {
      listeners.add(args[1]);
      this.listeners = listeners.size;
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listeners.delete(args[1]);
      this.listeners = listeners.size;
      Reflect.apply(removeEventListener, signal, args);
    };
    return signal;
  }

  #answered(response: UpstreamResponse): void {
    this.#response = response;
    const key = response.head.headers.find(([name]) => name.toLowerCase() === "key")?.[1];
    if (key !== String(this.key)) this.#fault(`got the response of ${key}`);
    if (response.body instanceof ReadableStream) {
      this.#reader = response.body.getReader();
      if (this.#left) {
        this.#reader.cancel().catch(() => {});
        this.#ended("left", undefined);
      }
      return;
    }
    if (!response.progress.ended) this.#fault("got a whole body that goes on");
    if (response.body !== null) this.#check(response.body);
    this.#checkEnd();
  }

  #check(bytes: Uint8Array): void {
    const fault = patternFault(this.key, this.length, bytes);
    if (fault !== undefined) this.#fault(`got a foreign byte at ${fault}`);
    this.length += bytes.length;
  }

  #checkEnd(): void {
    const { contentLength, status } = this.#response!.head;
    const hasBody = this.method !== "HEAD" && status !== 204 && status !== 304;
    if (hasBody && contentLength !== undefined && contentLength !== this.length) {
      this.#fault(`got ${this.length} of ${contentLength} bytes and a clean end`);
    }
    if (!hasBody && this.length > 0) this.#fault("got a body where there is none");
    this.#ended("complete", undefined);
  }

  /** Whether the body was to be had. */
  get expectsBody(): boolean {
    const status = this.#response?.head.status;
    return this.method !== "HEAD" && status !== 204 && status !== 304;
  }

  #ended(outcome: Outcome, error: unknown): void {
    if (this.outcome === "left") return;
    if (this.outcome !== undefined) this.#fault(`ended twice: ${this.outcome}, then ${outcome}`);
    if (error !== undefined && !this.#left && !(error instanceof UpstreamError)) {
      this.#fault(`ended with ${error instanceof Error ? error.stack : error}`);
    }
    this.error = error instanceof UpstreamError ? error : undefined;
    this.outcome = this.#left ? "left" : outcome;
  }

  #fault(text: string): void {
    this.#observer.onFault(`request ${this.key} (${this.method}) ${text}`);
  }
}

/** The body of a request, piece by piece. */
class BodyFeed {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #key: number;
  readonly #length: number;
  readonly #breaks: boolean;
  #sent = 0;
  #over = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(key: number, length: number, breaks: boolean) {
    this.#key = key;
    this.#length = length;
    this.#breaks = breaks;
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.#over = true),
    }, { highWaterMark: 1 });
  }

  get canFeed(): boolean {
    return !this.#over && (this.#controller.desiredSize ?? 0) > 0;
  }

  feed(lengthMax: number): void {
    const length = Math.min(lengthMax, this.#length - this.#sent);
    if (this.#breaks && this.#sent > 0) return this.break();
    if (length > 0) this.#controller.enqueue(pattern(this.#key, this.#sent, length));
    this.#sent += length;
    if (this.#sent < this.#length) return;
    this.#over = true;
    this.#controller.close();
  }

  break(): void {
    this.#over = true;
    this.#controller.error(new Error("The client broke off"));
  }
}
