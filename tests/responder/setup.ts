/** What tests of `serveFastCgi` share: a server on the runtime in memory, and responses to compare. */
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import type { FastCgiHandler, ServeFastCgiOptions } from "../../src/responder/options.ts";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Address } from "../../src/runtime/address.ts";
import { MemoryNetwork, MemoryRuntime } from "../support/memory/memory.ts";
import "../support/unexpected.ts";
import { WebServerClient } from "./web_server_client.ts";

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
  const server = await serveFastCgi(handler, {
    listen: "127.0.0.1:0",
    runtime,
    onError: (error) => errors.push(error),
    ...options,
  });
  return {
    runtime,
    server,
    errors,
    connect: () => WebServerClient.connect(runtime, connectable(server)),
  };
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
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

export const hello: FastCgiHandler = () =>
  new Response("hello\n", { headers: { "content-type": "text/plain" } });
