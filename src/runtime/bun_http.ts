/**
 * Bun's HTTP server behind our interface. What Bun does by default and a gateway must not: cut a
 * connection that is silent for 10 s, cut a body at 128 MiB, show an error page with source code,
 * wait in `stop()` for clients that never sent a request.
 */
import type { Address, TcpAddress } from "./address.ts";
import { listenError } from "./failures.ts";
import { asResponse, type HttpAnswer } from "./http_answer.ts";
import type { HttpListener, HttpPeer, HttpServeOptions } from "./runtime.ts";
import { peerHost, UNIX_PEER } from "./peer.ts";
import { isOfUnknownLength } from "./unknown_length.ts";

type BunServer = Bun.Server<undefined>;

/** How often `stop` looks whether the requests in flight are answered; Bun has no event for it. */
const STOP_POLL_MS = 10;

/** `Bun.serve` reads the limit of a request's head here; it is one for the whole process. */
let requestHeadLengthMax = 0;

/** Opens an HTTP server; the caller has cleared a unix socket's path. */
export async function serveBunHttp(options: HttpServeOptions): Promise<HttpListener> {
  await raiseHeadLimit(options.requestHeadLengthMax);
  const { address } = options;
  try {
    const server = Bun.serve(serveOptions(options));
    return new BunHttpListener(server, addressInForce(address, server));
  } catch (error) {
    throw listenError(address, error);
  }
}

function serveOptions({ address, tls, reusePort, handler }: HttpServeOptions) {
  const common = {
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    error: () => new Response(null, { status: 500 }),
    ...(tls && { tls: { cert: tls.cert, key: tls.key } }),
  };
  const options = address.transport === "unix"
    ? {
      ...common,
      unix: address.path,
      fetch: (request: Request) => asSent(request, handler(request, UNIX_PEER)),
    }
    : {
      ...common,
      hostname: address.host,
      port: address.port,
      reusePort: reusePort ?? false,
      fetch: (request: Request, server: BunServer) =>
        asSent(request, handler(request, peerOf(server, request))),
    };
  // Bun's types know `idleTimeout` for TCP only; it holds for unix sockets as well (measured).
  return options as Bun.Serve.Options<undefined>;
}

function asSent(
  { method }: Request,
  answer: HttpAnswer | Promise<HttpAnswer>,
): Response | Promise<Response> {
  const response = asResponse(answer);
  return method === "HEAD" ? withoutMadeUpLength(response) : response;
}

/** What goes out in chunks has no length; Bun writes the field and, to HEAD, no chunk. */
async function withoutMadeUpLength(answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  if (isOfUnknownLength(response)) response.headers.set("transfer-encoding", "chunked");
  return response;
}

/** With several listeners the largest limit holds for all. */
async function raiseHeadLimit(length: number): Promise<void> {
  if (length <= requestHeadLengthMax) return;
  requestHeadLengthMax = length;
  const { default: http } = await import("node:http");
  (http as { maxHeaderSize: number }).maxHeaderSize = length;
}

function peerOf(server: BunServer, request: Request): HttpPeer {
  const peer = server.requestIP(request);
  return peer === null ? UNIX_PEER : { host: peerHost(peer.address), port: peer.port };
}

function addressInForce(address: Address, server: BunServer): Address {
  if (address.transport === "unix") return address;
  const port = server.port ?? address.port;
  return { ...address, port } satisfies TcpAddress;
}

class BunHttpListener implements HttpListener {
  readonly address: Address;
  // oven-sh/bun#10507
  readonly dropsLengths = true;
  readonly #server: BunServer;

  constructor(server: BunServer, address: Address) {
    this.#server = server;
    this.address = address;
  }

  async stop(): Promise<void> {
    // Its promise waits for silent connections too; they have nothing to lose.
    void this.#server.stop();
    while (this.#server.pendingRequests > 0) await Bun.sleep(STOP_POLL_MS);
    await this.#server.stop(true);
  }

  destroy(): void {
    void this.#server.stop(true);
  }
}
