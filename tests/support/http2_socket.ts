/** A client of HTTP/2 over a real socket, for tests of a whole gateway. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Flag } from "../../src/http2/constants.ts";
import { Http2Client, type Http2Response } from "./http2_client.ts";
import type { HttpRequest } from "./raw_http.ts";

/** How long anything may be waited for; far above what any test takes. */
const WAIT_LIMIT_MS = 20_000;

export class SocketHttp2Client extends Http2Client {
  readonly socket: Socket;
  /** What its requests say. */
  scheme = "http";
  isClosed = false;
  #wake = new Set<() => void>();

  private constructor(socket: Socket) {
    super((bytes) => void socket.write(bytes));
    this.socket = socket;
    socket.on("data", (bytes: Uint8Array) => {
      this.received(bytes);
      this.#tell();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isClosed = true;
      this.#tell();
    });
  }

  /** Connects, and says what a client says first. */
  static open(port: number, host = "127.0.0.1"): Promise<SocketHttp2Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true }, () => {
        resolve(SocketHttp2Client.over(socket));
      });
      socket.once("error", reject);
    });
  }

  /** Over a socket that is connected; says what a client says first. */
  static over(socket: Socket, scheme = "http"): SocketHttp2Client {
    const client = new SocketHttp2Client(socket);
    client.scheme = scheme;
    client.greet();
    client.windowUpdate(0, 0x7000_0000);
    return client;
  }

  /** Over TLS, whatever the certificate; it has said its preface and no more. */
  static openTls(port: number): Promise<SocketHttp2Client> {
    return new Promise((resolve, reject) => {
      const options = { port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false };
      const socket = connectTls(options, () => {
        const client = new SocketHttp2Client(socket);
        client.greet();
        resolve(client);
      });
      socket.once("error", reject);
    });
  }

  /** Resolves when it is so. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake.delete(look);
        reject(new Error(`Not within ${WAIT_LIMIT_MS} ms; there are ${this.frames.length} frames`));
      }, WAIT_LIMIT_MS);
      const look = () => {
        if (!isSo()) return;
        clearTimeout(timer);
        this.#wake.delete(look);
        resolve();
      };
      this.#wake.add(look);
      look();
    });
  }

  /** The response once it is over, however it ended. */
  async whole(id: number): Promise<Http2Response> {
    await this.until(() => {
      const isEnded = this.frames.some(({ type, streamId, flags }) =>
        streamId === id && (type === "RST_STREAM" ||
          ((type === "HEADERS" || type === "DATA") && (flags & Flag.END_STREAM) !== 0))
      );
      return isEnded || this.isClosed;
    });
    return this.response(id);
  }

  /** One request as HTTP/1's client sends it. */
  async fetch({ method = "GET", target = "/", headers = {}, body, chunked }: HttpRequest) {
    const fields = Object.entries(headers).map(([name, value]) =>
      [name.toLowerCase(), value] as const
    );
    const host = fields.find(([name]) => name === "host")?.[1] ?? "test.example";
    const length = body === undefined || chunked ? [] : [
      ["content-length", String(new TextEncoder().encode(String(body)).length)] as const,
    ];
    const id = this.request([
      [":method", method],
      [":scheme", this.scheme],
      [":path", target],
      [":authority", host],
      ...fields.filter(([name]) => name !== "host"),
      ...length,
    ], body === undefined);
    if (body !== undefined) this.data(id, body, true);
    this.windowUpdate(id, 0x1000_0000);
    return await this.whole(id);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #tell(): void {
    for (const wake of [...this.#wake]) wake();
  }
}
