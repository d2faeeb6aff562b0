/**
 * The way of a connection's request through the handler: asks it, sends what it gives, and tells the
 * connection how that ended. One request at a time; a response to one that is no longer waited for is
 * thrown away. A handler that throws is logged, and its client gets a 500.
 */
import type { HttpPeer } from "../runtime/connection.ts";
import {
  BytesResponse,
  discardResponse,
  type HttpResponse,
  UpgradeResponse,
} from "../runtime/http_response.ts";
import type { Outcome, ResponseWriter } from "./response_writer.ts";
import type { ConnectionServer } from "./connection_server.ts";
import type { ServerRequest } from "./request.ts";
import type { RequestHeaders } from "./request_headers.ts";

const NOTHING = new Uint8Array(0);

/** Whose requests they are. */
export interface HandlerCaller {
  /** Whether another request may follow, as far as is known when the response begins. */
  keepsAlive(headers: RequestHeaders): boolean;
  /** The client leaves HTTP with this response. */
  switched(response: UpgradeResponse): void;
  /** The response is over. */
  responded(outcome: Outcome): void;
  /** What the handler or the client has kept waiting is done: see what waits behind it. */
  readOn(): void;
  /** Something went wrong on our side. */
  fail(error: unknown): void;
}

type CallServer = Pick<ConnectionServer, "handler" | "onFailure">;

export class HandlerCall {
  readonly #server: CallServer;
  readonly #writer: ResponseWriter;
  readonly #caller: HandlerCaller;
  #headers: RequestHeaders | undefined;
  #request: ServerRequest | undefined;

  constructor(server: CallServer, writer: ResponseWriter, caller: HandlerCaller) {
    this.#server = server;
    this.#writer = writer;
    this.#caller = caller;
  }

  /** The request that has begun, and whose response is not over. */
  get request(): ServerRequest | undefined {
    return this.#request;
  }

  begin(headers: RequestHeaders, request: ServerRequest): void {
    this.#headers = headers;
    this.#request = request;
  }

  ask(request: ServerRequest, peer: HttpPeer): void {
    let response: HttpResponse | Promise<HttpResponse>;
    try {
      response = this.#server.handler(request, peer);
    } catch (error) {
      this.#server.onFailure(error);
      response = failedResponse();
    }
    if (response instanceof Promise) this.#await(request, response);
    else this.#send(request, response);
  }

  /** Nobody waits for the response any more. */
  leave(): void {
    const request = this.#request;
    this.#forget();
    request?.left();
  }

  #await(request: ServerRequest, response: Promise<HttpResponse>): void {
    response.then(
      (settled) => this.#sendLater(request, settled),
      (error: unknown) => {
        // Where the client has gone, that is the reason.
        if (this.#request === request) this.#server.onFailure(error);
        this.#sendLater(request, failedResponse());
      },
    );
  }

  #send(request: ServerRequest, response: HttpResponse): void {
    if (this.#request !== request) return discardResponse(response);
    request.answered();
    const headers = this.#headers!;
    const asked = {
      method: headers.method,
      protocol: headers.protocol,
      keepsAlive: this.#caller.keepsAlive(headers),
    };
    let sent: Outcome | Promise<Outcome>;
    try {
      sent = this.#writer.send(response, asked);
    } catch (error) {
      this.#server.onFailure(error);
      sent = this.#writer.send(failedResponse(), asked);
    }
    if (response instanceof UpgradeResponse) this.#caller.switched(response);
    if (sent instanceof Promise) void sent.then((outcome) => this.#endLater(request, outcome));
    else this.#end(sent);
  }

  #sendLater(request: ServerRequest, response: HttpResponse): void {
    try {
      this.#send(request, response);
      this.#caller.readOn();
    } catch (error) {
      this.#caller.fail(error);
    }
  }

  #end(outcome: Outcome): void {
    this.#forget();
    this.#caller.responded(outcome);
  }

  #forget(): void {
    this.#headers = undefined;
    this.#request = undefined;
  }

  #endLater(request: ServerRequest, outcome: Outcome): void {
    if (this.#request !== request) return;
    try {
      this.#end(outcome);
      this.#caller.readOn();
    } catch (error) {
      this.#caller.fail(error);
    }
  }
}

function failedResponse(): BytesResponse {
  return new BytesResponse(500, [], NOTHING);
}
