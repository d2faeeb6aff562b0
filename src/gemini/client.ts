/**
 * A small Gemini client: one request, the header read, the body as a stream. Who answers is looked at
 * before the request is sent, so that nothing goes to a stranger.
 */
import type { TlsFiles } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { PeerCertificate, TlsConnection } from "../runtime/tls.ts";
import { type GeminiHeader, GeminiHeaderParser, headerOf } from "./response_header.ts";
import { isAddress } from "./host.ts";
import type { GeminiUri } from "./uri.ts";

export interface GeminiClientOptions {
  readonly runtime: Runtime;
  /** A certificate of our own to show. */
  readonly identity?: TlsFiles;
  /** Throws when the server's certificate is not the one that is known. */
  readonly trust: (uri: GeminiUri, certificate: PeerCertificate) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface GeminiResponse extends GeminiHeader {
  /** Errors when the connection breaks; a cut looks like an end (docs/runtimes.md). */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Asks a Gemini server.
 *
 * @throws {ConnectError} when nobody answers there
 * @throws {ProtocolError} when the response has no Gemini header
 */
export async function requestGemini(
  uri: GeminiUri,
  { runtime, identity, trust, signal }: GeminiClientOptions,
): Promise<GeminiResponse> {
  // An address in brackets is written without them to connect.
  const host = uri.host.replace(/^\[|\]$/g, "");
  const connection = await runtime.tls.connect({ transport: "tcp", host, port: uri.port }, {
    ...(!isAddress(uri.host) && { serverName: uri.host }),
    ...(identity && { identity }),
    ...(signal && { signal }),
  });
  signal?.addEventListener("abort", () => connection.destroy(), { once: true });
  try {
    if (connection.certificate === undefined) throw new Error(`${uri.host} shows no certificate`);
    await trust(uri, connection.certificate);
    const writer = connection.writable.getWriter();
    await writer.write(new TextEncoder().encode(`${uri.url}\r\n`));
    return await readResponse(connection);
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

async function readResponse(connection: TlsConnection): Promise<GeminiResponse> {
  const reader = connection.readable.getReader();
  const parser = new GeminiHeaderParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      throw new Error(
        parser.hasBegun
          ? "The response ended within its header"
          : "The server closed without a response",
      );
    }
    const start = parser.push(value);
    if (start === undefined) continue;
    return { ...headerOf(start.section), body: bodyOf(connection, reader, start.rest) };
  }
}

async function* bodyOf(
  connection: TlsConnection,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  first: Uint8Array,
): AsyncGenerator<Uint8Array> {
  try {
    if (first.length > 0) yield first;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    connection.destroy();
  }
}
