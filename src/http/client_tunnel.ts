/**
 * A client that asks to leave HTTP for another protocol (RFC 9110 section 7.8), on its way through a
 * proxy: what it sends once the server has agreed. Only a WebSocket is let through: any other
 * protocol could be one in which requests are made that no route has seen (h2c).
 */
import type { HttpRequest } from "../runtime/http_request.ts";
import type { TunnelRequest } from "../upstream/request.ts";
import type { BodyReader } from "../upstream/request_body.ts";
import type { RequestContext } from "./request_context.ts";

const WEBSOCKET = "websocket";

/** Undefined for a request that stays with HTTP. */
export function tunnelOf(request: HttpRequest, context: RequestContext): ClientTunnel | undefined {
  const { headers } = request;
  const upgrade = headers.get("upgrade");
  // Only our own server of HTTP/1.1 says what its client speaks, and can leave it.
  if (upgrade === null || context.peer.protocol !== "HTTP/1.1") return undefined;
  if (context.method !== "GET" || request.body !== null || context.handedOver) return undefined;
  const options = headers.get("connection")?.toLowerCase().split(",") ?? [];
  const isAsked = options.some((option) => option.trim() === "upgrade");
  return isAsked && upgrade.trim().toLowerCase() === WEBSOCKET
    ? new ClientTunnel(context)
    : undefined;
}

export class ClientTunnel implements TunnelRequest {
  readonly protocol = WEBSOCKET;
  readonly #context: RequestContext;
  readonly #opened = Promise.withResolvers<ReadableStream<Uint8Array>>();
  #isGivenUp = false;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  /** The client has left HTTP, and sends this. */
  open(incoming: ReadableStream<Uint8Array>): void {
    if (this.#isGivenUp) void incoming.cancel().catch(() => {});
    else this.#opened.resolve(incoming);
  }

  reader(): BodyReader {
    const trace: { bytesIn?: number } = this.#context.trace;
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    return {
      read: async () => {
        reader ??= (await this.#opened.promise).getReader();
        const { value } = await reader.read();
        trace.bytesIn = (trace.bytesIn ?? 0) + (value?.length ?? 0);
        return value;
      },
      cancel: () => {
        this.#isGivenUp = true;
        const done = reader === undefined
          ? this.#opened.promise.then((incoming) => incoming.cancel())
          : reader.cancel();
        done.catch(() => {});
      },
    };
  }
}
