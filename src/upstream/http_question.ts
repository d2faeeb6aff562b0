/**
 * One small GET to an HTTP server on a connection of its own: for health checks, and to find out what
 * it supports. Nothing is read beyond the header section of the response.
 */
import { HttpClientConnection } from "../http_client/client_connection.ts";
import { latin1 } from "../protocol/byte_buffer.ts";
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import { Role } from "../protocol/constants.ts";
import { type Address, formatAddress } from "../runtime/address.ts";
import type { ServerTlsOptions } from "../runtime/callback_socket.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface HttpQuestion {
  readonly runtime: Pick<Runtime, "connect" | "tls">;
  readonly address: Address;
  readonly tls?: ServerTlsOptions | undefined;
  /** Path and query. */
  readonly target: string;
  readonly responseHeaderMax: number;
  /** Ends it before. */
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly section: CgiHeaderSection;
  /** Whether the server takes another request on the connection. */
  readonly keepsConnection: boolean;
  /** When the connection stood. */
  readonly connectedMs: number;
}

const START = { method: "GET", hasBody: false, bodyLength: undefined, saysLength: false } as const;

/** @throws {ConnectError} @throws {ProtocolError} @throws {Error} when it closes without a response */
export async function askHttp(
  question: HttpQuestion,
  nowMs: () => number = () => 0,
): Promise<HttpReply> {
  const { runtime, address, tls, signal } = question;
  const connection = tls === undefined
    ? await runtime.connect(address, { signal })
    : await runtime.tls.connectChecked(address, tls, signal);
  const connectedMs = nowMs();
  const destroy = (): void => connection.destroy();
  signal.addEventListener("abort", destroy);
  try {
    if (signal.aborted) destroy();
    return { ...await readReply(connection, question), connectedMs };
  } finally {
    signal.removeEventListener("abort", destroy);
    destroy();
  }
}

async function readReply(
  connection: ByteConnection,
  { address, tls, target, responseHeaderMax }: HttpQuestion,
): Promise<Omit<HttpReply, "connectedMs">> {
  const protocol = new HttpClientConnection(responseHeaderMax);
  const params = latin1(
    `GET ${target} HTTP/1.1\r\nhost: ${
      hostOf(address, tls)
    }\r\nuser-agent: afcgi\r\naccept: */*\r\n`,
  );
  const http = { ...START, upgrade: undefined };
  protocol.begin({ role: Role.RESPONDER, keepConnection: true, params, http });
  await connection.writable.getWriter().write(protocol.takeOutput());
  const reader = connection.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("it closed before its response was complete");
    for (const event of protocol.receive(value)) {
      if (event.kind === "fault" || event.kind === "broken") throw event.error;
      if (event.kind !== "headers") continue;
      return { section: event.section, keepsConnection: !protocol.isLast };
    }
  }
}

function hostOf(address: Address, tls: ServerTlsOptions | undefined): string {
  if (tls?.serverName !== undefined) return tls.serverName;
  return address.transport === "unix"
    ? "localhost"
    : formatAddress(address).replace(/^tcp:\/\//, "");
}
