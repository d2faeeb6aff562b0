import { test } from "node:test";
import assert from "node:assert/strict";
import {
  ProtocolStatus,
  RECORD_LENGTH_MAX,
  RecordType,
  Role,
} from "../../src/protocol/constants.ts";
import { ClientConnection } from "../../src/protocol/client_connection.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import {
  ServerConnection,
  type ServerConnectionOptions,
  type ServerEvent,
} from "../../src/protocol/server_connection.ts";

const KIB = 1024;

function serverWith(options: Partial<ServerConnectionOptions> = {}): ServerConnection {
  return new ServerConnection({
    multiplex: true,
    quota: new RequestQuota(100),
    requestsMax: 1000,
    connectionsMax: 10,
    paramsLengthMax: 256 * KIB,
    paramsMax: 1000,
    ...options,
  });
}

/** The bytes of hexadecimal text in which spaces and line ends mean nothing. */
function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replace(/\s/g, "").match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function assertOutput(server: ServerConnection, hex: string): void {
  assert.equal(hexOf(server.takeOutput()), hex.replace(/\s/g, ""));
}

/** An event as one line of text, so that lists of them can be compared at a glance. */
function line(event: ServerEvent): string {
  switch (event.kind) {
    case "begin":
      return `begin ${event.requestId} role ${event.role} ${
        JSON.stringify(Object.fromEntries(event.parameters.toMap()))
      }`;
    case "stdin":
    case "data":
      return `${event.kind} ${event.requestId} ${new TextDecoder().decode(event.bytes)}`;
    case "broken":
      return `broken ${event.error.code}`;
    case "fault":
      return `fault ${event.requestId} ${event.error.code}`;
    default:
      return `${event.kind} ${event.requestId}`;
  }
}

/** Joins what neighbouring events of the same stream say: how it was cut means nothing. */
function joined(events: readonly ServerEvent[]): string[] {
  const lines: string[] = [];
  for (const text of events.map(line)) {
    const [kind, id, rest] = text.split(" ", 3);
    const last = lines.at(-1);
    if ((kind === "stdin" || kind === "data") && last?.startsWith(`${kind} ${id} `)) {
      lines[lines.length - 1] = last + rest;
    } else {
      lines.push(text);
    }
  }
  return lines;
}

function lines(events: readonly ServerEvent[]): string[] {
  return events.map(line);
}

function encoded(write: (encoder: RecordEncoder) => void): Uint8Array {
  const encoder = new RecordEncoder();
  write(encoder);
  return encoder.take();
}

interface Sent {
  id?: number;
  role?: number;
  keep?: boolean;
  params?: [string, string][];
  stdin?: string | null;
}

/** A whole request; with `stdin` null its STDIN is left open. */
function request(
  { id = 1, role = Role.RESPONDER, keep = true, params = [["A", "1"]], stdin = "" }: Sent = {},
) {
  return encoded((encoder) => {
    encoder.beginRequest(id, role, keep);
    encoder.stream(RecordType.PARAMS, id, encodeNameValues(params));
    encoder.streamEnd(RecordType.PARAMS, id);
    if (stdin === null) return;
    encoder.stream(RecordType.STDIN, id, new TextEncoder().encode(stdin));
    encoder.streamEnd(RecordType.STDIN, id);
  });
}

function record(type: number, id: number, content: Uint8Array = new Uint8Array(0)): Uint8Array {
  return encoded((encoder) => encoder.record(type, id, content));
}

/** A request byte for byte: BEGIN, PARAMS in two records that cut a value, STDIN, its end. */
const REQUEST_BYTES = bytesOf(`
  01 01 0001 0008 00 00  0001 01 0000000000
  01 04 0001 0004 04 00  01 03 41 62             00000000
  01 04 0001 0002 06 00  63 64                   000000000000
  01 04 0001 0000 00 00
  01 05 0001 0005 03 00  68656c6c6f              000000
  01 05 0001 0000 00 00
`);
const REQUEST_LINES = ['begin 1 role 1 {"A":"bcd"}', "stdin 1 hello", "stdin_end 1"];

