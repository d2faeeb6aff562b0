/**
 * ClientConnection against exact bytes and in every fragmentation. Events are written as one line of
 * text each, and neighbouring pieces of one stream are joined: how they were cut means nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ClientConnection, type ClientEvent } from "../../src/protocol/client_connection.ts";
import { ClientRequestState } from "../../src/protocol/client_request_state.ts";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { decodeNameValues, encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { cut, fragmentations, join, offsetsIn } from "../support/fragments.ts";

const { STDIN, STDOUT, STDERR, END_REQUEST, DATA, PARAMS } = RecordType;
const PARAMS_BYTES = encodeNameValues([["A", "1"]]);

function encoded(write: (encoder: RecordEncoder) => void): Uint8Array<ArrayBuffer> {
  const encoder = new RecordEncoder();
  write(encoder);
  return encoder.take().slice();
}

function record(type: number, id: number, content = ""): Uint8Array<ArrayBuffer> {
  return encoded((encoder) => encoder.record(type, id, new TextEncoder().encode(content)));
}

function ended(id: number, status = 0, appStatus = 0): Uint8Array<ArrayBuffer> {
  return encoded((encoder) => encoder.endRequest(id, appStatus, status));
}

function begin(client: ClientConnection, role: Role = Role.RESPONDER): number {
  return client.begin({ role, keepConnection: true, params: PARAMS_BYTES });
}

/** With this many requests begun, and nothing left to send. */
function clientWith(requests: number, streamsMax = 10): ClientConnection {
  const client = new ClientConnection(streamsMax);
  for (let count = 0; count < requests; count++) begin(client);
  client.takeOutput();
  return client;
}

function line(event: ClientEvent): string {
  switch (event.kind) {
    case "stdout":
    case "stderr":
      return `${event.kind} ${event.requestId} ${new TextDecoder("latin1").decode(event.bytes)}`;
    case "end":
      return `end ${event.requestId} status ${event.protocolStatus} app ${event.appStatus}`;
    case "fault":
      return `fault ${event.requestId} ${event.error.code} ${event.error.fault}`;
    case "lost":
      return `lost ${event.requestId}${event.finished ? " finished" : ""}`;
    case "values":
      return `values ${JSON.stringify(Object.fromEntries(event.values))}`;
    case "unknown_type":
      return `unknown_type ${event.type}`;
    case "unknown_record":
      return `unknown_record ${event.type}`;
    case "broken":
      return `broken ${event.error.code}`;
    case "stdout_end":
    case "headers":
    case "interim":
    case "switched":
      return `${event.kind} ${event.requestId}`;
  }
}

function lines(events: readonly ClientEvent[]): string[] {
  const all: string[] = [];
  for (const text of events.map(line)) {
    const [kind = "", id = ""] = text.split(" ", 2);
    const last = all.at(-1);
    const isPiece = kind === "stdout" || kind === "stderr";
    if (isPiece && last?.startsWith(`${kind} ${id} `)) {
      all[all.length - 1] = last + text.slice(kind.length + id.length + 2);
    } else {
      all.push(text);
    }
  }
  return all;
}

function assertOutput(client: ClientConnection, hex: string): void {
  const bytes = Array.from(client.takeOutput(), (byte) => byte.toString(16).padStart(2, "0"));
  assert.equal(bytes.join(""), hex.replace(/\s/g, ""));
}

/** What bytes say to a connection with requests 1 to `requests`, the same however they are cut. */
function linesOf(bytes: Uint8Array, requests = 1): string[] {
  const whole = lines(clientWith(requests).receive(bytes));
  for (const { how, pieces } of fragmentations(bytes)) {
    const client = clientWith(requests);
    assert.deepEqual(lines(pieces.flatMap((piece) => client.receive(piece))), whole, how);
  }
  return whole;
}

test("ClientConnection begins a request byte for byte", () => {
  const client = new ClientConnection(10);
  assert.equal(begin(client), 1);
  client.endStdin(1);
  assertOutput(
    client,
    `01 01 0001 0008 00 00  0001 01 0000000000
     01 04 0001 0004 04 00  01 01 41 31  00000000
     01 04 0001 0000 00 00
     01 05 0001 0000 00 00`,
  );
});

test("ClientConnection does not ask to keep the connection where it should not", () => {
  const client = new ClientConnection(1);
  client.begin({ role: Role.AUTHORIZER, keepConnection: false, params: new Uint8Array(0) });
  assertOutput(client, "01 01 0001 0008 00 00  0002 00 0000000000  01 04 0001 0000 00 00");
});

