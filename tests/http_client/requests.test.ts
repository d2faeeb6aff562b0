/** How a request is framed for an HTTP server: by what is sent of it, and by nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpClientConnection, REQUEST_ID } from "../../src/http_client/client_connection.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import type { HttpRequestStart } from "../../src/protocol/client_protocol.ts";
import { Role } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";

const START = "POST /a HTTP/1.1\r\nhost: a\r\n";

function connect(): HttpClientConnection {
  return new HttpClientConnection(4096);
}

function begin(
  connection: HttpClientConnection,
  http: Partial<HttpRequestStart>,
  keepConnection = true,
): void {
  const id = connection.begin({
    role: Role.RESPONDER,
    keepConnection,
    params: latin1(START),
    http: {
      method: "POST",
      hasBody: false,
      bodyLength: undefined,
      saysLength: false,
      upgrade: undefined,
      ...http,
    },
  });
  assert.equal(id, REQUEST_ID);
}

function outputOf(connection: HttpClientConnection): string {
  return fromLatin1(connection.takeOutput());
}

test("A request without a body says nothing of one, unless an empty one was meant", () => {
  const plain = connect();
  begin(plain, {});
  plain.endStdin(REQUEST_ID);
  assert.equal(outputOf(plain), `${START}\r\n`);
  const empty = connect();
  begin(empty, { saysLength: true });
  assert.equal(outputOf(empty), `${START}content-length: 0\r\n\r\n`);
});

test("A body of known length goes with its length, one of unknown length in chunks", () => {
  const known = connect();
  begin(known, { hasBody: true, bodyLength: 5 });
  known.sendStdin(REQUEST_ID, latin1("He"));
  known.sendStdin(REQUEST_ID, latin1("llo"));
  known.endStdin(REQUEST_ID);
  assert.equal(outputOf(known), `${START}content-length: 5\r\n\r\nHello`);
  const unknown = connect();
  begin(unknown, { hasBody: true });
  unknown.sendStdin(REQUEST_ID, latin1("Hello, wonderful"));
  unknown.endStdin(REQUEST_ID);
  assert.equal(
    outputOf(unknown),
    `${START}transfer-encoding: chunked\r\n\r\n10\r\nHello, wonderful\r\n0\r\n\r\n`,
  );
});

test("A body of another length than was declared is never sent", () => {
  const longer = connect();
  begin(longer, { hasBody: true, bodyLength: 2 });
  assert.throws(() => longer.sendStdin(REQUEST_ID, latin1("abc")), RangeError);
  const shorter = connect();
  begin(shorter, { hasBody: true, bodyLength: 2 });
  shorter.sendStdin(REQUEST_ID, latin1("a"));
  assert.throws(() => shorter.endStdin(REQUEST_ID), RangeError);
});

test("A connection that is not kept says so, one that shall leave HTTP says that", () => {
  const last = connect();
  begin(last, {}, false);
  assert.equal(outputOf(last), `${START}connection: close\r\n\r\n`);
  const tunnel = connect();
  begin(tunnel, { upgrade: "websocket" });
  assert.equal(outputOf(tunnel), `${START}connection: upgrade\r\nupgrade: websocket\r\n\r\n`);
});

test("A connection carries one request at a time, and none behind one that is not wholly sent", () => {
  const connection = connect();
  begin(connection, { hasBody: true, bodyLength: 5 });
  assert.throws(() => begin(connection, {}), ProtocolError);
  const events = connection.receive(latin1("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"));
  assert.deepEqual(events.map(({ kind }) => kind), ["headers", "end"]);
  assert.equal(connection.hasFreeId, false, "the rest of the body would be the next request");
  assert.equal(connection.isLast, true);
});

test("A tunnel carries bytes as they are, and tells when there are no more", () => {
  const connection = connect();
  begin(connection, { upgrade: "websocket" });
  connection.takeOutput();
  connection.receive(
    latin1("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
  );
  assert.equal(connection.takesStdin(REQUEST_ID), true);
  connection.sendStdin(REQUEST_ID, latin1("\x81\x80abcd"));
  assert.equal(outputOf(connection), "\x81\x80abcd");
  assert.equal(connection.endsOutput, false);
  connection.endStdin(REQUEST_ID);
  assert.equal(connection.endsOutput, true);
  assert.equal(outputOf(connection), "");
});
