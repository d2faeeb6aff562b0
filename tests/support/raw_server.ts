/**
 * An HTTP server that says what the test tells it, byte by byte, and keeps what it was sent: for what
 * no decent server would say, and to look at requests as they are on the wire.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { TcpAddress } from "../../src/runtime/address.ts";
import { WAIT_MAX_MS } from "./idle.ts";

/** One connection to it. */
export class Served {
  readonly number: number;
  /** What was sent and not taken yet; a character for each byte. */
  received = "";
  /** Whether the other side has ended its direction. */
  hasEnded = false;
  isGone = false;
  readonly #socket: Socket;

  constructor(socket: Socket, number: number) {
    this.#socket = socket;
    this.number = number;
  }

  write(text: string): void {
    if (!this.isGone) this.#socket.write(text, "latin1");
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

export class RawServer {
  readonly connections: Served[] = [];
  readonly #server: Server;
  #wake = new Set<() => void>();

  private constructor(onBytes: (served: Served, server: RawServer) => void) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const served = new Served(socket, this.connections.length + 1);
      this.connections.push(served);
      const changed = (): void => {
        for (const wake of [...this.#wake]) wake();
      };
      socket.on("data", (bytes: Buffer) => {
        served.received += bytes.toString("latin1");
        onBytes(served, this);
        changed();
      });
      socket.on("end", () => {
        served.hasEnded = true;
        changed();
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        served.isGone = true;
        changed();
      });
      changed();
    });
  }

  /** `onBytes` is called whenever something has come. */
  static async start(onBytes: (served: Served, server: RawServer) => void): Promise<RawServer> {
    const server = new RawServer(onBytes);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  /** Answers each whole request, of a length or in chunks, with what `respond` says. */
  static async answering(
    respond: (request: string, served: Served) => string | undefined,
  ): Promise<RawServer> {
    return await RawServer.start((served) => {
      for (let end = requestEnd(served.received); end > 0; end = requestEnd(served.received)) {
        const request = served.received.slice(0, end);
        served.received = served.received.slice(end);
        const response = respond(request, served);
        if (response !== undefined) served.write(response);
      }
    });
  }

  get address(): TcpAddress {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("It does not listen");
    return { transport: "tcp", host: "127.0.0.1", port: address.port };
  }

  /** Resolves once it is so. @throws when it does not come to be so, with what was asked */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake.delete(look);
        reject(new Error(`Cannot see ${isSo} within ${WAIT_MAX_MS} ms`));
      }, WAIT_MAX_MS);
      const look = (): void => {
        if (!isSo()) return;
        clearTimeout(timer);
        this.#wake.delete(look);
        resolve();
      };
      this.#wake.add(look);
      look();
    });
  }

  async close(): Promise<void> {
    for (const served of this.connections) served.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Where the first request ends; 0 while it has not come. */
function requestEnd(text: string): number {
  const headersEnd = text.indexOf("\r\n\r\n") + 4;
  if (headersEnd < 4) return 0;
  const headers = text.slice(0, headersEnd);
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(headers)?.[1];
  if (length !== undefined) {
    const end = headersEnd + Number(length);
    return text.length >= end ? end : 0;
  }
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(headers)) return headersEnd;
  const last = text.indexOf("0\r\n\r\n", headersEnd);
  return last < 0 ? 0 : last + 5;
}

/** The fields of a request, by lower-case name; what comes twice is joined with "|". */
export function fieldsOf(request: string): Record<string, string> {
  const fields: Record<string, string> = {};
  const [headers = ""] = request.split("\r\n\r\n");
  for (const line of headers.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields[name] = name in fields ? `${fields[name]}|${value}` : value;
  }
  return fields;
}

/** A response with this text. */
export function response(
  body: string,
  fields: Record<string, string> = {},
  status = "200 OK",
): string {
  const lines = Object.entries({ "Content-Length": String(body.length), ...fields });
  return `HTTP/1.1 ${status}\r\n${
    lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }\r\n${body}`;
}
