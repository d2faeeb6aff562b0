/** What the tests of the runtime layer share. They run on whichever runtime runs them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address, TcpAddress } from "../../src/runtime/address.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { type HttpListener, serveHttp1, type ServerOptions } from "../../src/http1/server.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { atExit } from "../support/at_exit.ts";

export const runtime = currentRuntime();
export const onBun = runtime.name === "bun";

export const LOOPBACK: TcpAddress = { transport: "tcp", host: "127.0.0.1", port: 0 };

export const encode = (text: string) => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const directory = mkdtempSync(join(tmpdir(), "afcgi-runtime-"));
atExit(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;

/** A path that nobody has used. */
export function freshPath(): string {
  return join(directory, `${++count}`);
}

/** An address to listen on that nobody has used. */
export function freshAddress(kind: "tcp" | "unix" | "abstract"): Address {
  if (kind === "tcp") return LOOPBACK;
  const path = freshPath();
  return { transport: "unix", path: kind === "unix" ? path : `\0${path}` };
}

/** All that a peer sends until it ends. */
export async function readAll(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(
    await new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>)
      .arrayBuffer(),
  );
}

/** Bytes that tell where they belong: a shift or a gap shows. */
export function patternBytes(length: number, offset = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    const position = offset + index;
    bytes[index] = (position ^ (position >>> 8) ^ (position >>> 16)) & 0xff;
  }
  return bytes;
}

/** A connection and the end that a listener got for it; `close` ends everything. */
export async function connectedPair(kind: "tcp" | "unix" | "abstract") {
  const accepted = Promise.withResolvers<ByteConnection>();
  const listener = await runtime.listen(freshAddress(kind), accepted.resolve);
  const client = await runtime.connect(listener.address);
  const server = await accepted.promise;
  const close = () => {
    client.destroy();
    server.destroy();
    listener.close();
  };
  return { client, server, listener, close };
}

/** An HTTP server with what a test rarely cares about filled in. */
export function serve(
  handler: ServerOptions["handler"],
  options: Partial<ServerOptions> = {},
): Promise<HttpListener> {
  return serveHttp1(runtime, {
    address: LOOPBACK,
    requestHeadersLengthMax: 64 * 1024,
    handler,
    ...options,
  });
}

/** Sends bytes as they are and reads what comes until the server ends or cuts. */
export async function rawHttp(address: Address, text: string): Promise<string> {
  const connection = await runtime.connect(address);
  const writer = connection.writable.getWriter();
  // The server may answer and close before it has read everything.
  writer.write(encode(text)).catch(() => {});
  let response = "";
  const decoder = new TextDecoder();
  try {
    for await (const bytes of connection.readable) {
      response += decoder.decode(bytes, { stream: true });
    }
  } catch {
    // Cut; what came before counts.
  }
  connection.destroy();
  return response;
}

/** The status line's code; 0 where no response came. */
export function statusOf(response: string): number {
  return Number(response.split(" ")[1] ?? 0);
}

/** The response's body as it was sent. */
export function bodyOf(response: string): string {
  return response.slice(response.indexOf("\r\n\r\n") + 4);
}

/** Lets every event that is ready now be handled, and time pass. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
