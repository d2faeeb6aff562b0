/**
 * Clients that ask without a pause, each on a connection that it keeps as long as the server lets it,
 * and count: every request must get its whole response, and no connection may end but after a
 * response that says so.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";

export interface LoadResult {
  readonly responses: number;
  /** Connections that ended as their last response said. */
  readonly closed: number;
  readonly bodies: ReadonlySet<string>;
}

/** Where the clients connect to. */
export type LoadTarget = { readonly port: number } | { readonly path: string };

export class Load {
  readonly #target: LoadTarget;
  readonly #clients: Promise<void>[];
  readonly #bodies = new Set<string>();
  #responses = 0;
  #closed = 0;
  #isOver = false;

  constructor(target: LoadTarget, clients: number) {
    this.#target = target;
    this.#clients = Array.from({ length: clients }, () => this.#run());
    // Who stops hears of it.
    for (const client of this.#clients) client.catch(() => {});
  }

  get responses(): number {
    return this.#responses;
  }

  /** Rejects with the first request that got no whole response. */
  async stop(): Promise<LoadResult> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return { responses: this.#responses, closed: this.#closed, bodies: this.#bodies };
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const client = await LoadClient.open(this.#target);
      let isKept = true;
      while (isKept && !this.#isOver) {
        const { status, body, keepsAlive } = await client.ask();
        assert.equal(status, 200, body);
        this.#bodies.add(body);
        this.#responses++;
        isKept = keepsAlive;
        // The processes that come and go want some of the machine, too.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      if (!isKept) this.#closed++;
      client.close();
    }
  }
}

class LoadClient {
  readonly #socket: Socket;
  #text = "";
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      this.#text += bytes.toString("latin1");
      this.#wake?.();
    });
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on("error", () => {});
    socket.on("end", end);
    socket.on("close", end);
  }

  static open(target: LoadTarget): Promise<LoadClient> {
    return new Promise((resolve, reject) => {
      const socket = "path" in target ? connect(target.path) : connect(target.port, "127.0.0.1");
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new LoadClient(socket));
      });
    });
  }

  async ask(): Promise<{ status: number; body: string; keepsAlive: boolean }> {
    this.#socket.write("GET / HTTP/1.1\r\nHost: load.example\r\n\r\n");
    const end = await this.#until(() => {
      const offset = this.#text.indexOf("\r\n\r\n");
      return offset < 0 ? undefined : offset + 4;
    });
    const headers = this.#text.slice(0, end);
    const length = Number(/^content-length: (\d+)/im.exec(headers)?.[1]);
    await this.#until(() => this.#text.length >= end + length ? true : undefined);
    const body = this.#text.slice(end, end + length);
    this.#text = this.#text.slice(end + length);
    const status = Number(headers.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length));
    return { status, body, keepsAlive: !/^connection: close/im.test(headers) };
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until<Value>(find: () => Value | undefined): Promise<Value> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`A request was lost; there is only "${this.#text}"`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