test("ServerConnection reads a request byte for byte", () => {
  assert.deepEqual(lines(serverWith().receive(REQUEST_BYTES)), REQUEST_LINES);
});

test("ServerConnection reads a request that comes one byte at a time", () => {
  const server = serverWith();
  const events: ServerEvent[] = [];
  for (const byte of REQUEST_BYTES) events.push(...server.receive(Uint8Array.of(byte)));
  assert.deepEqual(lines(events), REQUEST_LINES);
});

test("ServerConnection reads a request cut at every length, in memory that is reused", () => {
  for (let cut = 0; cut <= REQUEST_BYTES.length; cut++) {
    const server = serverWith();
    const events: string[] = [];
    for (const part of [REQUEST_BYTES.slice(0, cut), REQUEST_BYTES.slice(cut)]) {
      events.push(...lines(server.receive(part)));
      part.fill(0xff);
    }
    assert.deepEqual(events, REQUEST_LINES, `cut at ${cut}`);
  }
});

test("ServerConnection sends STDOUT, its end and END_REQUEST byte for byte", () => {
  const server = serverWith();
  server.receive(REQUEST_BYTES);
  server.sendStdout(1, bytesOf("68690a"));
  server.endStdout(1);
  server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  assertOutput(
    server,
    `01 06 0001 0003 05 00  68690a 0000000000
     01 06 0001 0000 00 00
     01 03 0001 0008 00 00  00000000 00 000000`,
  );
  assert.equal(server.inUse, 0);
  assert.equal(server.finished, false);
});

test("ServerConnection ends STDERR too when it was used", () => {
  const server = serverWith();
  server.receive(REQUEST_BYTES);
  server.sendStderr(1, bytesOf("6f6f7073"));
  server.endStdout(1);
  server.endRequest(1, 0x01020304, ProtocolStatus.REQUEST_COMPLETE);
  assertOutput(
    server,
    `01 07 0001 0004 04 00  6f6f7073 00000000
     01 06 0001 0000 00 00
     01 07 0001 0000 00 00
     01 03 0001 0008 00 00  01020304 00 000000`,
  );
});

test("ServerConnection cuts STDOUT at 65,528 bytes", () => {
  const server = serverWith();
  server.receive(request());
  server.sendStdout(1, new Uint8Array(65_529));
  const output = server.takeOutput();
  assert.equal(output.length, 8 + 65_528 + 8 + 1 + 7);
  assert.equal(hexOf(output.subarray(0, 8)), "01060001fff80000");
  assert.equal(hexOf(output.subarray(8 + 65_528, 16 + 65_528)), "0106000100010700");
});

