/**
 * An application in memory that does what a test tells it, request by request. What it says correctly
 * goes through `protocol/server_connection.ts`; for what no application should do there are raw bytes.
 */
import { ProtocolStatus, RecordType } from "../../src/protocol/constants.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { ServerConnection, type ServerEvent } from "../../src/protocol/server_connection.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import type { MemoryRuntime } from "./memory/memory.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";

export interface ApplicationOptions {
  readonly address?: string;
  /** Whether it takes requests side by side. */
  readonly multiplex?: boolean;
  /** What it says of FCGI_MAX_REQS; 10,000, when left out. */
  readonly requestsMax?: number;
  /**
   * What GET_VALUES gets: the truth, the truth with an empty record behind it (Go), the truth
   * and then a close (php-fpm), a wrong "1", UNKNOWN_TYPE,
   * bytes that are not FastCGI, a close without a response, nothing for ever, or a record of no type
   * that is known and then the truth.
   */
  readonly values?:
    | "truth"
    | "truth_and_end"
    | "close"
    | "lie"
    | "unknown_type"
    | "garbage"
    | "hang_up"
    | "silence"
    | "noise";
}

export const ADDRESS = "tcp://127.0.0.1:9000";

const encoder = new TextEncoder();

const MULTIPLEXES = encoder.encode("\x0f\x01FCGI_MPXS_CONNS1");

export class ScriptedApplication {
  readonly connections: ScriptedConnection[] = [];
  /** How often GET_VALUES was asked. */
  questions = 0;
  /** May be changed: what comes back after a restart can be another application. */
  options: ApplicationOptions;
  readonly #waiting: ScriptedRequest[] = [];
  readonly #waiters: ((request: ScriptedRequest) => void)[] = [];
  #listener: ByteListener | undefined;

  constructor(options: ApplicationOptions) {
    this.options = options;
  }

  async listen(runtime: MemoryRuntime): Promise<void> {
    this.#listener = await runtime.listen(
      parseAddress(this.options.address ?? ADDRESS),
      (socket) => this.connections.push(new ScriptedConnection(this, socket)),
    );
  }

  /** From now on nobody listens. */
  stopListening(): void {
    this.#listener?.close();
  }

  /** Connections that carried a request, or were meant to. */
  get carriers(): ScriptedConnection[] {
    return this.connections.filter(({ wasAsked }) => !wasAsked);
  }

  /** The next request that has begun. */
  next(): Promise<ScriptedRequest> {
    const request = this.#waiting.shift();
    if (request !== undefined) return Promise.resolve(request);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Requests that have begun and that nobody has asked for yet. */
  get begun(): number {
    return this.#waiting.length;
  }

  begin(request: ScriptedRequest): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter(request);
    else this.#waiting.push(request);
  }
}

export class ScriptedConnection {
  readonly socket: ByteConnection;
  /** Resolves when the proxy has closed it or it broke. */
  readonly closed: Promise<void>;
  isClosed = false;
  /** It carried GET_VALUES. */
  wasAsked = false;
  /** Ids of requests in the order in which their STDIN ended. */
  readonly stdinEnds: number[] = [];
  readonly #application: ScriptedApplication;
  readonly #server: ServerConnection;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #requests = new Map<number, ScriptedRequest>();
  #reading = true;
  #resume: (() => void) | undefined;

