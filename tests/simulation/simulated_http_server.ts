/**
 * An HTTP server of a simulation, and everything that one can do wrong. It reads requests by itself
 * (not through `http1/`), so it is a second opinion on what we send: a request behind one that has
 * not been answered, two framings, or a byte of a body that is not its request's, is reported at once.
 *
 * Requests are known by their key, which is their path.
 */
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { pattern, patternFault, type Random } from "./random.ts";
import type { ApplicationObserver } from "./simulated_application.ts";
import type { SimulatedSocket } from "./simulated_socket.ts";

/** Most bytes of a body that are sent at once. */
const PIECE_LENGTH_MAX = 2_000;

/** What health checks ask for. */
export const HEALTH_TARGET = "/health";

/** What becomes of a request; the weights of a world with faults. */
const PLANS = {
  answer: 60,
  answer_early: 8,
  interim: 5,
  last: 5,
  old: 4,
  close_behind: 5,
  too_short: 2,
  too_long: 2,
  two_lengths: 1,
  bad_chunk: 1,
  huge_headers: 1,
  interim_without_end: 1,
  garbage: 1,
  hang: 3,
  hang_halfway: 2,
  close: 2,
  close_halfway: 2,
  reset: 2,
} as const;
type Plan = keyof typeof PLANS;

/** How the end of a body is told. */
type Framing = "length" | "chunked" | "close";

export class SimulatedHttpServer {
  readonly address: string;
  readonly random: Random;
  readonly calm: boolean;
  readonly observer: ApplicationObserver;
  readonly connections = new Set<HttpServerConnection>();
  state: "up" | "refusing" | "full" | "silent" = "up";

  constructor(address: string, random: Random, calm: boolean, observer: ApplicationObserver) {
    this.address = address;
    this.random = random;
    this.calm = calm;
    this.observer = observer;
  }

  restart(): void {}

  accept(socket: SimulatedSocket): void {
    this.connections.add(new HttpServerConnection(this, socket));
  }
}

interface HttpServerRequest {
  readonly key: number;
  readonly method: string;
  readonly plan: Plan;
  readonly framing: Framing;
  readonly status: number;
  readonly length: number;
  headersSent: boolean;
  sent: number;
  interims: number;
}

/** How much of the request's body is to come; undefined while its header section is. */
type BodyLeft = number | "chunks" | undefined;

export class HttpServerConnection {
  readonly socket: SimulatedSocket;
  /** Half dead: it stands, but nothing goes in or out any more. */
  frozen = false;
  readonly #server: SimulatedHttpServer;
  #received = "";
  #bodyLeft: BodyLeft;
  #bodyKey = -1;
  #bodyLength = 0;
  /** The one that has not been answered. */
  #request: HttpServerRequest | undefined;
  #mustBeLast = false;

  constructor(server: SimulatedHttpServer, socket: SimulatedSocket) {
    this.#server = server;
    this.socket = socket;
  }

  get requestCount(): number {
    return this.#request === undefined ? 0 : 1;
  }

