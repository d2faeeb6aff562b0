/**
 * One client's connection: heads and bodies in, answers out, one request after the other. What a
 * client sends ahead of its turn waits, and the client with it.
 *
 * | state     | what holds                                             | next                     |
 * | --------- | ------------------------------------------------------ | ------------------------ |
 * | idle      | between two requests                                   | head, answering, closing |
 * | head      | some of a head has come, within `timeouts.headMs`      | answering, closing       |
 * | answering | a request has begun, its answer has not been written   | the four below, idle     |
 * | draining  | the answer is written, the request's body still comes  | sending, idle, closing   |
 * | sending   | the client has yet to take what was written            | idle, closing            |
 * | closing   | all that was to say is written; what comes is dropped  | gone                     |
 * | gone      | there is no socket any more                            |                          |
 */
import type { HttpPeer } from "../runtime/connection.ts";
import { BytesResponse, discardAnswer, type HttpResponse } from "../runtime/http_response.ts";
import type { AcceptedSocket, SocketEvents } from "../runtime/callback_socket.ts";
import { joinPipelined } from "./pipelined.ts";
import { type Outcome, ResponseWriter } from "./response_writer.ts";
import { HeadReader, type ReadHead } from "./head_reader.ts";
import {
  type ConnectionServer,
  DRAINED_LENGTH_MAX,
  LINGERED_LENGTH_MAX,
} from "./connection_server.ts";
import { continueAnswer, EarlyHints, withoutHints } from "./interim_answers.ts";
import { ServerRequest } from "./request.ts";
import { RequestBody } from "./request_body.ts";
import { RequestFault, type RequestHead } from "./request_head.ts";

const NOTHING = new Uint8Array(0);

export { DRAINED_LENGTH_MAX, LINGERED_LENGTH_MAX };

type State = "idle" | "head" | "answering" | "draining" | "sending" | "closing" | "gone";

export class Connection implements SocketEvents {
  readonly #server: ConnectionServer;
  readonly #socket: AcceptedSocket;
  readonly #sender: ResponseWriter;
  readonly #peer: HttpPeer;
  #state: State = "idle";
  readonly #heads: HeadReader;
  #head: RequestHead | undefined;
  #request: ServerRequest | undefined;
  #body: RequestBody | undefined;
  /** What came before its turn. */
  #pipelined: Uint8Array | undefined;
  #drainedLength = 0;
  #lingeredLength = 0;
  readonly #hints: EarlyHints;
  #isReading = false;
  #isReceiving = false;
  #isBodyPaused = false;
  #isPaused = false;
  #peerHasEnded = false;
  #onFlushed: (() => void) | undefined;
  #deadlineMs: number;

