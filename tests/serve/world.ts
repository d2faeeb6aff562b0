/** A server of the library on the runtime in memory: what it was told to listen with, and its clients. */
import assert from "node:assert/strict";
import type { Address } from "../../src/runtime/address.ts";
import type { SocketListenOptions } from "../../src/runtime/callback_socket.ts";
import type { HttpHandler, HttpServer, ServeHttpOptions } from "../../src/serve/options.ts";
import { serveHttp } from "../../src/serve/serve_http.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { MemoryHttp2Client } from "../support/http2_world.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";

export const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

const ADDRESS: Address = { transport: "tcp", host: "127.0.0.1", port: 8080 };

export interface ServeWorld {
  readonly runtime: MemoryRuntime;
  readonly server: HttpServer;
  readonly listening: SocketListenOptions;
  /** What was told of errors: phase, client and text. */
  readonly told: string[];
  /** Those of the clients, in their order. */
  readonly sockets: readonly MemoryCallbackSocket[];
  /** One more client, which has sent this. */
  open(text?: string): MemoryCallbackSocket;
  /** One more client of HTTP/2. */
  openHttp2(): MemoryHttp2Client;
  advance(durationMs: number): Promise<void>;
  /** Shuts down without grace; nothing may be left. */
  end(): Promise<void>;
}

export async function serveWorld(
  handler: HttpHandler,
  options: Partial<ServeHttpOptions> = {},
): Promise<ServeWorld> {
  const runtime = new MemoryRuntime();
  const told: string[] = [];
  let listening!: SocketListenOptions;
  const listen = runtime.listenSockets.bind(runtime);
  runtime.listenSockets = (given) => {
    listening = given;
    return listen(given);
  };
  const server = await serveHttp(handler, {
    listen: "127.0.0.1:8080",
    runtime,
    onError: (error, { phase, peer }) =>
      void told.push(`${phase} ${peer}: ${(error as Error).message}`),
    ...options,
  });
  const sockets: MemoryCallbackSocket[] = [];
  const connect = (): MemoryCallbackSocket => {
    const socket = new MemoryCallbackSocket();
    sockets.push(socket);
    socket.events = runtime.connectClient(ADDRESS, socket);
    return socket;
  };
  return {
    runtime,
    server,
    listening,
    told,
    sockets,
    open(text = "") {
      const socket = connect();
      if (text !== "") socket.send(text);
      return socket;
    },
    openHttp2() {
      const client = new MemoryHttp2Client(connect());
      client.greet();
      return client;
    },
    async advance(durationMs) {
      runtime.clock.advance(durationMs);
      await untilIdle();
    },
    async end() {
      const over = server.shutdown({ grace: 0 });
      runtime.clock.advance(0);
      await over;
      assert.equal(runtime.clock.timerCount, 0, "a timer is left");
    },
  };
}