  /** Reads what we sent. */
  receive(bytes: Uint8Array): void {
    this.#received += fromLatin1(bytes);
    while (!this.socket.ended && this.#readOn());
  }

  /** Does the next thing for its request. */
  act(): void {
    const request = this.#request;
    if (request === undefined || this.socket.ended) return;
    const hasAll = this.#bodyLeft === undefined;
    switch (request.plan) {
      case "hang":
        return;
      case "close":
        return this.socket.end();
      case "reset":
        return this.socket.reset();
      case "garbage":
        this.#send(latin1("SSH-2.0-OpenSSH_9.6\r\n"));
        return this.socket.end();
      case "two_lengths":
        this.#say("HTTP/1.1 200 OK", ["content-length: 3", "transfer-encoding: chunked"]);
        return this.socket.end();
      case "huge_headers":
        this.#say("HTTP/1.1 200 OK", Array(9).fill(`x: ${"x".repeat(1_000)}`));
        return this.socket.end();
      case "interim_without_end":
        return this.#say("HTTP/1.1 103 Early Hints", ["link: </a>"]);
      case "interim":
        if (request.interims++ < 2) return this.#say("HTTP/1.1 102 Processing", []);
    }
    if (hasAll || request.plan === "answer_early") this.#answer(request);
  }

  /** Whether it may read another part. */
  #readOn(): boolean {
    if (this.#bodyLeft === "chunks") return this.#readChunk();
    if (this.#bodyLeft !== undefined) return this.#readBody(this.#bodyLeft);
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const section = this.#received.slice(0, end);
    this.#received = this.#received.slice(end + 4);
    this.#begin(section);
    return true;
  }

  #begin(section: string): void {
    const [line, ...fields] = section.split("\r\n");
    const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(line!) ?? [];
    if (method === undefined) return this.#violation(`request line ${JSON.stringify(line)}`);
    if (this.#request !== undefined) this.#violation("a request behind one without a response");
    if (this.#mustBeLast) this.#violation("a request behind the last one");
    const valuesOf = (name: string) =>
      fields.filter((field) => field.startsWith(`${name}: `)).map((field) =>
        field.slice(name.length + 2)
      );
    const lengths = valuesOf("content-length");
    const codings = valuesOf("transfer-encoding");
    if (lengths.length + codings.length > 1) this.#violation("a request with two framings");
    this.#mustBeLast = valuesOf("connection").includes("close");
    this.#bodyLength = 0;
    if (codings.length > 0) this.#bodyLeft = "chunks";
    else if (Number(lengths[0] ?? 0) > 0) this.#bodyLeft = Number(lengths[0]);
    if (target === HEALTH_TARGET) {
      this.#say("HTTP/1.1 200 OK", ["content-length: 0"]);
      return;
    }
    this.#bodyKey = Number(target!.slice(1));
    this.#request = this.#plan(this.#bodyKey, method);
    this.#server.observer.onBegun(this.#bodyKey);
  }

  #plan(key: number, method: string): HttpServerRequest {
    const { random, calm } = this.#server;
    const plan = calm
      ? random.pick(["answer", "answer", "answer_early", "interim", "last", "old"] as const)
      : random.weighted(PLANS);
    const status = random.chance(0.1) ? random.pick([204, 304, 404, 500]) : 200;
    const framing: Framing = plan === "too_short" || plan === "too_long"
      ? "length"
      : plan === "bad_chunk"
      ? "chunked"
      : plan === "old"
      ? random.pick(["length", "close"])
      : random.pick(["length", "length", "chunked", "chunked", "close"]);
    const hasBody = method !== "HEAD" && status !== 204 && status !== 304;
    const length = !hasBody || (plan !== "too_long" && random.chance(0.2))
      ? 0
      : random.between(plan === "too_long" ? 6 : 1, random.pick([50, 3_000, 30_000]));
    const begun = { headersSent: false, sent: 0, interims: 0 };
    return { key, method, plan, framing, status, length, ...begun };
  }

  #readBody(left: number): boolean {
    const piece = this.#received.slice(0, left);
    if (piece === "") return false;
    this.#received = this.#received.slice(piece.length);
    this.#takeBody(piece);
    this.#bodyLeft = left > piece.length ? left - piece.length : undefined;
    return true;
  }

  #readChunk(): boolean {
    const lineEnd = this.#received.indexOf("\r\n");
    if (lineEnd < 0) return false;
    const size = this.#received.slice(0, lineEnd);
    if (!/^[0-9a-f]+$/.test(size)) this.#violation(`chunk size ${JSON.stringify(size)}`);
    const length = parseInt(size, 16);
    const end = lineEnd + 2 + length + 2;
    if (this.#received.length < end) return false;
    this.#takeBody(this.#received.slice(lineEnd + 2, lineEnd + 2 + length));
    if (this.#received.slice(end - 2, end) !== "\r\n") this.#violation("a chunk without its end");
    this.#received = this.#received.slice(end);
    if (length === 0) this.#bodyLeft = undefined;
    return true;
  }

  #takeBody(piece: string): void {
    const fault = patternFault(this.#bodyKey, this.#bodyLength, latin1(piece));
    if (fault !== undefined) this.#violation(`foreign byte ${fault} in body of ${this.#bodyKey}`);
    this.#bodyLength += piece.length;
  }

  /** The header section, then pieces of the body, then the end: one of these each time. */
  #answer(request: HttpServerRequest): void {
    if (!request.headersSent) return this.#sendHeaders(request);
    if (request.sent < request.length) {
      if (request.sent > 0) {
        if (request.plan === "hang_halfway") return;
        if (request.plan === "close_halfway") return this.socket.end();
        if (request.plan === "bad_chunk") return this.#send(latin1("xyz\r\n"));
      }
      return this.#sendPiece(request);
    }
    this.#finish(request);
  }

  #sendHeaders(request: HttpServerRequest): void {
    request.headersSent = true;
    const { plan, framing, key, status, length, method } = request;
    const difference = { too_short: 5, too_long: -5 }[plan as string] ?? 0;
    const fields = [`key: ${key}`];
    // 204 has no framing at all.
    if (status !== 204 && framing === "length") {
      fields.push(`content-length: ${Math.max(0, length + difference)}`);
    } else if (status !== 204 && framing === "chunked") fields.push("transfer-encoding: chunked");
    if (plan === "last") fields.push("connection: close");
    const hasNone = method === "HEAD" || status === 204 || status === 304;
    // Where no body may follow, its framing is only talk.
    this.#say(`HTTP/1.${plan === "old" ? 0 : 1} ${status} x`, fields);
    if (hasNone || (framing === "length" && length + difference === 0)) this.#isOver(request);
    else if (framing === "close") this.#noteOpenEnd(request);
  }