test("ClientConnection sends STDIN, its end, DATA and its end, and an abort byte for byte", () => {
  const client = new ClientConnection(10);
  begin(client, Role.FILTER);
  client.takeOutput();
  client.sendStdin(1, new TextEncoder().encode("in"));
  client.endStdin(1);
  client.sendData(1, new TextEncoder().encode("data"));
  client.endData(1);
  client.abort(1);
  assertOutput(
    client,
    `01 05 0001 0002 06 00  696e      000000000000
     01 05 0001 0000 00 00
     01 08 0001 0004 04 00  64617461  00000000
     01 08 0001 0000 00 00
     01 02 0001 0000 00 00`,
  );
});

test("ClientConnection asks for values byte for byte and reads what comes back", () => {
  const client = new ClientConnection(1);
  client.getValues(["FCGI_MPXS_CONNS"]);
  assertOutput(client, "01 09 0000 0011 07 00  0f00 464347495f4d5058535f434f4e4e53 00000000000000");
  const result = encoded((encoder) => {
    const values = encodeNameValues([["FCGI_MPXS_CONNS", "1"], ["FCGI_MAX_REQS", "50"]]);
    encoder.record(RecordType.GET_VALUES_RESULT, 0, values);
    encoder.unknownType(99);
  });
  assert.deepEqual(linesOf(result, 0), [
    'values {"FCGI_MPXS_CONNS":"1","FCGI_MAX_REQS":"50"}',
    "unknown_type 99",
  ]);
});

test("ClientConnection gives a response's events by request, in every fragmentation", () => {
  const bytes = join([
    record(STDOUT, 1, "one"),
    record(STDOUT, 2, "two"),
    record(STDERR, 1, "oops"),
    record(STDERR, 2),
    record(STDOUT, 1),
    ended(1, 0, 7),
    ended(2, 2),
  ]);
  assert.deepEqual(linesOf(bytes, 2), [
    "stdout 1 one",
    "stdout 2 two",
    "stderr 1 oops",
    "stdout_end 1",
    "end 1 status 0 app 7",
    "end 2 status 2 app 0",
  ]);
});

test("ClientConnection gives an id again only after its END_REQUEST, the lowest first", () => {
  const client = clientWith(3);
  client.receive(record(STDOUT, 1));
  assert.equal(client.inUse, 3, "STDOUT's end is no end of the request");
  client.receive(ended(2));
  assert.equal(client.isInUse(2), false);
  assert.equal(begin(client), 2);
  assert.equal(begin(client), 4);
});

test("ClientConnection refuses a request when every id is in use", () => {
  const client = clientWith(2, 2);
  assert.equal(client.hasFreeId, false);
  assert.throws(
    () => begin(client),
    (error) => error instanceof ProtocolError && error.code === "no_free_id",
  );
  client.receive(ended(1));
  assert.equal(client.hasFreeId, true);
});

test("ClientConnection keeps the id of an aborted request and is silent about it until its end", () => {
  const client = clientWith(2);
  client.abort(1);
  const late = join([record(STDOUT, 1, "late"), record(STDERR, 1, "late"), record(STDOUT, 1)]);
  assert.deepEqual(client.receive(late), []);
  assert.deepEqual([client.inUse, client.isInUse(1), client.takesStdin(1)], [2, true, false]);
  assert.deepEqual(lines(client.receive(ended(1))), ["end 1 status 0 app 0"]);
  assert.deepEqual([client.inUse, client.retiredIds], [1, 1]);
});

test("ClientConnection never uses the id of an aborted request again: Go goes on writing under it", () => {
  const client = clientWith(1, 2);
  client.abort(1);
  client.receive(ended(1));
  assert.equal(begin(client), 2);
  assert.deepEqual(client.receive(record(STDOUT, 1, "late")), []);
  assert.equal(client.strayRecords, 1);
  client.receive(ended(2));
  assert.equal(begin(client), 2, "the id of a request that was not aborted is free again");
  assert.equal(client.hasFreeId, false);
});

test("ClientConnection cuts a long run of parameters between pairs: php-fpm wants it so", () => {
  const client = new ClientConnection(1);
  const pairs = Array.from({ length: 5 }, (_, index) => [`N${index}`, "v".repeat(20_000)] as const);
  client.begin({ role: Role.RESPONDER, keepConnection: true, params: encodeNameValues(pairs) });
  const decoder = new RecordDecoder();
  decoder.push(client.takeOutput());
  const read: unknown[] = [];
  for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
    if (next.type === PARAMS) read.push(...decodeNameValues(next.content));
  }
  assert.deepEqual(read, pairs);
});