  constructor(application: ScriptedApplication, socket: ByteConnection) {
    this.#application = application;
    this.socket = socket;
    this.#writer = socket.writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#server = new ServerConnection({
      multiplex: application.options.multiplex ?? true,
      quota: new RequestQuota(application.options.requestsMax ?? 10_000),
      requestsMax: 2000,
      connectionsMax: 100,
      paramsLengthMax: 1024 * 1024,
      paramsMax: 1_000,
    });
    this.closed = this.#run();
  }

  /** Bytes that no application should send. */
  raw(bytes: Uint8Array | string): void {
    const all = typeof bytes === "string" ? encoder.encode(bytes) : bytes;
    this.#writer.write(all).catch(() => {});
  }

  /** Records in one piece, well formed or not. */
  records(write: (encoder: RecordEncoder) => void): void {
    const records = new RecordEncoder();
    write(records);
    this.raw(records.take().slice());
  }

  /** The application closes; what it sent before can still be read. */
  close(): void {
    this.socket.destroy();
  }

  /** The application says nothing more; it may go on reading, or not. */
  end(): void {
    this.#writer.close().catch(() => {});
  }

  stopReading(): void {
    this.#reading = false;
  }

  readOn(): void {
    this.#reading = true;
    this.#resume?.();
  }

  /** These requests were ended by bytes that the test has written itself. */
  forget(...ids: number[]): void {
    for (const id of ids) this.#server.endRequest(id, 0, ProtocolStatus.REQUEST_COMPLETE);
    this.#server.takeOutput();
  }

  /** Lets the protocol say something, and sends it. */
  send(say: (server: ServerConnection) => void): void {
    say(this.#server);
    if (this.#server.outputLength > 0) this.raw(this.#server.takeOutput().slice());
    // The application keeps the connection only where it was asked to.
    if (this.#server.finished) this.close();
  }

  async #run(): Promise<void> {
    const reader = this.socket.readable.getReader();
    try {
      for (;;) {
        if (!this.#reading) await new Promise<void>((resolve) => this.#resume = resolve);
        const { done, value } = await reader.read();
        if (done) break;
        // Among requests it is one record of many.
        const isQuestion = value[1] === RecordType.GET_VALUES && this.#requests.size === 0;
        if (isQuestion) this.#answerValues(value);
        else this.send((server) => server.receive(value).forEach((event) => this.#take(event)));
      }
    } catch {
      // Closed by the proxy or broken: both are the end.
    }
    this.isClosed = true;
    this.socket.destroy();
    this.#server.receiveEnd();
  }

  #answerValues(question: Uint8Array): void {
    this.wasAsked = true;
    this.#application.questions++;
    const { values = "truth" } = this.#application.options;
    if (values === "noise") this.records((records) => records.record(99, 0, new Uint8Array(8)));
    const isTrue = values === "truth" || values === "close" || values === "noise";
    if (isTrue) this.send((server) => server.receive(question));
    if (values === "truth_and_end") {
      this.records((records) => {
        records.record(RecordType.GET_VALUES_RESULT, 0, MULTIPLEXES);
        records.record(RecordType.GET_VALUES_RESULT, 0, new Uint8Array());
      });
    }
    if (values === "lie") {
      this.records((records) => records.record(RecordType.GET_VALUES_RESULT, 0, MULTIPLEXES));
    }
    if (values === "unknown_type") this.records((records) => records.unknownType(9));
    if (values === "garbage") this.raw("HTTP/1.1 400 Bad Request\r\n\r\n");
    if (values === "close" || values === "hang_up") this.close();
  }

  #take(event: ServerEvent): void {
    if (event.kind === "broken") throw event.error;
    if (event.kind === "begin") {
      const { requestId, role, parameters } = event;
      const request = new ScriptedRequest(this, requestId, role, parameters.toMap());
      this.#requests.set(requestId, request);
      this.#application.begin(request);
    } else {
      if (event.kind === "stdin_end") this.stdinEnds.push(event.requestId);
      this.#requests.get(event.requestId)?.take(event);
    }
  }
}

export class ScriptedRequest {
  readonly connection: ScriptedConnection;
  readonly id: number;
  readonly role: number;
  readonly params: ReadonlyMap<string, string>;
  /** All of STDIN, once it has ended. */
  readonly stdin: Promise<string>;
  readonly data: Promise<string>;
  readonly aborted: Promise<void>;
  isAborted = false;
  stdinLength = 0;
  #stdin = "";
  #data = "";
  #endStdin!: (text: string) => void;
  #endData!: (text: string) => void;
  #abort!: () => void;

  constructor(
    connection: ScriptedConnection,
    id: number,
    role: number,
    params: ReadonlyMap<string, string>,
  ) {
    this.connection = connection;
    this.id = id;
    this.role = role;
    this.params = params;
    this.stdin = new Promise((resolve) => this.#endStdin = resolve);
    this.data = new Promise((resolve) => this.#endData = resolve);
    this.aborted = new Promise((resolve) => this.#abort = resolve);
  }

  take(event: Exclude<ServerEvent, { kind: "begin" | "broken" }>): void {
    const text = "bytes" in event ? new TextDecoder("latin1").decode(event.bytes) : "";
    if (event.kind === "stdin") {
      this.#stdin += text;
      this.stdinLength += text.length;
    } else if (event.kind === "data") this.#data += text;
    else if (event.kind === "stdin_end") this.#endStdin(this.#stdin);
    else if (event.kind === "data_end") this.#endData(this.#data);
    else if (event.kind === "abort") {
      this.isAborted = true;
      this.#abort();
    }
  }

  /** A whole response: a header section unless the text brings one, the body, and the end. */
  answer(body = "", headers = "Content-Type: text/plain\n"): void {
    this.connection.send((server) => {
      server.sendStdout(this.id, encoder.encode(`${headers}\n${body}`));
      server.endStdout(this.id);
      server.endRequest(this.id, 0, ProtocolStatus.REQUEST_COMPLETE);
    });
  }

  stdout(text: string | Uint8Array): void {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    this.connection.send((server) => server.sendStdout(this.id, bytes));
  }

  endStdout(): void {
    this.connection.send((server) => server.endStdout(this.id));
  }

  stderr(text: string): void {
    this.connection.send((server) => server.sendStderr(this.id, encoder.encode(text)));
  }

  end(status: ProtocolStatus = ProtocolStatus.REQUEST_COMPLETE, appStatus = 0): void {
    this.connection.send((server) => server.endRequest(this.id, appStatus, status));
  }
}
