/** What tests of `serveFastCgi` share: a server on the runtime in memory, and responses to compare. */
import assert from "node:assert/strict";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import type {
  FastCgiHandler,
  ServeFastCgiOptions,
  ServerStatus,
} from "../../src/responder/options.ts";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Address } from "../../src/runtime/address.ts";
import { MemoryNetwork, MemoryRuntime } from "../support/memory/memory.ts";
import "../support/unexpected.ts";
import { WebServerClient } from "./web_server_client.ts";
import { untilIdle } from "../support/idle.ts";
import { atTestEnd } from "../support/world_test.ts";

export const COMPLETE = { appStatus: 0, protocolStatus: ProtocolStatus.REQUEST_COMPLETE };
export const OVERLOADED = { appStatus: 0, protocolStatus: ProtocolStatus.OVERLOADED };
export const CUT = { appStatus: 1, protocolStatus: ProtocolStatus.OVERLOADED };
export const ABORTED = { appStatus: 1, protocolStatus: ProtocolStatus.REQUEST_COMPLETE };
export const MIB = 1024 * 1024;

export interface Setup {
  readonly runtime: MemoryRuntime;
  readonly server: FastCgiServer;
  readonly errors: unknown[];
  connect(): Promise<WebServerClient>;
}

export async function serve(
  handler: FastCgiHandler,
  options: Partial<ServeFastCgiOptions> = {},
  network = new MemoryNetwork(),
): Promise<Setup> {
  const runtime = new MemoryRuntime({ network });
  const errors: unknown[] = [];
  const clients: WebServerClient[] = [];
  const handlers = new Handlers(handler);
  // What is no function is refused as it is.
  const server = await serveFastCgi(typeof handler === "function" ? handlers.handle : handler, {
    listen: "127.0.0.1:0",
    runtime,
    onError: (error) => errors.push(error),
    ...options,
  });
  atTestEnd(async () => {
    await untilIdle();
    for (const client of clients) await client.destroy();
    await untilIdle();
    const { status } = handlers;
    assert.deepEqual(
      {
        connections: status?.connectionsOpen ?? 0,
        // A handler that nobody can stop keeps its place until it is done.
        isTooMuch: (status?.requestsActive ?? 0) > handlers.running,
        timers: runtime.clock.timerCount,
      },
      { connections: 0, isTooMuch: false, timers: 0 },
      "something is left of web servers that have gone",
    );
  });
  return {
    runtime,
    server,
    errors,
    async connect() {
      const client = await WebServerClient.connect(runtime, connectable(server));
      clients.push(client);
      return client;
    },
  };
}

/** A handler, and how many of its calls are not done. */
class Handlers {
  running = 0;
  status: ServerStatus | undefined;
  readonly handle: FastCgiHandler;

  constructor(handler: FastCgiHandler) {
    const count = (by: number): void => void (this.running += by);
    this.handle = (request, info) => {
      this.status ??= info.server;
      const response = handler(request, info);
      if (!(response instanceof Promise)) return response;
      count(1);
      response.then(() => count(-1), () => count(-1));
      return response;
    };
  }
}

/** The address of a server that opened its socket itself. */
export function connectable({ addr }: FastCgiServer): Address {
  if (addr.transport === "inherited") throw new Error("Nobody knows what was inherited");
  return addr;
}

/** A promise that a test settles, for handlers that wait for the test. */
export function gate<Value = void>() {
  return Promise.withResolvers<Value>();
}

/** A stream of pieces that are made as they are read. */
export function streamOf(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): ReadableStream<Uint8Array> {
  const iterator = Symbol.asyncIterator in pieces
    ? pieces[Symbol.asyncIterator]()
    : pieces[Symbol.iterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

/** Lets everything happen that waits for nothing but its turn. */
export const turns = untilIdle;

export const hello: FastCgiHandler = () =>
  new Response("hello\n", { headers: { "content-type": "text/plain" } });
