/** A request over TLS, on a connection of its own: with any name, any Host and any certificate. */
import { connect, type TLSSocket } from "node:tls";

export interface HttpsRequest {
  readonly port: number;
  /** Sent as SNI; left out: none is. */
  readonly servername?: string;
  readonly host?: string;
  readonly target?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A certificate of the client's. */
  readonly identity?: { readonly cert: string; readonly key: string };
}

export interface HttpsResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  /** Such as `CN=a.test`. */
  readonly subject: string;
  readonly protocol: string;
}

const LIMIT_MS = 20_000;

/** Rejects where the handshake fails. */
export async function httpsRequest(request: HttpsRequest): Promise<HttpsResponse> {
  const { servername, host = servername ?? "localhost", target = "/", method = "GET" } = request;
  const socket = connect({
    port: request.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...(servername !== undefined && { servername }),
    ...request.identity,
  });
  const timer = setTimeout(() => socket.destroy(new Error("No response in time")), LIMIT_MS);
  try {
    await secured(socket);
    const subject = socket.getPeerCertificate().subject?.CN ?? "";
    const protocol = socket.getProtocol() ?? "";
    const fields = Object.entries({ Host: host, Connection: "close", ...request.headers });
    const headers = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.write(`${method} ${target} HTTP/1.1\r\n${headers}\r\n`);
    return { ...read(await untilEnd(socket)), subject: String(subject), protocol };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The connection was closed")));
  });
}

function untilEnd(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    socket.on("data", (bytes: Uint8Array) => pieces.push(bytes));
    socket.once("error", reject);
    socket.once("close", () => resolve(Buffer.concat(pieces).toString("latin1")));
  });
}

function read(text: string): Pick<HttpsResponse, "status" | "headers" | "body"> {
  const end = text.indexOf("\r\n\r\n");
  const [line = "", ...fields] = text.slice(0, end).split("\r\n");
  const headers = new Headers(fields.map((field): [string, string] => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon), field.slice(colon + 1).trim()];
  }));
  return { status: Number(line.split(" ")[1]), headers, body: text.slice(end + 4) };
}
