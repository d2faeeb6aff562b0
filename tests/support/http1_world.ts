/** afcgi's HTTP server on a clock that stands still, with clients in memory. */
import { serveHttp1, type ServerOptions } from "../../src/http1/server.ts";
import type { RequestError } from "../../src/http1/request_headers.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { ManualClock } from "./memory/manual_clock.ts";
import type { SocketListenOptions } from "../../src/runtime/callback_socket.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import type { HttpResponse } from "../../src/runtime/http_response.ts";
import { utf8 } from "../../src/protocol/byte_buffer.ts";
import { TransitionError } from "../../src/protocol/transitions.ts";
import "./unexpected.ts";
import { reportUnexpected } from "../../src/runtime/unexpected.ts";
import { MemoryCallbackSocket } from "./memory_callback_socket.ts";

/** What the clock says, as responses say it. */
export const DATE = "Sun, 09 Sep 2001 01:46:40 GMT";

export const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

export interface WorldOptions extends Partial<ServerOptions> {
  /** Whether handlers may throw; what they throw is in `failures`. Else it fails the test. */
  readonly expectsFailures?: boolean;
}

export type Handler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

/** A response that is there at once. */
export function whole(text: string, status = 200): BytesResponse {
  return new BytesResponse(status, [], utf8(text));
}

/** The bytes of {@link whole} to a client of HTTP/1.1 that may go on. */
export function wholeText(text: string, more = ""): string {
  return `HTTP/1.1 200 OK\r\ndate: ${DATE}\r\ncontent-length: ${text.length}\r\n${more}\r\n${text}`;
}

/** A server, what it told, and `open` for one more client. */
export async function http1World(
  handler: Handler,
  { expectsFailures = false, ...options }: WorldOptions = {},
  clock = new ManualClock(),
) {
  const errors: RequestError[] = [];
  const failures: unknown[] = [];
  let listen!: SocketListenOptions;
  let isListening = true;
  const server = await serveHttp1({
    clock,
    listenSockets: (given) => {
      listen = given;
      return Promise.resolve({ address: given.address, close: () => void (isListening = false) });
    },
  }, {
    address: { transport: "tcp", host: "127.0.0.1", port: 80 },
    requestHeadersLengthMax: 64 * 1024,
    handler,
    onRequestError(error) {
      errors.push(error);
      return new BytesResponse(error.status, [], utf8("refused"));
    },
    onFailure(error) {
      // What the table of states lacks can happen in no test.
      if (error instanceof TransitionError) throw error;
      if (expectsFailures) failures.push(error);
      else reportUnexpected(error, "a client's connection");
    },
    ...options,
  });
  const open = (): MemoryCallbackSocket => {
    const socket = new MemoryCallbackSocket();
    socket.events = listen.onSocket(socket);
    return socket;
  };
  return { server, clock, errors, failures, open, isListening: () => isListening };
}

/** Lets promises and the ends of turns settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}