  constructor(server: ConnectionServer, socket: AcceptedSocket) {
    this.#server = server;
    this.#socket = socket;
    this.#heads = new HeadReader(server);
    this.#peer = {
      host: socket.host,
      port: socket.port,
      protocol: "HTTP/1.1",
      tls: socket.tls,
      earlyHints: (links) => this.#sendEarlyHints(links),
    };
    this.#hints = new EarlyHints(socket);
    this.#sender = new ResponseWriter(server, socket);
    this.#deadlineMs = server.coarseNowMs + server.timeouts.headMs;
  }

  received(bytes: Uint8Array): void {
    this.#isReceiving = true;
    try {
      this.#take(bytes);
    } catch (error) {
      this.#cut();
      this.#server.onFailure(error);
    }
    this.#isReceiving = false;
    this.#flow();
  }

  drained(): void {
    this.#sender.drained();
    if (this.#state === "sending") {
      this.#next();
      this.#flow();
    }
    this.#notifyFlushed();
  }

  /**
   * A client that sends nothing more before it has its answer has left: most that leave say no more
   * than this, and nginx, Bun and Deno see it like that. What is written goes out.
   */
  peerEnded(): void {
    this.#peerHasEnded = true;
    if (this.#state === "closing" || this.#state === "gone") return;
    if (this.#state !== "answering") this.#close();
    else if (!this.#sender.hasGivenAll) this.destroy();
  }

  closed(): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#request?.left();
    this.#body?.fail();
    this.#request = undefined;
    this.#pipelined = undefined;
    this.#sender.closed();
    this.#notifyFlushed();
    this.#server.onGone(this, this.#peer.host);
  }

  /** Ends the connection at once; a client that lacks some of an answer sees that it does. */
  destroy(): void {
    if (this.#sender.hasBegun || this.#sender.isFull) return this.#cut();
    this.#socket.destroy();
    this.closed();
  }

  /** Whether all that was to say is with the system. */
  get isFlushed(): boolean {
    return this.#state !== "answering" && !this.#sender.isFull;
  }

  /** Resolves when it {@link isCalm}; asked once. */
  untilFlushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFlushed = resolve;
      this.#notifyFlushed();
    });
  }

  /** Ends the connection softly when it has nothing to do. */
  stop(): void {
    if (this.#state === "idle") this.#close();
  }

  /** Called now and then: ends what has taken too long. */
  checkTimeouts(nowMs: number): void {
    const { sendMs, closeMs } = this.#server.timeouts;
    // Of a client that left while nothing is read from it only a write that fails tells.
    if (this.#socket.isBroken || this.#sender.stuckMs(nowMs) > sendMs) return this.#cut();
    if (this.#state === "answering" || this.#state === "sending") return;
    if (this.#state === "closing" && this.#socket.unsentLength > 0) {
      this.#deadlineMs = nowMs + closeMs;
    }
    if (this.#state === "idle") this.#heads.rest();
    if (nowMs <= this.#deadlineMs) return;
    if (this.#state === "closing") return this.destroy();
    if (this.#state !== "head") return this.#close();
    this.#refuse(new RequestFault(408, "The head did not come in time"));
    this.#flow();
  }

  #take(bytes: Uint8Array): void {
    switch (this.#state) {
      case "idle":
      case "head":
        return this.#read(bytes);
      case "answering":
      case "draining":
        return this.#readBody(bytes);
      case "sending":
        return this.#keepPipelined(bytes);
      case "closing":
        this.#lingeredLength += bytes.length;
        return;
      case "gone":
    }
  }

  #notifyFlushed(): void {
    if (this.#onFlushed === undefined || !this.isFlushed) return;
    this.#onFlushed();
    this.#onFlushed = undefined;
  }

  /** Reads heads as long as nothing is under way. */
  #read(bytes: Uint8Array): void {
    // An answer that is there at once comes back to here: a loop takes less room than a recursion.
    this.#pipelined = bytes;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#pipelined !== undefined && (this.#state === "idle" || this.#state === "head")) {
      const next: Uint8Array = this.#pipelined;
      this.#pipelined = undefined;
      this.#readHead(next);
    }
    this.#isReading = false;
  }

  #readHead(bytes: Uint8Array): void {
    let read: ReadHead | undefined;
    try {
      read = this.#heads.push(bytes);
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      return this.#refuse(error, error.isHead ? "HEAD" : "GET");
    }
    if (read === undefined) return this.#waitForHead();
    this.#begin(read.head, read.rest);
  }

  #waitForHead(): void {
    const { hasBegun } = this.#heads;
    if (!hasBegun) this.#state = "idle";
    if (this.#state === "head" || !hasBegun) return;
    this.#state = "head";
    this.#deadlineMs = this.#server.coarseNowMs + this.#server.timeouts.headMs;
  }

  #begin(head: RequestHead, rest: Uint8Array): void {
    this.#state = "answering";
    this.#hints.begin();
    this.#head = head;
    this.#body = head.framing.kind === "none" ? undefined : new RequestBody(
      head.framing,
      head.expectsContinue,
      {
        sendContinue: () => this.#sendContinue(),
        pause: () => this.#holdBody(true),
        resume: () => this.#holdBody(false),
      },
    );
    this.#request = new ServerRequest(head, this.#body, this.#server.isTls);
    if (rest.length > 0) this.#readBody(rest);
    if (this.#state === "answering") this.#ask(this.#request);
  }

  #ask(request: ServerRequest): void {
    const peer = this.#head!.protocol === "HTTP/1.1" ? this.#peer : withoutHints(this.#peer);
    let answer: HttpResponse | Promise<HttpResponse>;
    try {
      answer = this.#server.handler(request as unknown as Request, peer);
    } catch (error) {
      return this.#failed(request, error);
    }
    if (!(answer instanceof Promise)) return this.#send(request, answer);
    const failed = (error: unknown): void => this.#failed(request, error);
    answer.then((settled) => this.#send(request, settled), failed);
  }

  /** The handler threw, which none should; where the client has gone, that is the reason. */
  #failed(request: ServerRequest, error: unknown): void {
    if (this.#request !== request) return;
    this.#server.onFailure(error);
    this.#send(request, new BytesResponse(500, [], NOTHING));
  }

  #send(request: ServerRequest, answer: HttpResponse): void {
    if (this.#request !== request) {
      return discardAnswer(answer);
    }
    request.answered();
    const head = this.#head!;
    const asked = {
      method: head.method,
      protocol: head.protocol,
      keepsAlive: this.#keepsAlive(head),
    };
    let sent: Outcome | Promise<Outcome>;
    try {
      sent = this.#sender.send(answer, asked);
    } catch (error) {
      this.#server.onFailure(error);
      sent = this.#sender.send(new BytesResponse(500, [], NOTHING), asked);
    }
    if (!(sent instanceof Promise)) return this.#answered(sent);
    void sent.then((outcome) => {
      if (this.#request === request) this.#answered(outcome);
    });
  }

  /** Whether another request may follow, as far as is known when the answer begins. */
  #keepsAlive(head: RequestHead): boolean {
    const body = this.#body;
    // What nobody reads would have to be read over, or never comes.
    const isLeft = body?.isOver === false && !(body.leftMin <= DRAINED_LENGTH_MAX && body.isWanted);
    return head.keepsAlive && !isLeft && !this.#server.isStopping && !this.#heads.hasReadAll;
  }

  #answered(outcome: Outcome): void {
    const body = this.#body;
    this.#request = undefined;
    if (outcome === "broken") return this.#cut();
    if (outcome !== "kept") {
      this.#close();
    } else if (body === undefined || body.isOver) {
      this.#next();
    } else {
      this.#state = "draining";
      this.#drainedLength = 0;
      this.#deadlineMs = this.#server.coarseNowMs + this.#server.timeouts.closeMs;
    }
    body?.drop();
    this.#flow();
    this.#notifyFlushed();
  }

  #next(): void {
    if (this.#server.isStopping || this.#peerHasEnded) return this.#close();
    this.#body = undefined;
    this.#head = undefined;
    if (this.#sender.isFull) {
      this.#state = "sending";
      return;
    }
    this.#state = "idle";
    this.#deadlineMs = this.#server.coarseNowMs + this.#server.timeouts.idleMs;
    if (this.#pipelined !== undefined) this.#read(this.#pipelined);
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
    if (count < bytes.length) this.#keepPipelined(bytes.subarray(count));
    if (this.#state !== "draining") return;
    if (body!.isOver) this.#next();
    else if (this.#drainedLength > DRAINED_LENGTH_MAX) this.#close();
  }

  /** The client has sent more than its turn is; it waits with the rest. */
  #keepPipelined(bytes: Uint8Array): void {
    this.#pipelined = this.#pipelined === undefined ? bytes : joinPipelined(this.#pipelined, bytes);
  }

  #holdBody(isHeld: boolean): void {
    this.#isBodyPaused = isHeld;
    this.#flow();
  }

  /** Reads on, unless what came waits for its turn or for who reads the body. */
  #flow(): void {
    if (this.#isReceiving || this.#state === "gone") return;
    const isPaused = this.#state === "closing"
      ? this.#lingeredLength > LINGERED_LENGTH_MAX
      : this.#isBodyPaused || this.#pipelined !== undefined;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** The body cannot be read to its end, so nothing behind it can be trusted. */
  #breakOff(error: unknown): void {
    if (!(error instanceof RequestFault)) throw error;
    const request = this.#request;
    this.#body?.fail();
    if (request === undefined) return this.#close();
    if (this.#sender.hasBegun) return this.#cut();
    this.#request = undefined;
    request.left();
    this.#refuse(error, request.method, request);
  }

  #refuse(fault: RequestFault, method = "GET", request?: ServerRequest): void {
    const answer = this.#server.onFault(fault, this.#peer, request as unknown as Request);
    this.#heads.clear();
    void this.#sender.send(answer, { method, protocol: "HTTP/1.1", keepsAlive: false });
    this.#close();
  }

  /** Says that nothing more comes, and waits for the client to say the same. */
  #close(): void {
    this.#state = "closing";
    this.#pipelined = undefined;
    this.#deadlineMs = this.#server.coarseNowMs + this.#server.timeouts.closeMs;
    this.#flow();
    this.#socket.end();
  }

  /** Ends the connection so that the client sees it broken. */
  #cut(): void {
    this.#socket.reset();
    this.closed();
  }

  #sendContinue(): void {
    if (!this.#sender.hasBegun) this.#socket.write(continueAnswer());
  }

  #sendEarlyHints(links: readonly string[]): void {
    if (this.#request !== undefined && !this.#sender.hasBegun) this.#hints.send(links);
  }
}
