/**
 * The application behind each web server: the library in the test's own process, so that a test sees
 * what its handler sees, and decides when it goes on.
 */
import { createHash } from "node:crypto";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { RequestInfo } from "../../src/responder/options.ts";
import { pattern } from "../interop/common.ts";

const PIECE = 256 * 1024;

/** A request that its handler holds until the test says more. */
export interface HeldRequest {
  /** Fires when the web server does not want the response any more. */
  readonly signal: AbortSignal;
  /** Sends a piece of the body, and the header section before the first. */
  send(text: string): void;
  /** Ends the response. */
  end(): void;
}

type Gate<Value> = PromiseWithResolvers<Value>;

/** See the top of this file. */
export class TestedApplication {
  readonly socket: string;
  readonly errors: string[] = [];
  #server!: FastCgiServer;
  #info: RequestInfo["server"] | undefined;
  readonly #held = new Map<string, Gate<HeldRequest>>();
  #together: { left: number; readonly all: Gate<void> } | undefined;

  private constructor(socket: string) {
    this.socket = socket;
  }

  static async start(directory: string): Promise<TestedApplication> {
    const application = new TestedApplication(join(directory, "app.sock"));
    application.#server = await serveFastCgi(
      (request, info) => application.#handle(request, info),
      {
        listen: `unix:${application.socket}`,
        onError: (error) => application.errors.push(String(error)),
      },
    );
    // Web servers that were started by root serve as somebody else.
    chmodSync(application.socket, 0o666);
    return application;
  }

  async stop(): Promise<void> {
    await this.#server.shutdown({ grace: 0 });
  }

  /** The request for `/held?id=` once it has come. */
  held(id: string): Promise<HeldRequest> {
    return this.#gateOf(id).promise;
  }

  /** The next `count` requests for `/together` are answered when all of them are there. */
  expectTogether(count: number): void {
    this.#together = { left: count, all: Promise.withResolvers() };
  }

  /** Connections that have carried a request. */
  get connectionsUsed(): number {
    return this.#info?.connectionsUsed ?? 0;
  }

  async #handle(request: Request, info: RequestInfo): Promise<Response> {
    this.#info = info.server;
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/hello":
        return text("hello\n");
      case "/echo":
        return text(await describe(request, info, url));
      case "/bytes":
        return bytes(Number(url.searchParams.get("n")));
      case "/header-length":
        return text(`${longHeaderLength(request)}\n`);
      case "/together":
        await this.#arriveTogether();
        return text(`${url.searchParams.get("index")}\n`);
      case "/held":
        return this.#hold(request, url.searchParams.get("id")!);
      default:
        return text(`There is no ${url.pathname}\n`, 404);
    }
  }

  async #arriveTogether(): Promise<void> {
    const together = this.#together;
    if (together === undefined) return;
    together.left--;
    if (together.left === 0) together.all.resolve();
    await together.all.promise;
  }

  #hold(request: Request, id: string): Promise<Response> {
    const answered = Promise.withResolvers<Response>();
    const encoder = new TextEncoder();
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({ start: (its) => void (controller = its) });
    // nginx holds responses back that do not ask it to let them pass.
    const response = new Response(body, { headers: { "x-accel-buffering": "no" } });
    this.#gateOf(id).resolve({
      signal: request.signal,
      send(piece) {
        answered.resolve(response);
        controller?.enqueue(encoder.encode(piece));
      },
      end: () => controller?.close(),
    });
    request.signal.addEventListener("abort", () => {
      controller = undefined;
      answered.reject(request.signal.reason);
    });
    return answered.promise;
  }

  #gateOf(id: string): Gate<HeldRequest> {
    let gate = this.#held.get(id);
    if (gate === undefined) this.#held.set(id, gate = Promise.withResolvers());
    return gate;
  }
}

function text(body: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain" } });
}

async function describe(request: Request, info: RequestInfo, url: URL): Promise<string> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const piece of request.body ?? []) {
    hash.update(piece);
    length += piece.length;
  }
  return Object.entries({
    method: request.method,
    length,
    sha256: hash.digest("hex"),
    content_length: info.params.get("CONTENT_LENGTH") ?? "",
    query: url.search.slice(1),
    x_test: request.headers.get("x-test") ?? "",
    authorization: request.headers.get("authorization") ?? "",
    role: info.role,
    client: info.remoteAddr,
  }).map(([name, value]) => `${name}=${value}\n`).join("");
}

/** The pattern of the tests, made as it is read. */
function bytes(length: number): Response {
  // A whole number of patterns, so that each piece begins where the one before it ended.
  const piece = new Uint8Array(pattern(Math.floor(PIECE / 251) * 251));
  let left = length;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) return controller.close();
      const count = Math.min(left, piece.length);
      left -= count;
      controller.enqueue(piece.slice(0, count));
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: { "content-type": "application/octet-stream", "content-length": String(length) },
  });
}

function longHeaderLength(request: Request): number {
  let length = 0;
  for (const [name, value] of request.headers) {
    if (name.startsWith("x-long-")) length += value.length;
  }
  return length;
}
