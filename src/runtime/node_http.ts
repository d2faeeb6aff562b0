/**
 * `node:http` (`node:https` for TLS) behind our interface, the same on both runtimes: slower than
 * their own servers, but every declared length and the target stay as they are, and interim answers
 * can be sent. What it does by default and a gateway must not: end a long upload after 5 minutes,
 * answer `Expect: 100-continue` before anybody wants the body, wait in `close()` for silent clients.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Address } from "./address.ts";
import { errorCode, listenError } from "./failures.ts";
import { asResponse } from "./http_answer.ts";
import { sendNodeResponse } from "./node_http_answer.ts";
import { NodeRequest } from "./node_http_request.ts";
import { peerHost, UNIX_PEER } from "./peer.ts";
import { type HttpListener, type HttpPeer, type HttpServeOptions, ListenError } from "./runtime.ts";
import { removeSocketFile } from "./unix_path.ts";

/** Longest time for a request's head to come in. */
const HEAD_TIMEOUT_MS = 60_000;

/** How long a connection may be silent between two requests; nginx's default. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

const NO_BODY = "Connection: close\r\nContent-Length: 0\r\n\r\n";

/** Opens an HTTP server; the caller has cleared a unix socket's path. */
export async function serveNodeHttp(options: HttpServeOptions): Promise<HttpListener> {
  if (options.reusePort) {
    throw new ListenError(
      "Cannot share a port between processes: node:http does not do that (use the native engine)",
    );
  }
  const server = await createServer(options);
  const listener = new NodeHttpListener(server, options);
  await listener.open();
  return listener;
}

async function createServer({ tls, requestHeadLengthMax }: HttpServeOptions): Promise<Server> {
  const settings = {
    maxHeaderSize: requestHeadLengthMax,
    headersTimeout: HEAD_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: 0,
    noDelay: true,
  };
  // Loaded only by who asks for this server.
  if (tls === undefined) return (await import("node:http")).createServer(settings);
  const { createServer } = await import("node:https");
  return createServer({ ...settings, cert: tls.cert, key: tls.key }) as unknown as Server;
}

class NodeHttpListener implements HttpListener {
  readonly dropsLengths = false;
  readonly #server: Server;
  readonly #options: HttpServeOptions;
  #address: Address;
  /** Requests that have no whole answer yet. */
  readonly #open = new Set<ServerResponse>();
  #onIdle: (() => void) | undefined;

  constructor(server: Server, options: HttpServeOptions) {
    this.#server = server;
    this.#options = options;
    this.#address = options.address;
    server.on("request", (message, response) => void this.#take(message, response, false));
    server.on("checkContinue", (message, response) => void this.#take(message, response, true));
    server.on("connect", (_message, socket) => {
      socket.end(`HTTP/1.1 405 Method Not Allowed\r\nAllow:\r\n${NO_BODY}`);
    });
    server.on("clientError", (error, socket) => this.#refuse(error, socket));
  }

  get address(): Address {
    return this.#address;
  }

  /** @throws {ListenError} */
  async open(): Promise<void> {
    const { address } = this.#options;
    const where = address.transport === "unix"
      ? { path: address.path }
      : { host: address.host, port: address.port };
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen(where, () => {
          this.#server.off("error", reject);
          // Mostly for want of descriptors; the connections that wait are tried again.
          this.#server.on("error", () => {});
          resolve();
        });
      });
    } catch (error) {
      throw listenError(address, error);
    }
    const inForce = this.#server.address();
    if (address.transport === "tcp" && inForce !== null && typeof inForce === "object") {
      this.#address = { ...address, port: inForce.port };
    }
  }

  async stop(): Promise<void> {
    this.#server.close();
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    this.destroy();
  }

  destroy(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#address.transport === "unix") removeSocketFile(this.#address);
  }

  async #take(message: IncomingMessage, response: ServerResponse, expects: boolean): Promise<void> {
    this.#open.add(response);
    response.on("close", () => {
      this.#open.delete(response);
      if (this.#open.size === 0) this.#onIdle?.();
    });
    // What a broken connection says here, "close" says as well.
    response.on("error", () => {});
    try {
      await this.#answer(message, response, expects);
    } catch {
      // What Fetch or node:http does not take cannot be answered.
      response.destroy();
    }
  }

  async #answer(
    message: IncomingMessage,
    response: ServerResponse,
    expects: boolean,
  ): Promise<void> {
    const request = new NodeRequest(message, this.#options.tls !== undefined, {
      // Only now is the body wanted.
      onWanted: () => {
        if (expects && !response.headersSent) response.writeContinue();
        expects = false;
      },
    });
    response.on("close", () => request.left());
    let answer: Response;
    try {
      answer = await asResponse(this.#options.handler(request, peerOf(message, response)));
    } catch {
      answer = new Response(null, { status: 500 });
    }
    request.answered();
    // Its body will never come, or be taken for the next request.
    if (expects) response.setHeader("connection", "close");
    await sendNodeResponse(answer, message, response);
    request.discard();
  }

  /** A request that could not be read, on a connection where nothing else is under way. */
  #refuse(error: Error, socket: Duplex): void {
    const isBusy = [...this.#open].some((response) => response.socket === socket);
    const code = errorCode(error);
    if (isBusy || !code.startsWith("HPE_") || code === "HPE_INVALID_EOF_STATE") {
      socket.destroy();
      return;
    }
    const status = code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\n${NO_BODY}`);
  }
}

function peerOf({ socket, httpVersion }: IncomingMessage, response: ServerResponse): HttpPeer {
  const { remoteAddress, remotePort } = socket;
  const where = remoteAddress && remotePort !== undefined
    ? { host: peerHost(remoteAddress), port: remotePort }
    : UNIX_PEER;
  if (httpVersion === "1.0") return { ...where, protocol: "HTTP/1.0" };
  const earlyHints = (links: readonly string[]): void => {
    if (!response.headersSent && !response.destroyed) {
      response.writeEarlyHints({ link: [...links] });
    }
  };
  return { ...where, protocol: "HTTP/1.1", earlyHints };
}
