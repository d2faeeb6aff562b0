/** What a server of FastCGI says to records that belong to no request, type by type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordType } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { decodeNameValues, encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { replyToManagement } from "../../src/protocol/server_management.ts";

const CAPACITY = { multiplex: true, connectionsMax: 10, requestsMax: 20 };

/** The type and the content of each record that is said, or the code of the error. */
function said(type: number, content = new Uint8Array(0), capacity = CAPACITY): unknown {
  const encoder = new RecordEncoder();
  try {
    const record = { type, requestId: 0, content } as Parameters<typeof replyToManagement>[0];
    replyToManagement(record, capacity, encoder);
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    return error.code;
  }
  const decoder = new RecordDecoder();
  decoder.push(encoder.take().slice());
  const records: [type: number, content: Uint8Array][] = [];
  for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
    assert.equal(record.requestId, 0);
    records.push([record.type, record.content.slice()]);
  }
  return records;
}

test("A record of a request is an error, one that nobody knows is told, and that it is not known is not", () => {
  for (let type = 0; type <= 255; type++) {
    if (type === RecordType.GET_VALUES) continue;
    const expected = type >= 1 && type <= 8
      ? "bad_record"
      : type === 11
      ? []
      : [[11, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0)]];
    assert.deepEqual(said(type), expected, String(type));
  }
});

test("Values are told of those that are asked for and known, each once, in the order asked for", () => {
  const ask = (names: readonly string[], capacity = CAPACITY) => {
    const content = encodeNameValues(names.map((name) => [name, ""]));
    const [[type, values]] = said(RecordType.GET_VALUES, content, capacity) as [
      [number, Uint8Array],
    ];
    assert.equal(type, RecordType.GET_VALUES_RESULT);
    return [...decodeNameValues(values)].map(([name, value]) => `${name}=${value}`).join(" ");
  };
  assert.equal(ask([]), "");
  assert.equal(
    ask(["FCGI_MPXS_CONNS", "X", "FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MAX_CONNS"]),
    "FCGI_MPXS_CONNS=1 FCGI_MAX_CONNS=10 FCGI_MAX_REQS=20",
  );
  assert.equal(ask(["FCGI_MPXS_CONNS"], { ...CAPACITY, multiplex: false }), "FCGI_MPXS_CONNS=0");
});