test("ClientConnection counts and drops records of a request that has ended", () => {
  const client = clientWith(2);
  client.receive(ended(1));
  const stray = join([record(STDOUT, 1, "stray"), record(STDERR, 1, "stray"), ended(1), ended(1)]);
  assert.deepEqual(client.receive(stray), []);
  assert.equal(client.strayRecords, 4);
  assert.equal(client.inUse, 1);
});

test("ClientConnection breaks at a record for an id that was never given out", () => {
  for (const bytes of [record(STDOUT, 3, "x"), ended(3), record(STDERR, 65_535, "x")]) {
    assert.deepEqual(linesOf(bytes, 2), ["broken bad_request_id", "lost 1", "lost 2"]);
  }
});

test("ClientConnection breaks at bytes that are not FastCGI, and then says nothing more", () => {
  const client = clientWith(2);
  client.receive(record(STDOUT, 2));
  const events = client.receive(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n"));
  assert.deepEqual(lines(events), ["broken bad_version", "lost 1", "lost 2 finished"]);
  assert.deepEqual(client.receive(ended(1)), []);
  assert.deepEqual(client.receiveEnd(), []);
  assert.deepEqual([client.inUse, client.hasFreeId], [0, false]);
  assert.throws(() => begin(client), ProtocolError);
});

test("ClientConnection breaks at records that no application may send", () => {
  const ofRequest = [RecordType.BEGIN_REQUEST, RecordType.ABORT_REQUEST, PARAMS, STDIN, DATA];
  for (const type of ofRequest) {
    assert.deepEqual(linesOf(record(type, 1, "x")), ["broken bad_record", "lost 1"], `${type}`);
  }
  for (const type of [STDOUT, STDERR, END_REQUEST, RecordType.GET_VALUES]) {
    assert.deepEqual(linesOf(record(type, 0, "x")), ["broken bad_record", "lost 1"], `${type}`);
  }
});

test("ClientConnection skips records of unknown types, whatever id they have, and tells them", () => {
  for (const type of [0, 12, 99, 255]) {
    for (const id of [0, 1, 7]) {
      const bytes = join([record(type, id, "x"), record(STDOUT, 1, "a"), ended(1)]);
      assert.deepEqual(linesOf(bytes), [
        `unknown_record ${type}`,
        "stdout 1 a",
        "end 1 status 0 app 0",
      ]);
    }
  }
  const client = clientWith(1);
  client.abort(1);
  assert.deepEqual(lines(client.receive(record(99, 1, "x"))), ["unknown_record 99"]);
});

test("ClientConnection breaks at an END_REQUEST that is too short, and at bad values", () => {
  assert.deepEqual(linesOf(record(END_REQUEST, 1, "short")), ["broken bad_record", "lost 1"]);
  const values = record(RecordType.GET_VALUES_RESULT, 0, "\x05\x05ab");
  assert.deepEqual(linesOf(values), ["broken bad_name_value", "lost 1"]);
});

test("ClientConnection takes STDOUT on behind an empty record, which counts where a close follows", () => {
  const bytes = join([record(STDOUT, 1), record(STDOUT, 1, "more"), record(STDOUT, 2, "fine")]);
  const client = clientWith(2);
  assert.deepEqual(lines(client.receive(bytes)), [
    "stdout_end 1",
    "stdout 1 more",
    "stdout 2 fine",
  ]);
  client.receive(record(STDOUT, 2));
  assert.deepEqual(lines(client.receiveEnd()), ["lost 1", "lost 2 finished"]);
});

test("ClientConnection lets STDOUT end twice: some applications do", () => {
  const bytes = join([record(STDOUT, 1, "a"), record(STDOUT, 1), record(STDOUT, 1), ended(1)]);
  assert.deepEqual(linesOf(bytes), [
    "stdout 1 a",
    "stdout_end 1",
    "stdout_end 1",
    "end 1 status 0 app 0",
  ]);
});

test("ClientConnection loses its requests when the connection ends, and says which had finished", () => {
  const client = clientWith(3);
  client.receive(join([record(STDOUT, 1, "a"), record(STDOUT, 2)]));
  client.abort(3);
  assert.deepEqual(lines(client.receiveEnd()), ["lost 1", "lost 2 finished", "lost 3"]);
  assert.deepEqual(client.receiveEnd(), []);
  assert.equal(client.inUse, 0);
});

test("ClientConnection refuses to use a request that has ended", () => {
  const client = clientWith(1);
  client.receive(ended(1));
  for (const use of ["sendStdin", "sendData"] as const) {
    assert.throws(() => client[use](1, Uint8Array.of(1)), RangeError);
  }
  for (const use of ["endStdin", "endData", "abort"] as const) {
    assert.throws(() => client[use](1), RangeError);
  }
  assert.equal(client.outputLength, 0);
});

test("ClientRequestState makes exactly the moves of its table, for every role", () => {
  const path = {
    sending: [],
    sending_data: ["stdin_end"],
    sent: ["stdin_end"],
    aborting: ["abort"],
  } as const;
  const responder: Record<string, string> = {
    "sending stdin": "sending",
    "sending stdin_end": "sent",
    "sending abort": "aborting",
    "sent abort": "aborting",
  };
  const filter: Record<string, string> = {
    ...responder,
    "sending stdin_end": "sending_data",
    "sending_data data": "sending_data",
    "sending_data data_end": "sent",
    "sending_data abort": "aborting",
  };
  const tables = [
    [Role.RESPONDER, responder, ["sending", "sent", "aborting"]],
    [Role.FILTER, filter, ["sending", "sending_data", "aborting"]],
  ] as const;
  for (const [role, table, states] of tables) {
    for (const state of states) {
      for (const move of ["stdin", "stdin_end", "data", "data_end", "abort"] as const) {
        const request = new ClientRequestState(1, role);
        for (const step of path[state]) request.send(step);
        const next = table[`${state} ${move}`];
        if (next === undefined) assertRefused(() => request.send(move), "local");
        else request.send(move);
        assert.equal(request.sending, next ?? state, `${role}: ${state} ${move}`);
      }
    }
  }
});

test("ClientRequestState of an authorizer takes no body", () => {
  const request = new ClientRequestState(1, Role.AUTHORIZER);
  assertRefused(() => request.send("stdin"), "local");
  assertRefused(() => request.send("stdin_end"), "local");
  request.send("abort");
  assert.equal(request.sending, "aborting");
});

test("ClientRequestState opens STDOUT again when more of it comes behind its end", () => {
  const request = new ClientRequestState(1, Role.RESPONDER);
  request.receive("stdout");
  request.receive("stdout_end");
  request.receive("stdout");
  assert.equal(request.receiving, "open");
  request.receive("stdout_end");
  request.receive("stdout_end");
  assert.equal(request.receiving, "finished");
});

function assertRefused(move: () => void, fault: string): void {
  assert.throws(
    move,
    (error) =>
      error instanceof ProtocolError && error.code === "bad_transition" && error.fault === fault &&
      error.scope === "request",
  );
}

/** Records of any type for ids in and out of use, well formed or not. */
const anyRecord = fc.record({
  type: fc.oneof(fc.integer({ min: 1, max: 11 }), fc.nat(255)),
  id: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.nat(65_535)),
  content: fc.uint8Array({ maxLength: 40 }),
}).map(({ type, id, content }) => encoded((encoder) => encoder.record(type, id, content)));

