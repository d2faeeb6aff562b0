/** What of an HTTP server's bytes is a response, and what is none: fed whole, in bytes, and at every cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HttpClientConnection,
  INTERIM_RESPONSES_MAX,
} from "../../src/http_client/client_connection.ts";
import { RESPONSE_TRANSITIONS } from "../../src/http_client/exchange_state.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { RESPONSE_FIELDS_MAX } from "../../src/protocol/cgi_response.ts";
import type { ClientEvent } from "../../src/protocol/client_connection.ts";
import type { HttpRequestStart } from "../../src/protocol/client_protocol.ts";
import { Role } from "../../src/protocol/constants.ts";
import { fragmentations } from "../support/fragments.ts";

const HEADERS_LENGTH_MAX = 4096;

const GET: HttpRequestStart = {
  method: "GET",
  hasBody: false,
  bodyLength: undefined,
  saysLength: false,
  upgrade: undefined,
};

function begun(http: Partial<HttpRequestStart> = {}, keepConnection = true): HttpClientConnection {
  const connection = new HttpClientConnection(HEADERS_LENGTH_MAX);
  const params = latin1("GET / HTTP/1.1\r\nhost: a\r\n");
  connection.begin({ role: Role.RESPONDER, keepConnection, params, http: { ...GET, ...http } });
  return connection;
}

/** What a response comes to: its status, its fields, its body and how it ended. */
interface Seen {
  status?: number;
  fields?: string;
  body: string;
  interim: number[];
  end: string;
  keeps: boolean;
}

function seen(
  connection: HttpClientConnection,
  pieces: readonly Uint8Array[],
  close?: boolean,
): Seen {
  const events: ClientEvent[] = pieces.flatMap((piece) => connection.receive(piece.slice()));
  const keeps = connection.hasFreeId;
  if (close !== undefined) events.push(...connection.receiveEnd(close));
  const result: Seen = { body: "", interim: [], end: "", keeps };
  for (const event of events) {
    if (event.kind === "headers") {
      result.status = event.section.status;
      result.fields = event.section.headers.map(([name, value]) => `${name}=${value}`).join("&");
    } else if (event.kind === "interim") result.interim.push(event.section.status);
    else if (event.kind === "stdout") result.body += fromLatin1(event.bytes);
    else result.end += (result.end && " ") + event.kind;
  }
  return result;
}

function eachCut(
  text: string,
  check: (seen: Seen, how: string) => void,
  { http = {}, close }: { http?: Partial<HttpRequestStart>; close?: boolean } = {},
): void {
  for (const { how, pieces } of fragmentations(latin1(text))) {
    check(seen(begun(http), pieces, close), `${JSON.stringify(text.slice(0, 80))} ${how}`);
  }
}

const OK = "HTTP/1.1 200 OK\r\n";

test("A response with a length is read however it is cut, and the connection is free again", () => {
  eachCut(`${OK}A: 1\r\ncontent-length: 5\r\n\r\nHello`, (response, how) => {
    assert.deepEqual(response, {
      status: 200,
      fields: "A=1&content-length=5",
      body: "Hello",
      interim: [],
      end: "end",
      keeps: true,
    }, how);
  });
});

test("A response in chunks is read however it is cut, and the fields behind it are dropped", () => {
  const text =
    `${OK}Transfer-Encoding: Chunked\r\n\r\n5\r\nHello\r\n2;x=y\r\n, \r\n5\r\nworld\r\n` +
    "0\r\nX-Trailer: 1\r\nSet-Cookie: a=b\r\n\r\n";
  eachCut(text, ({ body, end, keeps, fields }, how) => {
    assert.deepEqual({ body, end, keeps }, { body: "Hello, world", end: "end", keeps: true }, how);
    assert.equal(fields, "Transfer-Encoding=Chunked", how);
  });
});

test("A body without framing ends with the connection, whole only where that ended cleanly", () => {
  for (const version of ["1.0", "1.1"]) {
    const text = `HTTP/${version} 200 OK\r\n\r\nHello`;
    eachCut(text, ({ body, end, keeps }, how) => {
      assert.deepEqual({ body, end, keeps }, { body: "Hello", end: "end", keeps: false }, how);
    }, { close: true });
    eachCut(text, ({ end }, how) => assert.equal(end, "lost", how), { close: false });
  }
});

