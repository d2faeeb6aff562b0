/** HTTP servers in memory, and an upstream of them. */
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import type { MemoryConnection } from "./memory/memory_connection.ts";
import { ADDRESS } from "./scripted_application.ts";
import { UpstreamWorld, type WorldSettings } from "./upstream_world.ts";

/** An HTTP server in memory: what it was sent, and what it says. */
export class ScriptedServer {
  readonly connections: ScriptedConnection[] = [];

  async listen(world: UpstreamWorld, address = ADDRESS): Promise<this> {
    await world.runtime.listen(parseAddress(address), (connection) => {
      this.connections.push(new ScriptedConnection(connection as MemoryConnection));
    });
    return this;
  }

  get received(): string[] {
    return this.connections.map(({ received }) => received);
  }
}

export class ScriptedConnection {
  received = "";
  isEnded = false;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #connection: MemoryConnection;

  constructor(connection: MemoryConnection) {
    this.#connection = connection;
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
    void this.#read();
  }

  say(text: string): void {
    this.#writer.write(latin1(text)).catch(() => {});
  }

  end(): void {
    this.#writer.close().catch(() => {});
  }

  /** Ends in a way that looks like any other end. */
  destroy(): void {
    this.#connection.destroy();
  }

  breakOff(): void {
    this.#connection.break();
  }

  async #read(): Promise<void> {
    try {
      for await (const bytes of this.#connection.readable) this.received += fromLatin1(bytes);
    } catch {
      // It broke: whoever looks sees what came before.
    }
    this.isEnded = true;
  }
}

const HTTP = { protocol: "http", retry: { delayMs: 0 } } as const;
/** A short response that is whole. */
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** An upstream of HTTP servers. */
export class HttpWorld extends UpstreamWorld {
  constructor(settings: WorldSettings = {}) {
    super({ ...HTTP, ...settings, retry: { ...HTTP.retry, ...settings.retry } });
  }

  ask(target: string, parts: Partial<Parameters<UpstreamWorld["upstream"]["send"]>[0]> = {}) {
    const { method = "GET" } = parts;
    const sent = this.upstream.send({
      id: "r1",
      role: 1,
      method,
      body: undefined,
      http: { saysLength: false, valueOf: () => undefined },
      params: () => latin1(`${method} ${target} HTTP/1.1\r\nhost: a\r\n`),
      ...parts,
    });
    sent.catch(() => {});
    return sent;
  }
}

/** What a client sends once it has left HTTP, as a test says. */
export class ClientSide {
  readonly #pieces: (Uint8Array | undefined)[] = [];
  #wake = (): void => {};

  send(text: string): void {
    this.#push(latin1(text));
  }

  /** Of a request that wants to leave HTTP for this. */
  get http(): NonNullable<Parameters<UpstreamWorld["upstream"]["send"]>[0]["http"]> {
    const reader = () => ({
      read: async () => {
        while (this.#pieces.length === 0) {
          await new Promise<void>((resolve) => this.#wake = resolve);
        }
        return this.#pieces.shift();
      },
      cancel: () => this.#push(undefined),
    });
    return {
      saysLength: false,
      valueOf: () => undefined,
      tunnel: { protocol: "websocket", reader },
    };
  }

  #push(piece: Uint8Array | undefined): void {
    this.#pieces.push(piece);
    this.#wake();
  }
}

/** By which a server leaves HTTP. */
export const SWITCHED = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
