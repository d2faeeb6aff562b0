/** A multiplexed connection that is over: it knows nothing, takes nothing and says nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientConnection } from "../../src/protocol/client_connection.ts";
import { CONTENT_LENGTH_SAFE, RecordType, Role } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";

const START = {
  role: Role.RESPONDER,
  keepConnection: true,
  params: encodeNameValues([["A", "1"]]),
};

function endOf(id: number): Uint8Array {
  const encoder = new RecordEncoder();
  encoder.endRequest(id, 0, 0);
  return encoder.take().slice();
}

const WAYS: Readonly<Record<string, (client: ClientConnection) => unknown[]>> = {
  "closed by the application": (client) => client.receiveEnd(),
  "broken by its bytes": (client) => client.receive(new Uint8Array(16).fill(0xff)),
};

for (const [how, end] of Object.entries(WAYS)) {
  test(`A connection that is ${how} gives its requests back and begins none`, () => {
    const client = new ClientConnection(3);
    const [first, second] = [client.begin(START), client.begin(START)];
    client.endStdin(second);
    client.recycleOutput(client.takeOutput());
    assert.deepEqual([client.hasFreeId, client.inUse, client.isInUse(first)], [true, 2, true]);
    assert.deepEqual([client.takesStdin(first), client.takesStdin(second)], [true, false]);
    const events = end(client) as { kind: string; requestId?: number }[];
    const lost = events.filter(({ kind }) => kind === "lost").map(({ requestId }) => requestId);
    assert.deepEqual(lost, [first, second]);
    assert.deepEqual([client.hasFreeId, client.inUse, client.retiredIds], [false, 0, 0]);
    for (const id of [first, second]) {
      assert.deepEqual([client.isInUse(id), client.takesStdin(id)], [false, false]);
      assert.throws(() => client.sendStdin(id, Uint8Array.of(1)), RangeError);
    }
    assert.throws(
      () => client.begin(START),
      (error) =>
        error instanceof ProtocolError && error.code === "no_free_id" && error.fault === "local" &&
        error.scope === "request",
    );
    client.endLateStdin(first);
    assert.equal(client.outputLength, 0);
    assert.deepEqual(client.receive(endOf(first)), []);
    assert.deepEqual(client.receive(new Uint8Array(16).fill(0xff)), []);
    assert.deepEqual(client.receiveEnd(), []);
    assert.equal(client.strayRecords, 0);
  });
}

test("The end of STDIN of a request that is over is said while the connection is not", () => {
  const client = new ClientConnection(1);
  const id = client.begin(START);
  client.receive(endOf(id));
  client.takeOutput();
  client.endLateStdin(id);
  const decoder = new RecordDecoder();
  decoder.push(client.takeOutput().slice());
  const record = decoder.next()!;
  assert.deepEqual([record.type, record.requestId, record.content.length], [
    RecordType.STDIN,
    id,
    0,
  ]);
});

test("Parameters go out in one record up to what one safely holds, and between pairs beyond", () => {
  const recordsOf = (length: number) => {
    const client = new ClientConnection(1);
    // Names and lengths of both pairs take ten bytes.
    const values = [1000, length - 1000 - 12].map((size) => "v".repeat(size));
    const params = encodeNameValues([["a", values[0]!], ["b", values[1]!]]);
    assert.equal(params.length, length);
    client.begin({ ...START, params });
    const decoder = new RecordDecoder();
    decoder.push(client.takeOutput().slice());
    const lengths: number[] = [];
    for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
      if (record.type === RecordType.PARAMS) lengths.push(record.content.length);
    }
    return lengths;
  };
  assert.deepEqual(recordsOf(CONTENT_LENGTH_SAFE), [CONTENT_LENGTH_SAFE, 0]);
  assert.deepEqual(recordsOf(CONTENT_LENGTH_SAFE + 1), [1006, CONTENT_LENGTH_SAFE + 1 - 1006, 0]);
});