test("ServerConnection tells requests apart whose records are mixed, in any order of ends", () => {
  const server = serverWith();
  const pieces = [3, 1, 2].map((id) =>
    request({ id, params: [["ID", `${id}`]], stdin: `body ${id}`.repeat(20) })
  );
  const cursors = pieces.map(() => 0);
  const stream: number[] = [];
  // One record of each request in turn.
  while (cursors.some((cursor, index) => cursor < pieces[index]!.length)) {
    pieces.forEach((bytes, index) => {
      const start = cursors[index]!;
      if (start >= bytes.length) return;
      const length = 8 + (bytes[start + 4]! << 8) + bytes[start + 5]! + bytes[start + 6]!;
      stream.push(...bytes.subarray(start, start + length));
      cursors[index] = start + length;
    });
  }
  const seen: string[] = [];
  for (let start = 0; start < stream.length; start += 7) {
    seen.push(...joined(server.receive(Uint8Array.from(stream.slice(start, start + 7)))));
  }
  for (const id of [1, 2, 3]) {
    assert.deepEqual(seen.filter((text) => text.split(" ")[1] === `${id}`), [
      `begin ${id} role 1 {"ID":"${id}"}`,
      `stdin ${id} ${`body ${id}`.repeat(20)}`,
      `stdin_end ${id}`,
    ]);
  }
  for (const id of [2, 3, 1]) server.endRequest(id, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.equal(server.inUse, 0);
});

test("ServerConnection takes parameters cut into records of one byte", () => {
  const server = serverWith();
  const params = encodeNameValues([["NAME", "v".repeat(300)], ["", ""], ["É", "ü"]]);
  const bytes = encoded((encoder) => {
    encoder.beginRequest(7, Role.RESPONDER, true);
    for (const byte of params) encoder.stream(RecordType.PARAMS, 7, Uint8Array.of(byte));
    encoder.streamEnd(RecordType.PARAMS, 7);
  });
  assert.deepEqual(lines(server.receive(bytes)), [
    `begin 7 role 1 {"NAME":"${"v".repeat(300)}","":"","É":"ü"}`,
  ]);
});

test("ServerConnection takes a request without parameters", () => {
  assert.deepEqual(lines(serverWith().receive(request({ params: [] }))), [
    "begin 1 role 1 {}",
    "stdin_end 1",
  ]);
});

test("ServerConnection gives a filter STDIN and then DATA", () => {
  const server = serverWith();
  const bytes = encoded((encoder) => {
    encoder.stream(RecordType.DATA, 1, Uint8Array.of(0x66));
    encoder.streamEnd(RecordType.DATA, 1);
  });
  assert.deepEqual(lines(server.receive(request({ role: Role.FILTER, stdin: "in" }))), [
    'begin 1 role 3 {"A":"1"}',
    "stdin 1 in",
    "stdin_end 1",
  ]);
  assert.deepEqual(lines(server.receive(bytes)), ["data 1 f", "data_end 1"]);
});

test("ServerConnection gives an authorizer parameters only, whether STDIN comes or not", () => {
  const server = serverWith();
  const bare = request({ id: 1, role: Role.AUTHORIZER, stdin: null });
  const ended = request({ id: 2, role: Role.AUTHORIZER, stdin: "dropped" });
  assert.deepEqual(lines(server.receive(bare)), ['begin 1 role 2 {"A":"1"}']);
  assert.deepEqual(lines(server.receive(ended)), ['begin 2 role 2 {"A":"1"}']);
  assert.equal(server.awaitsInput, false);
});

test("ServerConnection is finished after the response to a request without KEEP_CONN", () => {
  const server = serverWith();
  server.receive(request({ id: 1, keep: false }));
  server.receive(request({ id: 2 }));
  assert.equal(server.finished, false);
  server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.equal(server.finished, false, "the other request is still in flight");
  server.endRequest(2, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.equal(server.finished, true);
});

test("ServerConnection tells of an abort once and takes what still comes in silence", () => {
  const server = serverWith();
  server.receive(request({ stdin: null }));
  assert.deepEqual(lines(server.receive(record(RecordType.ABORT_REQUEST, 1))), ["abort 1"]);
  const late = encoded((encoder) => {
    encoder.stream(RecordType.STDIN, 1, Uint8Array.of(1));
    encoder.streamEnd(RecordType.STDIN, 1);
    encoder.abortRequest(1);
  });
  assert.deepEqual(server.receive(late), []);
  assert.equal(server.inUse, 1, "the id is in use until its END_REQUEST");
  server.endRequest(1, 1, ProtocolStatus.REQUEST_COMPLETE);
  assertOutput(server, "01 03 0001 0008 00 00  00000001 00 000000");
});

test("ServerConnection ends a request itself that is aborted before its parameters are there", () => {
  const quota = new RequestQuota(1);
  const server = serverWith({ quota });
  const begun = encoded((encoder) => encoder.beginRequest(1, Role.RESPONDER, true));
  assert.deepEqual(server.receive(begun), []);
  assert.equal(quota.taken, 1);
  assert.deepEqual(server.receive(record(RecordType.ABORT_REQUEST, 1)), []);
  assertOutput(server, "01 03 0001 0008 00 00  00000000 00 000000");
  assert.equal(quota.taken, 0);
});

test("ServerConnection takes an id again after its END_REQUEST, with stray records between", () => {
  const server = serverWith();
  server.receive(request({ stdin: null }));
  server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  const stray = encoded((encoder) => {
    encoder.stream(RecordType.STDIN, 1, Uint8Array.of(1));
    encoder.streamEnd(RecordType.STDIN, 1);
    encoder.abortRequest(9);
  });
  assert.deepEqual(server.receive(stray), []);
  assert.equal(server.strayRecords, 3);
  assert.equal(server.receive(request())[0]?.kind, "begin");
});

test("ServerConnection answers CANT_MPX_CONN to a second request when multiplexing is off", () => {
  const server = serverWith({ multiplex: false });
  server.receive(request({ id: 1, stdin: null }));
  assert.deepEqual(server.receive(request({ id: 2 })), []);
  assertOutput(server, "01 03 0002 0008 00 00  00000000 01 000000");
  assert.equal(server.inUse, 1);
  server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.equal(server.receive(request({ id: 2 }))[0]?.kind, "begin");
});

test("ServerConnection answers OVERLOADED over the quota that all connections share", () => {
  const quota = new RequestQuota(2);
  const [first, second] = [serverWith({ quota }), serverWith({ quota })];
  first.receive(request({ id: 1 }));
  second.receive(request({ id: 1 }));
  assert.deepEqual(second.receive(request({ id: 2 })), []);
  assertOutput(second, "01 03 0002 0008 00 00  00000000 02 000000");
  first.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.equal(second.receive(request({ id: 2 }))[0]?.kind, "begin");
});

test("ServerConnection answers UNKNOWN_ROLE, and then closes where KEEP_CONN is not set", () => {
  const server = serverWith();
  assert.deepEqual(server.receive(request({ role: 4 })), []);
  assertOutput(server, "01 03 0001 0008 00 00  00000000 03 000000");
  assert.equal(server.finished, false);
  server.receive(request({ role: 0, keep: false }));
  assert.equal(server.finished, true);
});

test("ServerConnection answers OVERLOADED while it drains and is finished after the last end", () => {
  const server = serverWith();
  server.receive(request({ id: 1 }));
  server.drain();
  assert.deepEqual(server.receive(request({ id: 2 })), []);
  assertOutput(server, "01 03 0002 0008 00 00  00000000 02 000000");
  assert.equal(server.finished, false);
  server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.equal(server.finished, true);
});

test("ServerConnection answers GET_VALUES for the names asked, each once, and no others", () => {
  const server = serverWith({ quota: new RequestQuota(50), connectionsMax: 7 });
  const ask = (...names: string[]) =>
    record(RecordType.GET_VALUES, 0, encodeNameValues(names.map((name) => [name, ""])));
  server.receive(ask("FCGI_MPXS_CONNS"));
  assertOutput(
    server,
    "01 0a 0000 0012 06 00  0f 01 464347495f4d5058535f434f4e4e53 31 000000000000",
  );
  server.receive(ask("FCGI_MAX_REQS", "OTHER", "FCGI_MAX_CONNS", "FCGI_MAX_REQS"));
  assertOutput(
    server,
    `01 0a 0000 0022 06 00
     0d 02 464347495f4d41585f52455153   3530
     0e 01 464347495f4d41585f434f4e4e53 37 000000000000`,
  );
  server.receive(ask());
  assertOutput(server, "01 0a 0000 0000 00 00");
});

test("ServerConnection says FCGI_MPXS_CONNS 0 when multiplexing is off", () => {
  const client = new ClientConnection(1);
  const server = serverWith({ multiplex: false });
  client.getValues(["FCGI_MPXS_CONNS"]);
  server.receive(client.takeOutput());
  const [event] = client.receive(server.takeOutput());
  assert.deepEqual(event, { kind: "values", values: new Map([["FCGI_MPXS_CONNS", "0"]]) });
});

test("ServerConnection answers UNKNOWN_TYPE to unknown management records, but not to itself", () => {
  const server = serverWith();
  server.receive(record(99, 0, Uint8Array.of(1, 2)));
  assertOutput(server, "01 0b 0000 0008 00 00  63 00000000000000");
  server.receive(record(RecordType.UNKNOWN_TYPE, 0, new Uint8Array(8)));
  assertOutput(server, "");
});

const BREACHES: readonly [what: string, bytes: Uint8Array, code: string][] = [
  ["HTTP", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), "bad_version"],
  [
    "a BEGIN_REQUEST of 3 bytes",
    record(RecordType.BEGIN_REQUEST, 5, new Uint8Array(3)),
    "bad_record",
  ],
  [
    "a BEGIN_REQUEST for an id in use",
    record(RecordType.BEGIN_REQUEST, 1, new Uint8Array(8)),
    "bad_record",
  ],
  ["a request's record with id 0", record(RecordType.STDIN, 0), "bad_record"],
  ["a response's record", record(RecordType.STDOUT, 1, Uint8Array.of(1)), "bad_record"],
  ["PARAMS after their end", record(RecordType.PARAMS, 1), "bad_transition"],
  ["DATA to a responder", record(RecordType.DATA, 1, Uint8Array.of(1)), "bad_transition"],
  [
    "half a pair in GET_VALUES",
    record(RecordType.GET_VALUES, 0, Uint8Array.of(9, 0, 65)),
    "bad_name_value",
  ],
];

for (const [what, bytes, code] of BREACHES) {
  test(`ServerConnection is broken by ${what} and loses its requests`, () => {
    const quota = new RequestQuota(10);
    const server = serverWith({ quota });
    server.receive(request({ id: 1, stdin: null }));
    server.receive(encoded((encoder) => encoder.beginRequest(2, Role.RESPONDER, true)));
    assert.deepEqual(lines(server.receive(bytes)), [`broken ${code}`, "lost 1"]);
    assert.equal(server.finished, true);
    assert.equal(quota.taken, 0);
    assert.deepEqual(server.receive(request({ id: 3 })), []);
    assert.deepEqual(server.receiveEnd(), []);
  });
}

test("ServerConnection says of a breach that the web server failed and the connection is over", () => {
  const [event] = serverWith().receive(Uint8Array.of(2));
  assert.ok(event?.kind === "broken");
  assert.deepEqual([event.error.fault, event.error.scope], ["client", "connection"]);
});

test("ServerConnection is broken by STDIN before the parameters' end, and by STDIN after its own", () => {
  const early = serverWith();
  early.receive(encoded((encoder) => encoder.beginRequest(1, Role.RESPONDER, true)));
  assert.deepEqual(lines(early.receive(record(RecordType.STDIN, 1))), ["broken bad_transition"]);
  const late = serverWith();
  late.receive(request());
  assert.equal(line(late.receive(record(RecordType.STDIN, 1))[0]!), "broken bad_transition");
});

test("ServerConnection loses the requests that somebody has heard of when the web server leaves", () => {
  const quota = new RequestQuota(10);
  const server = serverWith({ quota });
  server.receive(request({ id: 4 }));
  server.receive(encoded((encoder) => encoder.beginRequest(5, Role.RESPONDER, true)));
  assert.deepEqual(lines(server.receiveEnd()), ["lost 4"]);
  assert.equal(quota.taken, 0);
});

test("ServerConnection faults parameters over their length and drops the rest of the request", () => {
  const server = serverWith({ paramsLengthMax: 100 });
  const fits = request({ id: 1, params: [["N", "v".repeat(97)]] });
  assert.equal(server.receive(fits)[0]?.kind, "begin");
  const over = request({ id: 2, params: [["N", "v".repeat(98)]], stdin: "never seen" });
  assert.deepEqual(lines(server.receive(over)), ["fault 2 params_too_large"]);
  assert.equal(server.inUse, 2, "it still wants a response and its end");
  server.endRequest(2, 0, ProtocolStatus.REQUEST_COMPLETE);
});

test("ServerConnection faults parameters over their number", () => {
  const server = serverWith({ paramsMax: 2 });
  const pairs = (count: number): [string, string][] =>
    Array.from({ length: count }, (_, index) => [`N${index}`, ""]);
  assert.equal(server.receive(request({ id: 1, params: pairs(2) }))[0]?.kind, "begin");
  const [event] = server.receive(request({ id: 2, params: pairs(3) }));
  assert.equal(line(event!), "fault 2 params_too_large");
  assert.ok(event?.kind === "fault" && event.error.scope === "request");
});

test("ServerConnection faults parameters that end within a pair, wherever they are cut", () => {
  const pair = encodeNameValues([["N".repeat(130), "v".repeat(130)]]);
  for (let length = 1; length < pair.length; length++) {
    const bytes = encoded((encoder) => {
      encoder.beginRequest(1, Role.RESPONDER, true);
      encoder.stream(RecordType.PARAMS, 1, pair.subarray(0, length));
      encoder.streamEnd(RecordType.PARAMS, 1);
      encoder.streamEnd(RecordType.STDIN, 1);
    });
    assert.deepEqual(lines(serverWith().receive(bytes)), ["fault 1 bad_name_value"], `${length}`);
  }
});

test("ServerConnection awaits input within a record and until a body's end", () => {
  const server = serverWith();
  assert.equal(server.awaitsInput, false);
  const bytes = request();
  server.receive(bytes.subarray(0, 3));
  assert.equal(server.awaitsInput, true);
  server.receive(bytes.subarray(3, bytes.length - 8));
  assert.equal(server.awaitsInput, true);
  server.receive(bytes.subarray(bytes.length - 8));
  assert.equal(server.awaitsInput, false);
});

test("ServerConnection refuses to send for a request that has ended, or behind STDOUT's end", () => {
  const server = serverWith();
  server.receive(request());
  server.endStdout(1);
  assert.throws(
    () => server.sendStdout(1, Uint8Array.of(1)),
    (error) => error instanceof ProtocolError && error.fault === "local",
  );
  server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE);
  assert.throws(() => server.sendStderr(1, Uint8Array.of(1)), RangeError);
  assert.throws(() => server.endRequest(1, 0, ProtocolStatus.REQUEST_COMPLETE), RangeError);
});