test("A response that is framed is not whole before its end, however the connection ends", () => {
  for (const framing of ["Content-Length: 9", "Transfer-Encoding: chunked"]) {
    for (const close of [true, false]) {
      const text = `${OK}${framing}\r\n\r\n5\r\nHe`;
      eachCut(text, ({ end }, how) => assert.equal(end, "lost", how), { close });
    }
  }
});

test("Responses without a body have none, whatever their fields say", () => {
  const headers = "Content-Length: 5\r\n\r\n";
  const cases: [string, Partial<HttpRequestStart>, boolean][] = [
    [`${OK}${headers}`, { method: "HEAD" }, true],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n`, { method: "HEAD" }, true],
    [`HTTP/1.1 304 Not Modified\r\n${headers}`, {}, true],
    ["HTTP/1.1 204 No Content\r\n\r\n", {}, true],
    // It says a body, and who believes that takes the next response for it.
    [`HTTP/1.1 204 No Content\r\n${headers}`, {}, false],
    ["HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", {}, false],
  ];
  for (const [text, http, keeps] of cases) {
    eachCut(text, (response, how) => {
      assert.equal(response.body, "", how);
      assert.equal(response.end, "end", how);
      assert.equal(response.keeps, keeps, how);
    }, { http });
  }
});

test("Interim responses stand before the real one: 103 is told, 100 is between us", () => {
  const text = "HTTP/1.1 100 Continue\r\n\r\n" +
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n" +
    `${OK}content-length: 2\r\n\r\nok`;
  eachCut(text, ({ interim, body, end }, how) => {
    assert.deepEqual({ interim, body, end }, { interim: [103], body: "ok", end: "end" }, how);
  });
  const many = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(INTERIM_RESPONSES_MAX);
  const whole = `${OK}content-length: 0\r\n\r\n`;
  assert.equal(seen(begun(), [latin1(many + whole)]).end, "end");
  assert.equal(
    seen(begun(), [latin1(`HTTP/1.1 100 Continue\r\n\r\n${many}${whole}`)]).end,
    "fault",
  );
});

test("What could be read in two ways is no response, however it is cut", () => {
  const length = "Content-Length: 5\r\n\r\nHello";
  const faults = [
    `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    `${OK}Content-Length: 5\r\n${length}`,
    `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nHello`,
    `${OK}Content-Length: 5, 5\r\n\r\nHello`,
    `${OK}Content-Length: +5\r\n\r\nHello`,
    `${OK}Content-Length: 0x5\r\n\r\nHello`,
    `${OK}Content-Length: -1\r\n\r\n`,
    `${OK}Content-Length: 5 5\r\n\r\nHello`,
    `${OK}Content-Length:\r\n\r\n`,
    `${OK}Content-Length: 9999999999999999\r\n\r\n`,
    `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding:\r\n\r\n0\r\n\r\n`,
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    `${OK}A: 1\r\n b\r\n${length}`,
    `${OK}A: 1\r\n\tb\r\n${length}`,
    `${OK} A: 1\r\n${length}`,
    `${OK}Content-Length : 5\r\n\r\nHello`,
    `${OK}Content-Length\t: 5\r\n\r\nHello`,
    `${OK}A\r\n${length}`,
    `${OK}: 1\r\n${length}`,
    `${OK}A B: 1\r\n${length}`,
    `${OK}A: \0\r\n${length}`,
    `${OK}A: 1\n${length}`,
    `${OK}A: 1\r${length}`,
    `${OK}A: 1\r\r\n${length}`,
    `${OK}A: \x7f\r\n${length}`,
    `HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nHello`,
    `HTTP/1.1 200 OK\nContent-Length: 5\n\nHello`,
    `\r\n${OK}${length}`,
    `\n${OK}${length}`,
    ` ${OK}${length}`,
    `HTTP/1.1  200 OK\r\n${length}`,
    `HTTP/1.1\t200 OK\r\n${length}`,
    `HTTP/1.1 2000 OK\r\n${length}`,
    `HTTP/1.1 20 OK\r\n${length}`,
    `HTTP/1.1 +20 OK\r\n${length}`,
    `HTTP/1.1 099 OK\r\n${length}`,
    `HTTP/1.1 200OK\r\n${length}`,
    `HTTP/1.2 200 OK\r\n${length}`,
    `HTTP/2 200 OK\r\n${length}`,
    `HTTP/1.11 200 OK\r\n${length}`,
    `http/1.1 200 OK\r\n${length}`,
    `ICY 200 OK\r\n${length}`,
    `Status: 200 OK\r\n${length}`,
    "\x01\x06\x00\x01\x00\x10\x00\x00",
    "\x15\x03\x01\x00\x02\x02\x46",
    `${OK}X-Accel-Redirect: /a\r\nX-Accel-Redirect: /b\r\n${length}`,
    "HTTP/1.1 103 Early Hints\r\nA: 1\r\n b\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  ];
  for (const text of faults) {
    eachCut(text, ({ end, status, keeps }, how) => {
      assert.deepEqual(
        { end, status, keeps },
        { end: "fault", status: undefined, keeps: false },
        how,
      );
    });
  }
});

test("Malformed chunks break the response off, however they are cut", () => {
  const chunks = [
    "5\nHello",
    "5 \r\nHello",
    "0x5\r\nHello",
    "-1\r\n",
    "5\r\nHelloX\r\n",
    "\r\n",
    ";\r\n",
    "10000000000000\r\n",
    "0\r\n\n",
    "0\r\nA\r\n\r\n",
    "0\r\n A: b\r\n\r\n",
  ];
  for (const text of chunks) {
    eachCut(`${OK}Transfer-Encoding: chunked\r\n\r\n${text}`, ({ end, status, keeps }, how) => {
      assert.deepEqual({ end, status, keeps }, { end: "fault", status: 200, keeps: false }, how);
    });
  }
});

test("Bytes behind a response, or that nobody has asked for, end the connection", () => {
  const whole = `${OK}Content-Length: 2\r\n\r\nok`;
  const second = `${OK}Content-Length: 6\r\n\r\npoison`;
  for (const more of [second, "x", "\r\n", "\n", "\0"]) {
    eachCut(whole + more, ({ body, end, keeps }, how) => {
      assert.deepEqual({ body, end, keeps }, { body: "ok", end: "end broken", keeps: false }, how);
    });
  }
  const idle = new HttpClientConnection(HEADERS_LENGTH_MAX);
  assert.equal(seen(idle, [latin1(second)]).end, "broken");
  assert.equal(idle.hasFreeId, false);
});

test("A server that takes no more requests is believed", () => {
  const length = "Content-Length: 2\r\n\r\nok";
  const cases: [string, boolean][] = [
    [`${OK}${length}`, true],
    [`${OK}Connection: Close\r\n${length}`, false],
    [`${OK}Connection: x, close\r\n${length}`, false],
    [`${OK}Connection: x\r\nConnection: close\r\n${length}`, false],
    [`HTTP/1.0 200 OK\r\n${length}`, false],
    [`HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n${length}`, true],
  ];
  for (const [text, keeps] of cases) {
    eachCut(text, (response, how) => assert.equal(response.keeps, keeps, how));
  }
  const last = begun({}, false);
  assert.equal(seen(last, [latin1(`${OK}${length}`)]).keeps, false, "we said so ourselves");
});

test("A header section has its limits, of bytes and of fields", () => {
  const headers = (length: number) => {
    const fixed = `${OK}A: \r\nContent-Length: 0\r\n\r\n`;
    return `${OK}A: ${"a".repeat(length - fixed.length)}\r\nContent-Length: 0\r\n\r\n`;
  };
  assert.equal(seen(begun(), [latin1(headers(HEADERS_LENGTH_MAX))]).end, "end");
  assert.equal(seen(begun(), [latin1(headers(HEADERS_LENGTH_MAX + 1))]).end, "fault");
  const endless = seen(begun(), [latin1(`${OK}${"a".repeat(HEADERS_LENGTH_MAX)}`)]);
  assert.equal(endless.end, "fault", "before its end has come");
  const fields = (count: number) => `${OK}${"A:1\r\n".repeat(count - 1)}Content-Length:0\r\n\r\n`;
  assert.equal(seen(begun(), [latin1(fields(RESPONSE_FIELDS_MAX))]).end, "end");
  assert.equal(seen(begun(), [latin1(fields(RESPONSE_FIELDS_MAX + 1))]).end, "fault");
});

test("A status may have no phrase, one of its own, or bytes that no phrase has", () => {
  const reasonOf = (line: string) => {
    const events = begun().receive(latin1(`${line}\r\nContent-Length: 0\r\n\r\n`));
    const [event] = events;
    assert.equal(event?.kind, "headers", line);
    return event?.kind === "headers" ? event.section.reason : undefined;
  };
  assert.equal(reasonOf("HTTP/1.1 200 OK"), undefined);
  assert.equal(reasonOf("HTTP/1.1 200 "), undefined);
  assert.equal(reasonOf("HTTP/1.1 200"), undefined);
  assert.equal(reasonOf("HTTP/1.1 200 Fine"), "Fine");
  assert.equal(reasonOf("HTTP/1.1 799 \u00e9"), undefined);
});

test("A connection switches to what was asked for, and to nothing else", () => {
  const http = { upgrade: "websocket" };
  const line = "HTTP/1.1 101 Switching Protocols\r\n";
  const agreed = `${line}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x01a`;
  eachCut(agreed, ({ body, end, keeps }, how) => {
    assert.deepEqual(
      { body, end, keeps },
      { body: "\x81\x01a", end: "switched end", keeps: false },
      how,
    );
  }, { http, close: true });
  for (
    const other of [
      `${line}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n`,
      `${line}Connection: upgrade\r\n\r\n`,
      `${line}Upgrade: websocket\r\n\r\n`,
      `${line}Connection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n`,
    ]
  ) eachCut(other, ({ end }, how) => assert.equal(end, "fault", how), { http });
  const refused = `${OK}Content-Length: 2\r\n\r\nno`;
  eachCut(refused, ({ body, end, keeps }, how) => {
    assert.deepEqual({ body, end, keeps }, { body: "no", end: "end", keeps: true }, how);
  }, { http });
});

test("A request that was lost says whether any of a response had come", () => {
  const lost = (bytes: string) => {
    const connection = begun();
    connection.receive(latin1(bytes));
    const [event] = connection.receiveEnd(true);
    return event?.kind === "lost" ? event.unanswered : undefined;
  };
  assert.equal(lost(""), true);
  assert.equal(lost("H"), false);
  assert.equal(lost("HTTP/1.1 100 Continue\r\n\r\n"), false);
  assert.equal(lost(`${OK}Content-Length: 3\r\n\r\n`), false);
});

test("Every state of a response knows what may come in it", () => {
  assert.deepEqual(Object.keys(RESPONSE_TRANSITIONS), [
    "idle",
    "headers",
    "body",
    "tunnel",
    "over",
  ]);
  for (const events of Object.values(RESPONSE_TRANSITIONS)) {
    assert.equal(events.over, "over");
  }
});

test("What one request has used up is not the next one's: interim responses, and its body", () => {
  const connection = begun();
  const interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(INTERIM_RESPONSES_MAX);
  const params = latin1("GET / HTTP/1.1\r\nhost: a\r\n");
  for (let request = 0; request < 3; request++) {
    const { end, interim: told } = seen(connection, [
      latin1(`${interim}${OK}Content-Length: 0\r\n\r\n`),
    ]);
    assert.deepEqual([end, told.length], ["end", INTERIM_RESPONSES_MAX]);
    connection.begin({ role: Role.RESPONDER, keepConnection: true, params, http: GET });
  }
});

test("Behind a response that came early nothing of the body is sent, nor missed", () => {
  for (const bodyLength of [9, undefined]) {
    const connection = begun({ method: "POST", hasBody: true, bodyLength });
    connection.takeOutput();
    assert.equal(seen(connection, [latin1(`${OK}Content-Length: 0\r\n\r\n`)]).end, "end");
    connection.endStdin(1);
    assert.equal(connection.takesStdin(1), false);
    assert.equal(connection.outputLength, 0);
  }
});

test("What a 101 says of a body is not believed", () => {
  const connection = begun({ upgrade: "websocket" });
  const fields = "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n";
  const [event] = connection.receive(latin1(`HTTP/1.1 101 S\r\n${fields}`));
  assert.ok(event?.kind === "switched");
  assert.equal(event.section.contentLength, undefined);
});

test("A connection that has sent a whole body is kept, and in use as long as it has a request", () => {
  for (const bodyLength of [3, undefined]) {
    const connection = begun({ method: "POST", hasBody: true, bodyLength });
    assert.deepEqual([connection.inUse, connection.hasFreeId], [1, false]);
    connection.sendStdin(1, latin1("abc"));
    connection.endStdin(1);
    assert.equal(seen(connection, [latin1(`${OK}Content-Length: 0\r\n\r\n`)]).keeps, true);
    assert.deepEqual([connection.inUse, connection.isLast], [0, false]);
  }
});
