/**
 * An application of a simulation, and everything that one can do wrong. It reads records by itself
 * (not through `server_connection.ts`), so it is a second opinion on what we send: an id that begins
 * twice, or a byte of STDIN that is not its request's, is reported at once.
 *
 * Requests are known by their key, a number that goes along as the parameter `KEY`.
 */
import { decodeBeginRequest } from "../../src/protocol/body.ts";
import {
  KEEP_CONN,
  ManagementValue,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/protocol/constants.ts";
import { decodeNameValues, encodeNameValues } from "../../src/protocol/name_value.ts";
import { type FastCgiRecord, RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { pattern, patternFault, type Random } from "./random.ts";
import type { SimulatedSocket } from "./simulated_socket.ts";

/** Most bytes of STDOUT in one record. */
export const STDOUT_LENGTH_MAX = 2_000;

/** How the application answers GET_VALUES. */
const CLAIMS = { yes: 12, no: 2, close: 2, silent: 1, unknown_type: 1, garbage: 0.5 } as const;
type Claim = keyof typeof CLAIMS;

/** What becomes of a request; the weights of a world with faults. */
const PLANS = {
  answer: 60,
  answer_early: 8,
  answer_without_stdout_end: 4,
  close_instead_of_end: 3,
  stray_records: 8,
  overloaded: 3,
  overloaded_in_head: 1,
  overloaded_halfway: 1,
  unasked_values: 2,
  unknown_type: 1,
  cannot_multiplex: 2,
  unknown_role: 1,
  too_short: 2,
  too_long: 2,
  bad_head: 1,
  nothing: 1,
  empty_stdout: 3,
  hang: 3,
  hang_halfway: 2,
  close: 2,
  reset: 2,
  garbage: 1,
  foreign_id: 1,
} as const;
export type Plan = keyof typeof PLANS;

/** What the simulation hears of its applications. */
export interface ApplicationObserver {
  onBegun(key: number): void;
  /** The request was refused without being looked at. */
  onRefused(key: number): void;
  /** The application takes its response for complete. */
  onComplete(key: number, length: number): void;
  /** Bytes of a response's body have reached us. */
  onArrived(key: number, length: number): void;
  /** We have broken a rule. */
  onViolation(text: string): void;
}

export class SimulatedApplication {
  readonly address: string;
  readonly random: Random;
  readonly calm: boolean;
  readonly observer: ApplicationObserver;
  readonly connections = new Set<ApplicationConnection>();
  state: "up" | "refusing" | "full" | "silent" = "up";
  claim: Claim = "yes";
  multiplexes = true;
  /** Never ends a request that was aborted. */
  ignoresAbort = false;

  constructor(
    address: string,
    random: Random,
    calm: boolean,
    observer: ApplicationObserver,
  ) {
    this.address = address;
    this.random = random;
    this.calm = calm;
    this.observer = observer;
    this.restart();
  }

  /** What comes back may be another program. */
  restart(): void {
    this.claim = this.calm ? this.random.pick(["yes", "no"]) : this.random.weighted(CLAIMS);
    const lies = !this.calm && this.random.chance(0.15);
    this.multiplexes = (this.claim === "yes") !== lies;
    this.ignoresAbort = !this.calm && this.random.chance(0.3);
  }

  accept(socket: SimulatedSocket): void {
    this.connections.add(new ApplicationConnection(this, socket));
  }
}

interface ApplicationRequest {
  readonly id: number;
  readonly role: number;
  readonly keeps: boolean;
  params: Uint8Array;
  key: number;
  plan: Plan;
  /** Length of the body that is answered, and what is declared of it. */
  length: number;
  declared: boolean;
  status: number;
  started: boolean;
  headersSent: boolean;
  sent: number;
  stdinLength: number;
  stdinEnded: boolean;
  dataEnded: boolean;
  aborted: boolean;
}

export class ApplicationConnection {
  readonly socket: SimulatedSocket;
  /** Half dead: it stands, but nothing goes in or out any more. */
  frozen = false;
  readonly #application: SimulatedApplication;
  readonly #decoder = new RecordDecoder();
  readonly #requests = new Map<number, ApplicationRequest>();
  /** Aborted and ended requests whose handlers go on writing, as in Go. */
  readonly #late: ApplicationRequest[] = [];

  constructor(application: SimulatedApplication, socket: SimulatedSocket) {
    this.#application = application;
    this.socket = socket;
  }

  get requestCount(): number {
    return this.#requests.size;
  }

  /** Reads what we sent. */
  receive(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
    for (let record = this.#decoder.next(); record; record = this.#decoder.next()) {
      if (this.socket.ended) continue;
      this.#take(record);
    }
  }

  /** Does the next thing for one of its requests. */
  act(): void {
    const { random } = this.#application;
    const late = random.chance(0.3) ? this.#late.shift() : undefined;
    if (late !== undefined) this.#stdout(late, new TextEncoder().encode("Key: late\n\nlate"));
    const ready = [...this.#requests.values()].filter((request) => request.started);
    if (ready.length > 0 && !this.socket.ended) this.#act(random.pick(ready));
  }

  #take(record: FastCgiRecord): void {
    const { requestId: id, type, content } = record;
    if (type === RecordType.GET_VALUES) return this.#answerValues();
    const request = this.#requests.get(id);
    if (type === RecordType.BEGIN_REQUEST) {
      if (request !== undefined) this.#violation(`request ${id} began while it was in use`);
      this.#begin(id, content);
      return;
    }
    // The request has ended here; we may not have heard of it yet.
    if (request === undefined) return;
    if (type === RecordType.ABORT_REQUEST) this.#abort(request);
    else if (type === RecordType.PARAMS) this.#takeParams(request, content);
    else if (type === RecordType.STDIN) this.#takeStdin(request, content);
    else if (type === RecordType.DATA) request.dataEnded ||= content.length === 0;
    else this.#violation(`record of type ${type}`);
  }

  #answerValues(): void {
    const { claim } = this.#application;
    if (claim === "silent") return;
    if (claim === "garbage") {
      this.socket.send(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      return;
    }
    const value = claim === "yes" ? "1" : "0";
    this.#send((encoder) => {
      if (claim === "unknown_type") encoder.unknownType(RecordType.GET_VALUES);
      else {
        encoder.record(
          RecordType.GET_VALUES_RESULT,
          0,
          encodeNameValues([[ManagementValue.MPXS_CONNS, value]]),
        );
      }
    });
    if (claim === "close") this.socket.end();
  }

  #begin(id: number, content: Uint8Array): void {
    const { role, keepConnection } = decodeBeginRequest(content);
    if (content[2]! > KEEP_CONN) this.#violation("unknown flags");
    this.#requests.set(id, {
      id,
      role,
      keeps: keepConnection,
      params: new Uint8Array(0),
      key: -1,
      plan: "answer",
      length: 0,
      declared: false,
      status: 200,
      started: false,
      headersSent: false,
      sent: 0,
      stdinLength: 0,
      stdinEnded: role === Role.AUTHORIZER,
      dataEnded: role !== Role.FILTER,
      aborted: false,
    });
  }

  #takeParams(request: ApplicationRequest, content: Uint8Array): void {
    if (content.length > 0) {
      request.params = Uint8Array.of(...request.params, ...content);
      return;
    }
    const { random, calm, observer, multiplexes } = this.#application;
    const params = new Map(decodeNameValues(request.params));
    request.key = Number(params.get("KEY"));
    observer.onBegun(request.key);
    request.plan = calm ? random.pick(["answer", "answer_early"]) : random.weighted(PLANS);
    if (!multiplexes && this.#requests.size > 1) request.plan = "cannot_multiplex";
    request.length = random.chance(0.2) ? 0 : random.between(1, random.pick([50, 3_000, 30_000]));
    request.declared = random.chance(0.5) || request.plan === "too_short" ||
      request.plan === "too_long";
    request.status = random.chance(0.1) ? random.pick([204, 304, 404, 500]) : 200;
    request.started = true;
  }

  #takeStdin(request: ApplicationRequest, content: Uint8Array): void {
    if (request.stdinEnded) this.#violation(`STDIN after its end for key ${request.key}`);
    if (content.length === 0) {
      request.stdinEnded = true;
      return;
    }
    const fault = patternFault(request.key, request.stdinLength, content);
    if (fault !== undefined) this.#violation(`foreign byte ${fault} in STDIN of ${request.key}`);
    request.stdinLength += content.length;
  }

  #abort(request: ApplicationRequest): void {
    if (request.aborted) this.#violation(`key ${request.key} was aborted twice`);
    request.aborted = true;
    // php-fpm among others answers to the end all the same.
    if (this.#application.ignoresAbort || this.#application.random.chance(0.5)) return;
    this.#end(request, ProtocolStatus.REQUEST_COMPLETE);
    if (this.#application.random.chance(0.7)) this.#late.push(request);
  }

  #act(request: ApplicationRequest): void {
    const { observer, random } = this.#application;
    switch (request.plan) {
      case "overloaded":
      case "cannot_multiplex":
        observer.onRefused(request.key);
        this.#end(
          request,
          request.plan === "overloaded" ? ProtocolStatus.OVERLOADED : ProtocolStatus.CANT_MPX_CONN,
        );
        return;
      case "unknown_role":
        return this.#end(request, ProtocolStatus.UNKNOWN_ROLE);
      case "nothing":
        return this.#end(request, ProtocolStatus.REQUEST_COMPLETE);
      case "hang":
        return;
      case "overloaded_in_head":
        // It has looked at the request, whatever it says: nobody may send it again.
        this.#stdout(request, new TextEncoder().encode("Status: 2"));
        return this.#end(request, ProtocolStatus.OVERLOADED);
      case "unasked_values":
        this.#send((encoder) => {
          const values = encodeNameValues([[ManagementValue.MPXS_CONNS, random.pick(["0", "1"])]]);
          encoder.record(RecordType.GET_VALUES_RESULT, 0, values);
          encoder.unknownType(200);
        });
        request.plan = "answer";
        return;
      case "unknown_type":
        // It is skipped, and harms nobody.
        this.#send((encoder) => encoder.record(200, request.id, new Uint8Array(20)));
        request.plan = "answer";
        return;
      case "bad_head":
        this.#stdout(request, new TextEncoder().encode("no header at all\n\n"));
        return this.#end(request, ProtocolStatus.REQUEST_COMPLETE);
      case "close":
        return this.socket.end();
      case "reset":
        return this.socket.reset();
      case "garbage":
        return this.socket.send(Uint8Array.of(0x16, 3, 1, 0, 0));
      case "foreign_id":
        return this.#send((encoder) => encoder.endRequest(40_000, 0, 0));
      case "answer_early":
        return this.#answer(request);
      default:
        if (request.stdinEnded && request.dataEnded) this.#answer(request);
    }
  }

  /** The header section, then pieces of the body, then the end: one of these each time. */
  #answer(request: ApplicationRequest): void {
    const { random } = this.#application;
    if (random.chance(0.1)) {
      this.#send((encoder) => encoder.stream(RecordType.STDERR, request.id, new Uint8Array(30)));
    }
    if (!request.headersSent) return this.#sendHead(request);
    if (request.sent < request.length) {
      if (request.plan === "hang_halfway" && request.sent > 0) return;
      if (request.plan === "overloaded_halfway" && request.sent > 0) {
        return this.#end(request, ProtocolStatus.OVERLOADED);
      }
      // As php-fpm 7.4 to 8.1 send it in the middle.
      if (request.plan === "empty_stdout" && random.chance(0.5)) {
        this.#send((encoder) => encoder.streamEnd(RecordType.STDOUT, request.id));
      }
      const length = Math.min(request.length - request.sent, random.between(1, STDOUT_LENGTH_MAX));
      this.#sendBody(request, length);
    } else {
      this.#finish(request);
    }
  }

  #sendHead(request: ApplicationRequest): void {
    request.headersSent = true;
    let headers = `Status: ${request.status}\nKey: ${request.key}\n`;
    if (request.declared) {
      const difference = { too_short: 5, too_long: -5 }[request.plan as string] ?? 0;
      const declared = Math.max(0, request.length + difference);
      headers += `Content-Length: ${declared}\r\n`;
    }
    this.#stdout(request, new TextEncoder().encode(`${headers}\n`));
  }

  #sendBody(request: ApplicationRequest, length: number): void {
    const { observer } = this.#application;
    const bytes = pattern(request.key, request.sent, length);
    request.sent += length;
    this.#stdout(request, bytes, () => observer.onArrived(request.key, length));
  }

  #finish(request: ApplicationRequest): void {
    const { observer, random } = this.#application;
    // What is beyond a declared length is not given to anybody.
    const isCut = request.plan === "too_long" && request.declared;
    observer.onComplete(request.key, isCut ? Math.max(0, request.length - 5) : request.length);
    if (request.plan !== "answer_without_stdout_end") {
      this.#send((encoder) => encoder.streamEnd(RecordType.STDOUT, request.id));
    }
    if (request.plan === "close_instead_of_end") {
      this.socket.end();
      return;
    }
    if (request.plan !== "stray_records") {
      this.#end(request, ProtocolStatus.REQUEST_COMPLETE);
      return;
    }
    // In one piece with the end, or else the id may be another request's by then.
    this.#requests.delete(request.id);
    this.#send((encoder) => {
      encoder.endRequest(request.id, 0, ProtocolStatus.REQUEST_COMPLETE);
      encoder.stream(RecordType.STDOUT, request.id, new TextEncoder().encode("stray"));
      encoder.stream(RecordType.STDERR, request.id, new TextEncoder().encode("stray"));
      if (random.chance(0.5)) encoder.endRequest(request.id, 0, ProtocolStatus.OVERLOADED);
    }, true);
    if (!request.keeps) this.socket.end();
  }

  #end(request: ApplicationRequest, status: ProtocolStatus): void {
    const { random, calm } = this.#application;
    this.#requests.delete(request.id);
    this.#send((encoder) => encoder.endRequest(request.id, random.between(0, 1), status));
    // Some close although they were asked to keep the connection.
    if (!request.keeps || (!calm && this.#requests.size === 0 && random.chance(0.05))) {
      this.socket.end();
    }
  }

  #stdout(request: ApplicationRequest, bytes: Uint8Array, onArrived?: () => void): void {
    this.#send(
      (encoder) => encoder.stream(RecordType.STDOUT, request.id, bytes),
      false,
      onArrived,
    );
  }

  #send(encode: (encoder: RecordEncoder) => void, whole = false, onArrived?: () => void): void {
    const encoder = new RecordEncoder();
    encode(encoder);
    this.socket.send(encoder.take(), whole, onArrived);
  }

  #violation(text: string): void {
    this.#application.observer.onViolation(`${this.#application.address}: ${text}`);
  }
}