const usualRecord = fc.tuple(
  fc.constantFrom(STDOUT, STDERR, END_REQUEST),
  fc.integer({ min: 1, max: 4 }),
).map(
  ([type, id]) => type === END_REQUEST ? ended(id) : record(type, id, "bytes"),
);

test("ClientConnection gives events for ids in use and nothing else, for any bytes in any pieces", () => {
  const runs = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: usualRecord },
      { weight: 1, arbitrary: anyRecord },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(runs, fc.nat(), fc.nat(15), (parts, seed, aborted) => {
      const bytes = join(parts);
      const offsets = fc.sample(offsetsIn(bytes), { numRuns: 1, seed })[0]!;
      const [whole, inPieces] = [[bytes.slice()], cut(bytes, offsets)].map((pieces) => {
        const client = clientWith(4);
        const open = new Set([1, 2, 3, 4]);
        for (const id of [1, 2, 3, 4]) if (aborted & (1 << (id - 1))) client.abort(id);
        const events = [
          ...pieces.flatMap((piece) => client.receive(piece)),
          ...client.receiveEnd(),
        ];
        for (const event of events) {
          if (!("requestId" in event)) continue;
          assert.ok(open.has(event.requestId), `event of request ${event.requestId} after its end`);
          if (event.kind === "end" || event.kind === "lost") open.delete(event.requestId);
          else assert.ok(!(aborted & (1 << (event.requestId - 1))), "event of an aborted request");
        }
        assert.equal(open.size, 0, "every request ended once");
        assert.equal(client.inUse, 0);
        return lines(events);
      });
      assert.deepEqual(inPieces, whole);
    }),
    { numRuns: 1_000 },
  );
});
