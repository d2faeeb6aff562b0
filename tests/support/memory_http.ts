/** One request to whoever serves HTTP in a runtime in memory, from a Fetch `Request` to a `Response`. */
import { utf8 } from "../../src/protocol/byte_buffer.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { HttpPeer } from "../../src/runtime/connection.ts";
import type { MemoryRuntime } from "./memory/memory.ts";
import { MemoryCallbackSocket } from "./memory_callback_socket.ts";

const LOCAL_PEER: HttpPeer = { host: "127.0.0.1", port: 40_000 };

/** A client that says when the server has said all. */
class MemoryClient extends MemoryCallbackSocket {
  readonly #ended = Promise.withResolvers<void>();
  readonly whenEnded = this.#ended.promise;

  override end(): void {
    super.end();
    this.#ended.resolve();
  }

  override destroy(): void {
    super.destroy();
    this.#ended.resolve();
  }

  override reset(): void {
    super.reset();
    this.#ended.resolve();
  }
}

/** What the HTTP server at the address answers; rejects where nobody listens, and when it is cut. */
export async function requestInMemory(
  runtime: MemoryRuntime,
  address: Address,
  request: Request,
  peer: HttpPeer = LOCAL_PEER,
): Promise<Response> {
  const { pathname, search, host } = new URL(request.url);
  const socket = new MemoryClient(peer.host, peer.port);
  socket.events = runtime.connectClient(address, socket);
  const body = await request.text();
  const fields = new Headers(request.headers);
  if (!fields.has("host")) fields.set("host", host);
  if (body !== "") fields.set("content-length", String(utf8(body).length));
  fields.set("connection", "close");
  const lines = [...fields].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.send(`${request.method} ${pathname}${search} HTTP/1.1\r\n${lines}\r\n`);
  if (body !== "") socket.send(utf8(body));
  await socket.whenEnded;
  const { text, ended } = socket;
  if (ended !== "end") throw new Error(`The connection was cut behind ${JSON.stringify(text)}`);
  socket.close();
  return readResponse(text);
}

function readResponse(text: string): Response {
  const headersLength = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, headersLength).split("\r\n");
  const headers = new Headers(
    lines.map((line) => line.split(/: (.*)/, 2) as [string, string]),
  );
  const status = Number(statusLine.split(" ")[1]);
  const rest = text.slice(headersLength + 4);
  const isChunked = headers.get("transfer-encoding") === "chunked";
  const content = isChunked ? withoutChunks(rest) : rest;
  const bytes = Uint8Array.from(content, (character) => character.charCodeAt(0));
  return new Response(content === "" ? null : bytes, { status, headers });
}

function withoutChunks(text: string): string {
  let content = "";
  for (let offset = 0;;) {
    const lineEnd = text.indexOf("\r\n", offset);
    const length = parseInt(text.slice(offset, lineEnd), 16);
    if (!(length > 0)) return content;
    content += text.slice(lineEnd + 2, lineEnd + 2 + length);
    offset = lineEnd + 2 + length + 2;
  }
}
