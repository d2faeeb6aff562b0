/**
 * One client's connection: heads and bodies in, answers out, one request after the other. What a
 * client sends ahead of its turn waits, and the client with it.
 *
 * | state     | what holds                                             | next                     |
 * | --------- | ------------------------------------------------------ | ------------------------ |
 * | idle      | between two requests                                   | head, answering, closing |
 * | head      | some of a head has come, within `timeouts.headMs`      | answering, closing       |
 * | answering | a request has begun, its answer has not gone           | draining, idle, closing  |
 * | draining  | the answer has gone, the request's body still comes in | idle, closing            |
 * | closing   | all that was to say is said; what comes is dropped     | gone                     |
 * | gone      | there is no socket any more                            |                          |
 */
import { latin1 } from "../protocol/byte_buffer.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { HttpAnswer } from "../runtime/http_answer.ts";
import type { RawSocket, RawSocketEvents } from "../runtime/raw_socket.ts";
import { AnswerSender, type Outcome, type SenderServer } from "./answer_sender.ts";
import { statusLine } from "./answer_head.ts";
import type { FieldNames } from "./field_names.ts";
import { HeadGathering } from "./head_gathering.ts";
import { ServerRequest } from "./request.ts";
import { RequestBody } from "./request_body.ts";
import { readRequestHead, RequestFault, type RequestHead } from "./request_head.ts";

/** Most of a body that is read over so that the connection can go on, in bytes. */
export const DRAINED_LENGTH_MAX = 256 * 1024;

/** Empty lines before a request that are read over (RFC 9112 section 2.2). */
const LEADING_LINES_MAX = 4;

export interface ConnectionTimeouts {
  /** From a head's first byte to its last. */
  readonly headMs: number;
  /** Between two requests. */
  readonly idleMs: number;
  /** For a client to take some of what is sent. */
  readonly sendMs: number;
  /** For a client to close a connection that we have ended. */
  readonly closeMs: number;
}

/** What the connections of a server share. */
export interface ConnectionServer extends SenderServer {
  readonly handler: (request: Request, peer: HttpPeer) => HttpAnswer | Promise<HttpAnswer>;
  readonly names: FieldNames;
  readonly headLengthMax: number;
  readonly isTls: boolean;
  readonly timeouts: ConnectionTimeouts;
  /** Takes no more requests. */
  readonly isStopping: boolean;
  /** A request that could not be read. */
  onFault(fault: RequestFault, peer: HttpPeer): void;
  /** One more request has begun, or one less is under way. */
  onRequests(change: 1 | -1): void;
  onGone(connection: Connection): void;
}

type State = "idle" | "head" | "answering" | "draining" | "closing" | "gone";

export class Connection implements RawSocketEvents {
  readonly #server: ConnectionServer;
  readonly #socket: RawSocket;
  readonly #sender: AnswerSender;
  readonly #peer: HttpPeer;
  #state: State = "idle";
  #heads = new HeadGathering();
  #head: RequestHead | undefined;
  #request: ServerRequest | undefined;
  #body: RequestBody | undefined;
  /** What came before its turn. */
  #ahead: Uint8Array | undefined;
  #leadingLines = 0;
  #drainedLength = 0;
  #isReading = false;
  #deadlineMs: number;

