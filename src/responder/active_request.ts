/**
 * One request from its parameters to its END_REQUEST: makes the `Request`, calls the handler, has
 * the response sent, and ends it in one of these ways:
 *
 * - complete: STDOUT's end, END_REQUEST with application status 0;
 * - failed before the header section was sent: the same with a 500 (400, 431) of our own;
 * - failed later: {@link RequestHost.cut}, with no end of STDOUT;
 * - aborted by the web server: END_REQUEST at once, though the handler may still run;
 * - lost with its connection: nothing.
 */
import { utf8 } from "../protocol/byte_buffer.ts";
import { ProtocolStatus, Role } from "../protocol/constants.ts";
import type { Parameters } from "../protocol/parameters.ts";
import type { ServerConnection } from "../protocol/server_connection.ts";
import { ResponseSender } from "./response_sender.ts";
import { HandlerInfo, type InfoSource } from "./handler_info.ts";
import { type InputOwner, InputStream } from "./input_stream.ts";
import type { ServerStatus } from "./options.ts";
import type { Outlet } from "./outlet.ts";
import { respondPlainly } from "./plain_response.ts";
import { BadRequestError, readRequestStart, type RequestStart } from "./request_start.ts";
import type { ServerContext } from "./server_context.ts";

/** Application status of a request that was not answered to its end. */
export const APP_STATUS_FAILED = 1;

/** The connection as its requests see it. */
export interface RequestHost extends InputOwner {
  readonly context: ServerContext;
  readonly server: ServerConnection;
  readonly outlet: Outlet;
  readonly peer: string;
  /** Ends the request so that the web server can see that its response is not complete. */
  cut(requestId: number): void;
  /** The request has ended and its id may come again. */
  ended(requestId: number): void;
}

/** See the top of this file. */
export class ActiveRequest implements InfoSource {
  readonly #id: number;
  readonly #host: RequestHost;
  readonly #role: Role;
  readonly #parameters: Parameters;
  /** Until the `Request` is made of it: requests that are held for long hold no more than that. */
  #start: RequestStart | BadRequestError | undefined;
  readonly #controller = new AbortController();
  /** Undefined where no handler can read it: what comes is dropped then. */
  readonly stdin: InputStream | undefined;
  readonly data: InputStream | undefined;
  #sender: ResponseSender | undefined;
  /** The last of STDERR that waits for its turn. */
  #stderrPending: Promise<void> | undefined;
  #over = false;
  /** Whether the handler, or its body, still runs. */
  #running = false;
  /** A handler that runs on after its request ended holds a place of its own. */
  #holdsPlace = false;

  constructor(id: number, role: Role, parameters: Parameters, host: RequestHost) {
    this.#id = id;
    this.#role = role;
    this.#parameters = parameters;
    this.#host = host;
    const start = tryReadRequestStart(parameters);
    this.#start = start;
    this.stdin = takesBody(role, start) ? new InputStream(start.contentLength, host) : undefined;
    this.data = role === Role.FILTER ? new InputStream(undefined, host) : undefined;
  }