  #sendPiece(request: HttpServerRequest): void {
    const { observer, random } = this.#server;
    const { key, framing, plan } = request;
    const left = request.length - request.sent;
    const length = Math.min(left, random.between(1, PIECE_LENGTH_MAX));
    const bytes = pattern(key, request.sent, length);
    request.sent += length;
    const isLast = request.sent === request.length;
    const onArrived = () => observer.onArrived(key, length);
    if (framing === "chunked") {
      this.#send(latin1(`${length.toString(16)}\r\n`));
      this.#send(bytes, false, onArrived);
      this.#send(latin1("\r\n"));
    } else if (isLast && plan === "too_long") {
      // In one piece with what is declared, or else it would be the next response's.
      observer.onComplete(key, Math.max(0, request.length - 5));
      this.#send(bytes, true, onArrived);
      this.#request = undefined;
    } else this.#send(bytes, false, onArrived);
    if (framing === "close") this.#noteOpenEnd(request);
    else if (framing === "length" && isLast && plan !== "too_short") this.#isOver(request);
  }

  /** Wherever the connection ends well, the body does. */
  #noteOpenEnd({ key, sent }: HttpServerRequest): void {
    this.#server.observer.onComplete(key, sent);
  }

  #finish(request: HttpServerRequest): void {
    if (request.framing === "chunked") {
      this.#send(latin1("0\r\n\r\n"));
      return this.#isOver(request);
    }
    this.socket.end();
  }

  /** With the bytes that are on their way the response is whole. */
  #isOver(request: HttpServerRequest): void {
    const { plan } = request;
    if (plan !== "too_long") this.#server.observer.onComplete(request.key, request.length);
    this.#request = undefined;
    const closes = plan === "last" || plan === "old" || plan === "close_behind";
    if (closes || this.#mustBeLast) this.socket.end();
  }

  #say(line: string, fields: readonly string[]): void {
    this.#send(latin1(`${[line, ...fields].join("\r\n")}\r\n\r\n`));
  }

  #send(bytes: Uint8Array, whole = false, onArrived?: () => void): void {
    this.socket.send(bytes, whole, onArrived);
  }

  #violation(text: string): void {
    this.#server.observer.onViolation(`${this.#server.address}: ${text}`);
  }
}
