/** afcgi's HTTP server on a clock that stands still, with clients in memory. */
import assert from "node:assert/strict";
import { type Admission, serveHttp1, type ServerOptions } from "../../src/http1/server.ts";
import type { RequestError } from "../../src/http1/request_headers.ts";
import type { HttpPeer } from "../../src/runtime/connection.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { ManualClock } from "./memory/manual_clock.ts";
import type { SocketListenOptions } from "../../src/runtime/callback_socket.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import type { HttpResponse } from "../../src/runtime/http_response.ts";
import { utf8 } from "../../src/protocol/byte_buffer.ts";
import { TransitionError } from "../../src/protocol/transitions.ts";
import { BufferMemory } from "../../src/upstream/buffer_memory.ts";
import { GivenResponses } from "./given_responses.ts";
import { untilIdle } from "./idle.ts";
import "./unexpected.ts";
import { reportUnexpected } from "../../src/runtime/unexpected.ts";
import { MemoryCallbackSocket } from "./memory_callback_socket.ts";
import { atTestEnd } from "./world_test.ts";

/** What the clock says, as responses say it. */
export const DATE = "Sun, 09 Sep 2001 01:46:40 GMT";

export const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

export interface WorldOptions extends Partial<ServerOptions> {
  /** Whether handlers may throw; what they throw is in `failures`. Else it fails the test. */
  readonly expectsFailures?: boolean;
  /** Bytes that buffers may hold; the default when left out. */
  readonly memoryMax?: number;
}

export type Handler = (
  request: HttpRequest,
  peer: HttpPeer,
) => HttpResponse | Promise<HttpResponse>;

/** A response that is there at once. */
export function whole(text: string, status = 200): BytesResponse {
  return new BytesResponse(status, [], utf8(text));
}

/** The bytes of {@link whole} to a client of HTTP/1.1 that may go on. */
export function wholeText(text: string, more = ""): string {
  return `HTTP/1.1 200 OK\r\ndate: ${DATE}\r\ncontent-length: ${text.length}\r\n${more}\r\n${text}`;
}

/** Connections that a server holds, told by whom it admits. */
class Held implements Admission {
  count = 0;
  readonly #inner: Admission | undefined;

  constructor(inner: Admission | undefined) {
    this.#inner = inner;
  }

  admit(host: string): boolean {
    if (this.#inner?.admit(host) === false) return false;
    this.count++;
    return true;
  }

  leave(host: string): void {
    this.count--;
    this.#inner?.leave(host);
  }
}

/** A server, what it told, and `open` for one more client. */
export async function http1World(
  handler: Handler,
  { expectsFailures = false, memoryMax, ...options }: WorldOptions = {},
  clock = new ManualClock(),
) {
  const errors: RequestError[] = [];
  const failures: unknown[] = [];
  const held = new Held(options.admission);
  const memory = new BufferMemory(memoryMax);
  const given = new GivenResponses();
  const sockets: MemoryCallbackSocket[] = [];
  let listen!: SocketListenOptions;
  let isListening = true;
  const server = await serveHttp1({
    clock,
    listenSockets: (listening) => {
      listen = listening;
      const { address } = listening;
      return Promise.resolve({ address, close: () => void (isListening = false) });
    },
  }, {
    address: { transport: "tcp", host: "127.0.0.1", port: 80 },
    requestHeadersLengthMax: 64 * 1024,
    handler(request, peer) {
      const response = handler(request, peer);
      return response instanceof Promise
        ? response.then((settled) => given.watch(settled))
        : given.watch(response);
    },
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
    memory,
    admission: held,
  });
  const open = (protocol?: string): MemoryCallbackSocket => {
    const socket = new MemoryCallbackSocket();
    if (protocol !== undefined) {
      const names = { serverName: "a", version: "TLSv1.3", cipher: "none" };
      socket.tls = { ...names, protocol, certificate: undefined, intermediates: [] };
    }
    sockets.push(socket);
    socket.events = listen.onSocket(socket);
    return socket;
  };
  atTestEnd(async () => {
    await settle();
    // One that the server has cut is gone for it, whatever the system still does with it.
    const isOpen = ({ isClosed, ended }: MemoryCallbackSocket): boolean =>
      !isClosed && (ended === "no" || ended === "end");
    const openCount = sockets.filter(isOpen).length;
    assert.ok(held.count <= openCount, `${held.count} are held, ${openCount} are open`);
    for (const socket of sockets) if (!socket.isClosed) socket.close();
    await settle();
    assert.deepEqual(
      {
        connections: held.count,
        timers: clock.timerCount,
        memory: memory.used,
        responses: given.left,
      },
      { connections: 0, timers: 0, memory: 0, responses: [] },
      "something is left of clients that have gone",
    );
  });
  return { server, clock, memory, errors, failures, open, isListening: () => isListening };
}

/** Lets promises and the ends of turns settle. */
export const settle = untilIdle;