  /** Calls the handler; to be called when all events of the same read have been told. */
  start(): void {
    if (this.#over) return;
    this.#running = true;
    void this.#run();
  }

  /** The web server wants no response any more, or is gone. */
  abort(reason: Error): void {
    if (this.#over) return;
    const { server, outlet, context } = this.#host;
    this.#over = true;
    this.#host.ended(this.#id);
    outlet.forget(this.#id);
    if (server.isInUse(this.#id)) {
      server.endRequest(this.#id, APP_STATUS_FAILED, ProtocolStatus.REQUEST_COMPLETE);
      outlet.flushSoon();
    }
    if (this.#running) this.#holdsPlace = context.quota.take();
    this.stdin?.fail(reason);
    this.data?.fail(reason);
    this.#sender?.cancel(reason);
    this.#controller.abort(reason);
  }

  async #run(): Promise<void> {
    const { context } = this.#host;
    try {
      const { method, remoteAddr, request } = this.#takeStart();
      context.countRequest();
      const info = new HandlerInfo(this.#parameters, this.#role, remoteAddr, this);
      const result = context.handler(request, info);
      const sender = this.#respondWith(method, result instanceof Response ? result : await result);
      if (sender !== undefined) {
        await sender.run();
        if (this.#stderrPending !== undefined) await this.#stderrPending;
        this.#end();
      }
    } catch (error) {
      await this.#fail(error);
    }
    this.#running = false;
    if (this.#holdsPlace) context.quota.release();
  }

  /** Undefined when nobody waits for it any more. */
  #respondWith(method: string, response: Response): ResponseSender | undefined {
    if (!(response instanceof Response)) {
      throw new TypeError("Cannot answer: the handler returned something that is not a Response");
    }
    const { context, outlet } = this.#host;
    const sender = new ResponseSender({
      requestId: this.#id,
      method,
      response,
      outlet,
      headLengthMax: context.limits.headLengthMax,
    });
    if (!this.#over) return this.#sender = sender;
    sender.cancel(this.#controller.signal.reason);
    return undefined;
  }

  /** @throws {BadRequestError} */
  #takeStart(): { method: string; remoteAddr: string; request: Request } {
    const start = this.#start!;
    this.#start = undefined;
    if (start instanceof BadRequestError) throw start;
    const { method, url, headers, remoteAddr } = start;
    const init: RequestInit & { duplex?: "half" } = {
      method,
      headers,
      signal: this.#controller.signal,
    };
    if (this.stdin?.isComplete === false) {
      init.body = this.stdin.readable();
      init.duplex = "half";
    } else if (this.stdin !== undefined && this.stdin.buffered > 0) {
      init.body = this.stdin.takeAll();
    }
    try {
      return { method, remoteAddr, request: new Request(url, init) };
    } catch (error) {
      throw new BadRequestError(`Cannot read request: ${messageOf(error)}`, { cause: error });
    }
  }

  #end(): void {
    if (this.#over) return;
    const { server, outlet } = this.#host;
    server.endStdout(this.#id);
    server.endRequest(this.#id, 0, ProtocolStatus.REQUEST_COMPLETE);
    outlet.flushSoon();
    this.#close();
  }

  /** Nothing more comes from the web server, and nothing more goes to it. */
  #close(): void {
    this.#over = true;
    this.#host.ended(this.#id);
    this.stdin?.close();
    this.data?.close();
  }

  async #fail(error: unknown): Promise<void> {
    const { context, server, outlet, peer } = this.#host;
    const isBadRequest = error instanceof BadRequestError;
    if (this.#over) {
      // That the handler stopped is what the abort was for.
      if (error !== this.#controller.signal.reason && !isAbortError(error)) {
        context.report(error, { phase: "handler", peer });
      }
      return;
    }
    context.report(error, { phase: isBadRequest ? "request" : "handler", peer });
    if (this.#stderrPending !== undefined) await this.#stderrPending;
    if (this.#over) return;
    this.#close();
    const line = isBadRequest ? error.message : this.#describe(error);
    if (this.#sender?.headersSent === true) {
      this.#sender.cancel(error);
      outlet.forget(this.#id);
      server.sendStderr(this.#id, utf8(`${line}\n`));
      this.#host.cut(this.#id);
      return;
    }
    this.#sender?.cancel(error);
    respondPlainly(server, this.#id, isBadRequest ? 400 : 500, line);
    outlet.flushSoon();
  }

  /** The handler's error for a log: which request, and where in the code. */
  #describe(error: unknown): string {
    const { method, url } = readRequestStart(this.#parameters);
    const what = error instanceof Error ? error.stack ?? String(error) : String(error);
    return `Cannot answer ${method} ${url}: ${what}`;
  }

  writeStderr(text: string | Uint8Array): Promise<boolean> {
    if (this.#over) return Promise.resolve(false);
    const bytes = typeof text === "string" ? utf8(text) : new Uint8Array(text);
    const sent = this.#host.outlet.send(this.#id, "stderr", bytes);
    if (sent === undefined) return Promise.resolve(true);
    this.#stderrPending = sent;
    return sent.then(() => !this.#over);
  }

  get serverStatus(): ServerStatus {
    return this.#host.context;
  }

  addWork(work: Promise<unknown>): void {
    this.#host.context.addWork(work, this.#host.peer);
  }
}

/** An authorizer gets no body (section 6.3), and no `Request` with these methods can have one. */
function takesBody(role: Role, start: RequestStart | BadRequestError): start is RequestStart {
  if (role === Role.AUTHORIZER || start instanceof BadRequestError) return false;
  return start.method !== "GET" && start.method !== "HEAD";
}

function tryReadRequestStart(parameters: Parameters): RequestStart | BadRequestError {
  try {
    return readRequestStart(parameters);
  } catch (error) {
    if (error instanceof BadRequestError) return error;
    throw error;
  }
}

function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