  constructor(server: ConnectionServer, socket: RawSocket) {
    this.#server = server;
    this.#socket = socket;
    this.#peer = {
      host: socket.host,
      port: socket.port,
      protocol: "HTTP/1.1",
      earlyHints: (links) => this.#sendEarlyHints(links),
    };
    this.#sender = new AnswerSender(server, socket);
    this.#deadlineMs = server.coarseMs + server.timeouts.headMs;
  }

  /** Whether there is nothing to lose. */
  get isIdle(): boolean {
    return this.#state === "idle";
  }

  received(bytes: Uint8Array): void {
    switch (this.#state) {
      case "idle":
      case "head":
        return this.#read(bytes);
      case "answering":
      case "draining":
        return this.#readBody(bytes);
      case "closing":
      case "gone":
    }
  }

  drained(): void {
    this.#sender.drained();
  }

  /** A client that sends nothing more while its request is under way has left, as nginx sees it. */
  peerEnded(): void {
    this.destroy();
  }

  closed(): void {
    if (this.#state === "gone") return;
    const wasBusy = this.#request !== undefined;
    this.#state = "gone";
    this.#request?.left();
    this.#body?.fail();
    this.#request = undefined;
    this.#ahead = undefined;
    this.#sender.closed();
    if (wasBusy) this.#server.onRequests(-1);
    this.#server.onGone(this);
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
    this.closed();
  }

  /** Ends the connection softly when it has nothing to do. */
  stop(): void {
    if (this.#state === "idle") this.#close();
  }

  /** Called now and then: ends what has taken too long. */
  sweep(nowMs: number): void {
    if (nowMs - this.#sender.stuckSinceMs > this.#server.timeouts.sendMs) return this.destroy();
    if (nowMs <= this.#deadlineMs || this.#state === "answering") return;
    if (this.#state === "head") {
      return this.#refuse(new RequestFault(408, "The head did not come in time"));
    }
    if (this.#state === "idle") this.#close();
    else this.destroy();
  }

  /** Reads heads as long as nothing is under way. */
  #read(bytes: Uint8Array): void {
    // An answer that is there at once comes back to here: a loop takes less room than a recursion.
    this.#ahead = bytes;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#ahead !== undefined && (this.#state === "idle" || this.#state === "head")) {
      const next: Uint8Array = this.#ahead;
      this.#ahead = undefined;
      this.#readHead(this.#withoutEmptyLines(next));
    }
    this.#isReading = false;
  }

  #withoutEmptyLines(bytes: Uint8Array): Uint8Array {
    let start = 0;
    while (this.#state === "idle" && bytes[start] === 0x0d && bytes[start + 1] === 0x0a) {
      if (++this.#leadingLines > LEADING_LINES_MAX) break;
      start += 2;
    }
    return start === 0 ? bytes : bytes.subarray(start);
  }

  #readHead(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#state === "idle") {
      this.#state = "head";
      this.#deadlineMs = this.#server.coarseMs + this.#server.timeouts.headMs;
    }
    const found = this.#heads.push(bytes);
    const { headLengthMax } = this.#server;
    if ((found?.text.length ?? this.#heads.length) > headLengthMax) {
      return this.#refuse(new RequestFault(431, `The head is over ${headLengthMax} bytes`));
    }
    if (found === undefined) return;
    try {
      const head = readRequestHead(found.text, this.#server.names);
      this.#begin(head, found.rest);
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      this.#refuse(error);
    }
  }

  /** @throws {RequestFault} */
  #begin(head: RequestHead, rest: Uint8Array): void {
    this.#state = "answering";
    this.#leadingLines = 0;
    this.#head = head;
    this.#body = head.framing.kind === "none" ? undefined : new RequestBody(
      head.framing,
      head.expectsContinue,
      {
        sendContinue: () => this.#sendContinue(),
        pause: () => this.#socket.pause(),
        resume: () => this.#socket.resume(),
      },
    );
    this.#request = new ServerRequest(head, this.#body, this.#server.isTls);
    this.#server.onRequests(1);
    if (rest.length > 0) this.#readBody(rest);
    if (this.#state === "answering") this.#ask(this.#request);
  }

  #ask(request: ServerRequest): void {
    const peer = this.#head!.protocol === "HTTP/1.1" ? this.#peer : withoutHints(this.#peer);
    let answer: HttpAnswer | Promise<HttpAnswer>;
    try {
      answer = this.#server.handler(request as unknown as Request, peer);
    } catch {
      answer = new Response(null, { status: 500 });
    }
    if (!(answer instanceof Promise)) return this.#send(request, answer);
    answer.then(
      (settled) => this.#send(request, settled),
      () => this.#send(request, new Response(null, { status: 500 })),
    );
  }

  #send(request: ServerRequest, answer: HttpAnswer): void {
    if (this.#request !== request) {
      if (answer instanceof Response) void answer.body?.cancel().catch(() => {});
      return;
    }
    request.answered();
    const head = this.#head!;
    const sent = this.#sender.send(answer, {
      method: head.method,
      protocol: head.protocol,
      keepsAlive: this.#keepsAlive(head),
    });
    if (!(sent instanceof Promise)) return this.#answered(sent);
    void sent.then((outcome) => {
      if (this.#request === request) this.#answered(outcome);
    });
  }

  /** Whether another request may follow, as far as is known when the answer begins. */
  #keepsAlive(head: RequestHead): boolean {
    const body = this.#body;
    // What nobody reads would have to be read over, or never comes.
    const isUnwanted = body !== undefined && !body.isOver && !body.isWanted;
    return head.keepsAlive && !isUnwanted && !this.#server.isStopping;
  }

  #answered(outcome: Outcome): void {
    const body = this.#body;
    this.#request = undefined;
    this.#server.onRequests(-1);
    if (outcome === "broken") return this.destroy();
    if (outcome !== "kept") {
      this.#close();
    } else if (body === undefined || body.isOver) {
      this.#next();
    } else {
      this.#state = "draining";
      this.#drainedLength = 0;
      this.#deadlineMs = this.#server.coarseMs + this.#server.timeouts.closeMs;
    }
    body?.drop();
  }

  #next(): void {
    if (this.#server.isStopping) return this.#close();
    this.#state = "idle";
    this.#body = undefined;
    this.#head = undefined;
    this.#deadlineMs = this.#server.coarseMs + this.#server.timeouts.idleMs;
    const ahead = this.#ahead;
    if (ahead === undefined) return;
    this.#socket.resume();
    this.#read(ahead);
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
      this.#drainedLength += count;
    }
    if (count < bytes.length) this.#keepAhead(bytes.subarray(count));
    if (this.#state !== "draining") return;
    if (body!.isOver) this.#next();
    else if (this.#drainedLength > DRAINED_LENGTH_MAX) this.#close();
  }

  /** The client has sent more than its turn is; it waits with the rest. */
  #keepAhead(bytes: Uint8Array): void {
    if (this.#ahead === undefined) {
      this.#ahead = bytes;
    } else {
      const joined = new Uint8Array(this.#ahead.length + bytes.length);
      joined.set(this.#ahead);
      joined.set(bytes, this.#ahead.length);
      this.#ahead = joined;
    }
    this.#socket.pause();
  }

  /** The body cannot be read to its end, so nothing behind it can be trusted. */
  #breakOff(error: unknown): void {
    if (!(error instanceof RequestFault)) throw error;
    const request = this.#request;
    this.#body?.fail();
    if (request === undefined || this.#sender.hasBegun) return this.destroy();
    this.#request = undefined;
    request.left();
    this.#server.onRequests(-1);
    this.#refuse(error);
  }

  #refuse(fault: RequestFault): void {
    this.#server.onFault(fault, this.#peer);
    const text = `${statusLine(fault.status)}content-length: 0\r\nconnection: close\r\n\r\n`;
    this.#socket.write(latin1(text));
    this.#close();
  }

  /** Says that nothing more comes, and waits for the client to say the same. */
  #close(): void {
    this.#state = "closing";
    this.#ahead = undefined;
    this.#deadlineMs = this.#server.coarseMs + this.#server.timeouts.closeMs;
    this.#socket.resume();
    this.#socket.end();
  }

  #sendContinue(): void {
    if (!this.#sender.hasBegun) this.#socket.write(latin1(`${statusLine(100)}\r\n`));
  }

  #sendEarlyHints(links: readonly string[]): void {
    if (this.#request === undefined || this.#sender.hasBegun) return;
    const fields = links.map((link) => {
      if (!LINK.test(link)) throw new TypeError(`"${link}" is no link`);
      return `link: ${link}\r\n`;
    });
    this.#socket.write(latin1(`${statusLine(103)}${fields.join("")}\r\n`));
  }
}

/** RFC 8288 section 3, as far as a gateway has to know. */
const LINK = /^<[!-;=?-~]*>[\t -~]*$/;

/** HTTP/1.0 has no interim answers. */
function withoutHints({ host, port }: HttpPeer): HttpPeer {
  return { host, port, protocol: "HTTP/1.0" };
}
