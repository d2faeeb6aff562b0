/**
 * Deno's HTTP server behind our interface. What Deno does by default and a gateway must not: print a
 * line on start, print a line for each body that is cut, say that a request was aborted when it was
 * answered.
 */
import type { Address } from "./address.ts";
import { listenError } from "./failures.ts";
import { asResponse } from "./http_answer.ts";
import { peerHost, UNIX_PEER } from "./peer.ts";
import { type HttpListener, type HttpPeer, type HttpServeOptions, ListenError } from "./runtime.ts";
import { isOfUnknownLength } from "./unknown_length.ts";

/** Opens an HTTP server; the caller has cleared a unix socket's path. */
export function serveDenoHttp(options: HttpServeOptions): HttpListener {
  const { address } = options;
  requireSupported(options);
  const cut = new AbortController();
  const common = {
    signal: cut.signal,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
  };
  try {
    if (address.transport === "unix") {
      const server = Deno.serve({
        ...common,
        path: address.path,
        handler: (request) => answer(options, request, UNIX_PEER),
      });
      return new DenoHttpListener(server, address, cut);
    }
    const server = Deno.serve({
      ...common,
      ...(options.tls && { cert: options.tls.cert, key: options.tls.key }),
      ...(options.reusePort && { reusePort: true }),
      hostname: address.host,
      port: address.port,
      handler: (request, info) => answer(options, request, peerOf(info.remoteAddr)),
    });
    return new DenoHttpListener(server, { ...address, port: server.addr.port }, cut);
  } catch (error) {
    throw listenError(address, error);
  }
}

function requireSupported({ address, tls, reusePort }: HttpServeOptions): void {
  if (address.transport === "unix" && tls) {
    throw new ListenError(
      "Cannot listen with TLS on a unix socket: Deno would serve plain text there",
    );
  }
  // Without its flag Deno ends the process here; the flag shows in this function's presence.
  if (reusePort && !("listenDatagram" in Deno)) {
    throw new ListenError(
      "Cannot share a port between processes: Deno wants the flag --unstable-net for it",
    );
  }
}

function peerOf(address: Deno.NetAddr): HttpPeer {
  return { host: peerHost(address.hostname), port: address.port };
}

/**
 * Deno aborts `request.signal` after every answer, and prints a warning for that once the signal was
 * asked for (unless it runs with --unstable-no-legacy-abort). So the handler sees a signal of ours,
 * made when it is asked for, which fires only for a client that left before the handler was done;
 * after that the body's `cancel` tells.
 */
async function answer(
  { handler }: HttpServeOptions,
  request: Request,
  peer: HttpPeer,
): Promise<Response> {
  let aborter: AbortController | undefined;
  let done = false;
  Object.defineProperty(request, "signal", {
    get() {
      if (aborter !== undefined) return aborter.signal;
      aborter = new AbortController();
      const native: AbortSignal = Reflect.get(Request.prototype, "signal", request);
      const onAbort = () => done || aborter?.abort(native.reason);
      if (native.aborted) onAbort();
      else native.addEventListener("abort", onAbort, { once: true });
      return aborter.signal;
    },
  });
  try {
    const response = await asResponse(handler(request, peer));
    return request.method === "HEAD" && isOfUnknownLength(response)
      ? withStream(response)
      : response;
  } finally {
    done = true;
  }
}

/** Deno makes up no length for a stream, as long as that has not ended. */
function withStream({ status, headers }: Response): Response {
  const body = new ReadableStream({ pull: (controller) => controller.close() });
  return new Response(body, { status, headers });
}

class DenoHttpListener implements HttpListener {
  readonly address: Address;
  readonly dropsLengths = false;
  readonly #server: Deno.HttpServer<Deno.Addr>;
  readonly #cut: AbortController;
  #isStopped = false;

  constructor(server: Deno.HttpServer<Deno.Addr>, address: Address, cut: AbortController) {
    this.#server = server;
    this.address = address;
    this.#cut = cut;
  }

  async stop(): Promise<void> {
    await this.#server.shutdown();
    this.#isStopped = true;
  }

  destroy(): void {
    // Aborting a server that has ended is an uncaught BadResource.
    if (!this.#isStopped) this.#cut.abort();
  }
}
