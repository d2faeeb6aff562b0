/** RecordEncoder against exact bytes, and what happens to memory that was taken from it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus, RecordType, Role } from "../../src/protocol/constants.ts";
import { type FastCgiRecord, RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { join } from "../support/fragments.ts";

const { STDIN, STDOUT } = RecordType;

function decode(bytes: Uint8Array): FastCgiRecord[] {
  const decoder = new RecordDecoder();
  decoder.push(bytes);
  const records: FastCgiRecord[] = [];
  for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
    records.push(record);
  }
  assert.equal(decoder.atBoundary, true);
  return records;
}

test("RecordEncoder pads a record with zeroes to a multiple of 8 bytes", () => {
  const encoder = new RecordEncoder();
  encoder.record(STDOUT, 0x0102, Uint8Array.of(104, 105));
  assert.deepEqual(
    encoder.take(),
    Uint8Array.of(1, 6, 1, 2, 0, 2, 6, 0, 104, 105, 0, 0, 0, 0, 0, 0),
  );
});

test("RecordEncoder pads content of 0 to 17 bytes by the rule, with nothing but zeroes", () => {
  for (let length = 0; length <= 17; length++) {
    const encoder = new RecordEncoder();
    encoder.record(STDIN, 1, new Uint8Array(length).fill(9));
    const bytes = encoder.take();
    const padding = (8 - length % 8) % 8;
    assert.deepEqual(
      bytes,
      join([
        Uint8Array.of(1, 5, 0, 1, 0, length, padding, 0),
        new Uint8Array(length).fill(9),
        new Uint8Array(padding),
      ]),
    );
  }
});

test("RecordEncoder puts records one behind the other until they are taken", () => {
  const encoder = new RecordEncoder();
  assert.equal(encoder.length, 0);
  encoder.streamEnd(STDIN, 1);
  assert.equal(encoder.length, 8);
  encoder.record(STDIN, 2, new Uint8Array(8).fill(3));
  assert.equal(encoder.length, 24);
  assert.deepEqual(
    encoder.take(),
    Uint8Array.of(1, 5, 0, 1, 0, 0, 0, 0, 1, 5, 0, 2, 0, 8, 0, 0, 3, 3, 3, 3, 3, 3, 3, 3),
  );
  assert.equal(encoder.length, 0);
  assert.equal(encoder.take().length, 0);
});

test("RecordEncoder writes each record of the connection's life by its bytes", () => {
  const encoder = new RecordEncoder();
  encoder.beginRequest(1, Role.RESPONDER, true);
  assert.deepEqual(
    encoder.take(),
    Uint8Array.of(1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0),
  );
  encoder.abortRequest(2);
  assert.deepEqual(encoder.take(), Uint8Array.of(1, 2, 0, 2, 0, 0, 0, 0));
  encoder.endRequest(3, 256, ProtocolStatus.CANT_MPX_CONN);
  assert.deepEqual(
    encoder.take(),
    Uint8Array.of(1, 3, 0, 3, 0, 8, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0),
  );
  encoder.unknownType(77);
  assert.deepEqual(
    encoder.take(),
    Uint8Array.of(1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0),
  );
  encoder.streamEnd(RecordType.PARAMS, 65_535);
  assert.deepEqual(encoder.take(), Uint8Array.of(1, 4, 255, 255, 0, 0, 0, 0));
});

test("RecordEncoder writes a record of 65,535 bytes, and refuses one of 65,536", () => {
  const encoder = new RecordEncoder();
  encoder.record(STDOUT, 1, new Uint8Array(65_535).fill(7));
  const bytes = encoder.take();
  assert.equal(bytes.length, 8 + 65_536);
  assert.deepEqual(bytes.subarray(0, 8), Uint8Array.of(1, 6, 0, 1, 255, 255, 1, 0));
  assert.throws(() => encoder.record(STDOUT, 1, new Uint8Array(65_536)), {
    name: "RangeError",
    message: "Cannot encode a record of 65536 bytes: 65535 is the most",
  });
  assert.equal(encoder.length, 0);
});

test("RecordEncoder refuses a type or id that does not fit its field, and appends nothing", () => {
  const encoder = new RecordEncoder();
  const content = Uint8Array.of(1);
  encoder.record(255, 65_535, content);
  assert.equal(encoder.take().length, 16);
  assert.throws(() => encoder.record(256, 1, content), RangeError);
  assert.throws(() => encoder.record(-1, 1, content), RangeError);
  assert.throws(() => encoder.record(STDOUT, -1, content), RangeError);
  assert.throws(() => encoder.record(STDOUT, Number.NaN, content), RangeError);
  assert.throws(() => encoder.stream(STDOUT, 65_536, content), RangeError);
  assert.throws(() => encoder.streamEnd(STDOUT, 65_536), {
    name: "RangeError",
    message: 'Cannot encode a record: request id "65536" is not between 0 and 65535',
  });
  assert.equal(encoder.length, 0);
});

test("RecordEncoder splits a stream into records of at most 65,528 bytes", () => {
  for (
    const [length, expected] of [
      [1, [1]],
      [65_528, [65_528]],
      [65_529, [65_528, 1]],
      [65_536, [65_528, 8]],
      [131_056, [65_528, 65_528]],
      [200_000, [65_528, 65_528, 65_528, 3416]],
    ] as const
  ) {
    const content = Uint8Array.from({ length }, (_, index) => index % 253);
    const encoder = new RecordEncoder();
    encoder.stream(STDIN, 5, content);
    const records = decode(encoder.take());
    assert.deepEqual(records.map((record) => record.content.length), expected);
    assert.deepEqual(join(records.map((record) => record.content)), content);
    assert.ok(records.every((record) => record.type === STDIN && record.requestId === 5));
  }
});

test("No record of a stream exceeds 65,535 bytes of content and padding together", () => {
  const encoder = new RecordEncoder();
  encoder.stream(STDIN, 1, new Uint8Array(200_001));
  const bytes = encoder.take();
  for (let offset = 0; offset < bytes.length;) {
    const body = ((bytes[offset + 4]! << 8) | bytes[offset + 5]!) + bytes[offset + 6]!;
    assert.ok(body <= 65_535, `${body} bytes`);
    offset += 8 + body;
  }
});

test("A stream of no bytes makes no record, so it cannot end the stream by accident", () => {
  const encoder = new RecordEncoder();
  encoder.stream(STDIN, 1, new Uint8Array(0));
  assert.equal(encoder.length, 0);
});

test("RecordEncoder copies content: the caller may overwrite its own at once", () => {
  const encoder = new RecordEncoder();
  const content = new Uint8Array(8).fill(1);
  encoder.record(STDIN, 1, content);
  content.fill(2);
  assert.deepEqual(encoder.take().subarray(8), new Uint8Array(8).fill(1));
});

test("Bytes that were taken stay intact until they are recycled", () => {
  const encoder = new RecordEncoder();
  encoder.record(STDIN, 1, new Uint8Array(8).fill(1));
  const first = encoder.take();
  const copy = first.slice();
  encoder.record(STDIN, 2, new Uint8Array(8).fill(2));
  const second = encoder.take();
  encoder.record(STDIN, 3, new Uint8Array(8).fill(3));
  assert.deepEqual(first, copy);
  assert.equal(second[8], 2);
  assert.notEqual(first.buffer, second.buffer);
});

test("Recycled memory is written to again", () => {
  const encoder = new RecordEncoder();
  encoder.streamEnd(STDIN, 1);
  const first = encoder.take();
  encoder.recycle(first);
  encoder.streamEnd(STDIN, 2);
  const second = encoder.take();
  encoder.streamEnd(STDIN, 3);
  const third = encoder.take();
  assert.ok(second.buffer === first.buffer || third.buffer === first.buffer);
});

test("Old bytes of recycled memory never leave as padding or reserved bytes", () => {
  const encoder = new RecordEncoder();
  const seen = new Set<ArrayBuffer>();
  for (let round = 0; round < 6; round++) {
    encoder.record(STDIN, 1, Uint8Array.of(5));
    encoder.streamEnd(STDIN, 1);
    encoder.unknownType(9);
    const taken = encoder.take();
    assert.deepEqual(
      taken,
      join([
        Uint8Array.of(1, 5, 0, 1, 0, 1, 7, 0, 5, 0, 0, 0, 0, 0, 0, 0),
        Uint8Array.of(1, 5, 0, 1, 0, 0, 0, 0),
        Uint8Array.of(1, 11, 0, 0, 0, 8, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0),
      ]),
    );
    seen.add(taken.buffer);
    taken.fill(0xff);
    encoder.recycle(taken);
  }
  assert.ok(seen.size < 6, "memory was used again");
});