test("ServerConnection takes the longest record there is", () => {
  const bytes = new Uint8Array(RECORD_LENGTH_MAX).fill(0x61);
  bytes.set(bytesOf("01 05 0001 ffff ff 00"));
  const server = serverWith();
  server.receive(request({ stdin: null }));
  const events = [
    ...server.receive(bytes.slice(0, 40_000)),
    ...server.receive(bytes.slice(40_000)),
  ];
  assert.deepEqual(lines(events), [`stdin 1 ${"a".repeat(65_535)}`]);
});

test("ServerConnection and ClientConnection understand each other over 500 requests at once", () => {
  const client = new ClientConnection(500);
  const server = serverWith({ quota: new RequestQuota(500) });
  const params = encodeNameValues([["REQUEST_METHOD", "POST"]]);
  for (let count = 0; count < 500; count++) {
    const id = client.begin({ role: Role.RESPONDER, keepConnection: true, params });
    client.sendStdin(id, new TextEncoder().encode(`body of ${id}`));
    client.endStdin(id);
  }
  const bodies = new Map<number, string>();
  for (const event of server.receive(client.takeOutput())) {
    if (event.kind === "stdin") bodies.set(event.requestId, new TextDecoder().decode(event.bytes));
  }
  for (const id of [...bodies.keys()].reverse()) {
    server.sendStdout(id, new TextEncoder().encode(`response to ${bodies.get(id)}`));
    server.endStdout(id);
    server.endRequest(id, 0, ProtocolStatus.REQUEST_COMPLETE);
  }
  const responses = new Map<number, string>();
  let ended = 0;
  for (const event of client.receive(server.takeOutput())) {
    if (event.kind === "stdout") {
      responses.set(event.requestId, new TextDecoder().decode(event.bytes));
    }
    if (event.kind === "end") ended++;
  }
  assert.equal(ended, 500);
  for (const [id, text] of responses) assert.equal(text, `response to body of ${id}`);
  assert.equal(responses.size, 500);
});
