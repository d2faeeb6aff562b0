/**
 * Clients that vanish at each phase of a request, as the gateway sees it. Each function resolves at
 * the moment at which the client is to go.
 */
import { HttpConnection, requestHeaders } from "../support/raw_http.ts";

const MIB = 1024 * 1024;

export type Phase = (client: HttpConnection) => Promise<void>;

export const PHASES: readonly Phase[] = [
  async function connected() {},
  async function withinTheHeaders(client) {
    await client.write("GET /echo HTTP/1.1\r\nHost: te");
  },
  async function beforeTheBody(client) {
    await client.write(upload());
  },
  async function withinTheBody(client) {
    await client.write(upload());
    await client.write(Buffer.alloc(MIB / 2));
  },
  async function withinAChunkedBody(client) {
    const headers = { "Transfer-Encoding": "chunked" };
    await client.write(requestHeaders({ method: "POST", target: "/echo", headers }));
    await client.writeChunk(Buffer.alloc(100_000));
  },
  async function whileWaiting(client) {
    await client.send({ target: "/slow?ms=20000" });
  },
  async function withTheWholeUploadSent(client) {
    await client.send({ method: "POST", target: "/slow?ms=20000", body: Buffer.alloc(100_000) });
  },
  async function withTheHeadersOfTheResponse(client) {
    await client.send({ target: "/stream?chunks=1000&ms=1000" });
    await client.readHeaders();
  },
  async function withinALargeResponse(client) {
    await client.send({ target: `/bytes?n=${8 * MIB}` });
    await client.readHeaders();
  },
  async function withoutReadingALargeResponse(client) {
    client.pause();
    await client.send({ target: `/bytes?n=${8 * MIB}` });
  },
  async function afterAResponse(client) {
    await client.send({ target: "/echo" });
    await client.readResponse();
  },
];

function upload(): string {
  return requestHeaders({
    method: "POST",
    target: "/echo",
    headers: { "Content-Length": String(MIB) },
  });
}

/** One client that goes at a phase. */
export async function leaveAt(port: number, phase: Phase): Promise<void> {
  const client = await HttpConnection.open(port);
  await phase(client);
  client.destroy();
}
