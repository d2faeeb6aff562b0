/** A client of HTTP/1.1 that keeps its connection: over TCP, TLS, or a unix socket. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { waitUntil } from "./places.ts";

export class KeptClient {
  readonly #socket: Socket;
  #text = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Uint8Array) => this.#text += new TextDecoder().decode(bytes));
    socket.on("error", () => {});
  }

  static async connect(where: { port: number } | { path: string }): Promise<KeptClient> {
    const socket = "port" in where
      ? connect({ ...where, host: "127.0.0.1" })
      : connect({ path: where.path });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new KeptClient(socket);
  }

  static async connectTls(port: number, serverName?: string): Promise<KeptClient> {
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ...(serverName !== undefined && { servername: serverName }),
    });
    await new Promise((resolve, reject) =>
      socket.once("secureConnect", resolve).once("error", reject)
    );
    return new KeptClient(socket);
  }

  /** The status of the response; NaN where the connection ended instead. */
  async get(target: string, host = "localhost"): Promise<number> {
    this.#text = "";
    this.#socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await waitUntil(() => this.#isWhole || this.#socket.destroyed, `a response to ${target}`);
    return this.#isWhole ? Number(this.#text.slice(9, 12)) : NaN;
  }

  /** Of the last response, with its header section. */
  get text(): string {
    return this.#text;
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }

  get #isWhole(): boolean {
    const end = this.#text.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const length = /content-length: (\d+)/i.exec(this.#text)?.[1];
    return length === undefined
      ? this.#text.endsWith("0\r\n\r\n")
      : this.#text.length >= end + 4 + Number(length);
  }
}
