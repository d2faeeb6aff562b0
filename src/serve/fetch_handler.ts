/**
 * A fetch handler before our own servers: makes what it takes of a request, and sees that what it
 * gives can be sent. What goes wrong is told once, and its client gets a response without details.
 */
import { utf8 } from "../protocol/byte_buffer.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { HttpRequest } from "../runtime/http_request.ts";
import { BytesResponse, type HttpResponse } from "../runtime/http_response.ts";
import { fetchRequest, UnfetchableError } from "./fetch_request.ts";
import type { HttpErrorContext, HttpHandler, HttpRequestInfo, HttpTlsInfo } from "./options.ts";

export interface FetchHandlerDeps {
  readonly handler: HttpHandler;
  report(error: unknown, phase: HttpErrorContext["phase"], peer: string): void;
  addWork(work: Promise<unknown>, peer: string): void;
}

const TEXTS = {
  400: "400 Bad Request\n",
  405: "405 Method Not Allowed\n",
  500: "500 Internal Server Error\n",
} as const;

/** The handler as our servers call it. */
export function createFetchHandler(deps: FetchHandlerDeps) {
  return (request: HttpRequest, peer: HttpPeer): HttpResponse | Promise<HttpResponse> => {
    let asked: Request;
    try {
      asked = fetchRequest(request, peer.tls !== undefined);
    } catch (error) {
      if (!(error instanceof UnfetchableError)) throw error;
      deps.report(error, "request", peer.host);
      return ownResponse(error.status);
    }
    const fail = (error: unknown): BytesResponse => {
      // A handler that stops because its client has left has nothing to tell.
      if (!asked.signal.aborted) deps.report(error, "handler", peer.host);
      return ownResponse(500);
    };
    try {
      const response = deps.handler(asked, new RequestInfo(peer, deps));
      if (response instanceof Response) return checked(response);
      return Promise.resolve(response).then(checked).catch(fail);
    } catch (error) {
      return fail(error);
    }
  };
}

/** @throws {TypeError} for what a client cannot be sent */
function checked(response: Response): Response {
  if (!(response instanceof Response)) {
    throw new TypeError("Cannot answer: the handler returned something that is not a Response");
  }
  // Of Response.error(), and of what is no final response.
  if (response.status < 200) throw new TypeError(`Cannot answer with status ${response.status}`);
  if (response.bodyUsed || response.body?.locked) {
    throw new TypeError("Cannot answer: the body of the Response is read already");
  }
  return response;
}

/** Of a HEAD the server sends the fields alone: the length is that of the body all the same. */
function ownResponse(status: keyof typeof TEXTS): BytesResponse {
  const fields = [["content-type", "text/plain; charset=utf-8"]] as const;
  return new BytesResponse(status, fields, utf8(TEXTS[status]));
}

/** Who is told what a `Request` cannot hold. */
class RequestInfo implements HttpRequestInfo {
  readonly #peer: HttpPeer;
  readonly #deps: FetchHandlerDeps;

  constructor(peer: HttpPeer, deps: FetchHandlerDeps) {
    this.#peer = peer;
    this.#deps = deps;
  }

  get remoteAddr(): string {
    return this.#peer.host;
  }

  get remotePort(): number {
    return this.#peer.port;
  }

  get protocol(): HttpRequestInfo["protocol"] {
    return this.#peer.protocol ?? "HTTP/1.1";
  }

  get tls(): HttpTlsInfo | undefined {
    const { tls } = this.#peer;
    return tls && { serverName: tls.serverName, version: tls.version, cipher: tls.cipher };
  }

  earlyHints(links: readonly string[]): void {
    this.#peer.earlyHints?.(links);
  }

  waitUntil(work: Promise<unknown>): void {
    this.#deps.addWork(work, this.#peer.host);
  }
}
