/**
 * A client that is still sending when it is refused gets to read why, over real sockets: a system that
 * is told to close with bytes unread resets the connection, and drops what the client has not read.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { withGateway } from "../support/gateway.ts";

const KIB = 1024;

/** Sends the header section, then all of the body without reading, then reads to the end. */
function sendAllThenRead(port: number, headers: string, body: Buffer): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const pieces: Buffer[] = [];
  socket.pause();
  socket.on("error", reject);
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  socket.on("end", () => {
    socket.end();
    resolve(Buffer.concat(pieces).toString("latin1"));
  });
  socket.on("connect", () => {
    socket.write(headers);
    let sent = 0;
    const sendMore = () => {
      if (sent === body.length) {
        // The response has been there for long by now.
        setTimeout(() => socket.resume(), 100);
        return;
      }
      const piece = body.subarray(sent, sent + 16 * KIB);
      sent += piece.length;
      socket.write(piece, () => setTimeout(sendMore, 1));
    };
    setTimeout(sendMore, 50);
  });
  return promise;
}

const BODY = Buffer.alloc(256 * KIB, "x");
const CHUNK = Buffer.concat([Buffer.from("40000\r\n"), BODY, Buffer.from("\r\n")]);

const REFUSED: Record<string, [string, Buffer, RegExp]> = {
  "a body over the limit": [
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length}\r\n\r\n`,
    BODY,
    /^HTTP\/1\.1 413 [^]*request_body_too_large/,
  ],
  "chunks over the limit": [
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    CHUNK,
    /^HTTP\/1\.1 413 [^]*request_body_too_large/,
  ],
  "headers that cannot be read": [
    "POST / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
    BODY,
    /^HTTP\/1\.1 400 /,
  ],
  "chunks that cannot be read": [
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    BODY,
    /^HTTP\/1\.1 400 /,
  ],
  "TLS on a plain port": ["\x16\x03\x01\x02\x00\x01\x00", BODY, /^HTTP\/1\.1 400 [^]*/],
};

for (const [name, [headers, body, expected]] of Object.entries(REFUSED)) {
  test(`A client that goes on sending after ${name} reads the whole response`, async () => {
    const application = () => new Response("never");
    await withGateway({ application, limits: { requestBodyMax: 1_024 } }, async ({ port }) => {
      const response = await sendAllThenRead(port, headers, body);
      assert.match(response, expected);
      const length = Number(/content-length: (\d+)/i.exec(response)![1]);
      assert.equal(response.length - response.indexOf("\r\n\r\n") - 4, length, "it is whole");
    });
  });
}
