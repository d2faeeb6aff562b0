/**
 * Invariants of the record codec.
 * 1. What RecordEncoder wrote, RecordDecoder reads, whatever the fragmentation.
 * 2. Any bytes give records or a ProtocolError, never another exception; the records account for
 *    every byte up to the error; and all fragmentations agree on both.
 * 3. The decoder never holds more than one record: each comes out with its last byte, as a view of
 *    the piece or in memory of at most RECORD_LENGTH_MAX bytes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HEADER_LENGTH, RECORD_LENGTH_MAX } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { writeHeader } from "../../src/protocol/header.ts";
import { type FastCgiRecord, RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { cut, join, offsetsIn, poison } from "../support/fragments.ts";

interface RawRecord extends FastCgiRecord {
  padding: Uint8Array;
}

interface Outcome {
  records: FastCgiRecord[];
  /** Code of the ProtocolError that ended it. */
  code: string | undefined;
  atBoundary: boolean;
}

const PLAIN = { noNullPrototype: true };
const anyContent = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(65_535).map((length) => new Uint8Array(length).fill(length)) },
);
const anyRecord: fc.Arbitrary<FastCgiRecord> = fc.record({
  type: fc.nat(255),
  requestId: fc.nat(65_535),
  content: anyContent,
}, PLAIN);
const anyRawRecord: fc.Arbitrary<RawRecord> = fc.record({
  type: fc.nat(255),
  requestId: fc.nat(65_535),
  content: anyContent,
  padding: fc.uint8Array({ maxLength: 255 }),
}, PLAIN);
/** Bytes as they come, and bytes that begin as FastCGI does and go on as they like. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.array(
    fc.oneof(fc.constant([1]), fc.array(fc.nat(3), { maxLength: 9 }), fc.array(fc.nat(255))),
    { maxLength: 30 },
  ).map((runs) => Uint8Array.from([1, ...runs.flat()])),
  fc.tuple(fc.array(anyRawRecord, { maxLength: 4 }), fc.uint8Array({ maxLength: 20 }))
    .map(([records, garbage]) => join([...records.map(rawBytes), garbage])),
);

function rawBytes({ type, requestId, content, padding }: RawRecord): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH);
  writeHeader(header, 0, type, requestId, content.length, padding.length);
  return join([header, content, padding]);
}

/** Pushes each piece, takes its records, overwrites the piece. Other errors pass through. */
function decode(pieces: Uint8Array[]): Outcome {
  const decoder = new RecordDecoder();
  const records: FastCgiRecord[] = [];
  try {
    for (const piece of pieces) {
      decoder.push(piece);
      for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
        records.push({ ...record, content: record.content.slice() });
      }
      poison(piece);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { records, code: error.code, atBoundary: false };
  }
  return { records, code: undefined, atBoundary: decoder.atBoundary };
}

test("Records come out as they went in, whatever the fragmentation", () => {
  const input = fc.array(anyRecord, { maxLength: 8 }).chain((records) => {
    const encoder = new RecordEncoder();
    for (const { type, requestId, content } of records) encoder.record(type, requestId, content);
    const bytes = encoder.take();
    return fc.record({
      records: fc.constant(records),
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
    });
  });
  fc.assert(
    fc.property(input, ({ records, bytes, offsets }) => {
      assert.equal(bytes.length % 8, 0);
      const outcome = decode(cut(bytes, offsets));
      assert.deepEqual(outcome, { records, code: undefined, atBoundary: true });
    }),
    { numRuns: 300 },
  );
});

test("Records with padding of any length and bytes come out without it", () => {
  const input = fc.array(anyRawRecord, { maxLength: 6 }).chain((records) => {
    const bytes = join(records.map(rawBytes));
    return fc.record({
      records: fc.constant(records),
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
    });
  });
  fc.assert(
    fc.property(input, ({ records, bytes, offsets }) => {
      const outcome = decode(cut(bytes, offsets));
      assert.deepEqual(outcome.records, records.map(({ padding: _, ...record }) => record));
      assert.equal(outcome.atBoundary, true);
    }),
    { numRuns: 300 },
  );
});

test("Any bytes give records or a ProtocolError, the same whatever the fragmentation", () => {
  const input = anyBytes.chain((bytes) => {
    return fc.record({ bytes: fc.constant(bytes), offsets: offsetsIn(bytes) });
  });
  fc.assert(
    fc.property(input, ({ bytes, offsets }) => {
      const whole = decode([bytes.slice()]);
      const fragmented = decode(cut(bytes, offsets));
      const single = decode(cut(bytes, Array.from(bytes.keys())));
      assert.deepEqual(fragmented, whole);
      assert.deepEqual(single, whole);
      if (whole.code !== undefined) assert.equal(whole.code, "bad_version");
    }),
    { numRuns: 500 },
  );
});

test("A record comes out with its last byte, so less than one record is held back", () => {
  const input = fc.array(anyRawRecord, { minLength: 1, maxLength: 6 }).chain((records) => {
    const bytes = join(records.map(rawBytes));
    return fc.record({
      lengths: fc.constant(records.map((record) => rawBytes(record).length)),
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
    });
  });
  fc.assert(
    fc.property(input, ({ lengths, bytes, offsets }) => {
      const decoder = new RecordDecoder();
      const due = [...lengths];
      let held = 0;
      for (const piece of cut(bytes, offsets)) {
        decoder.push(piece);
        held += piece.length;
        for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
          assert.ok(
            record.content.buffer === piece.buffer ||
              record.content.buffer.byteLength <= RECORD_LENGTH_MAX,
          );
          held -= due.shift()!;
        }
        assert.ok(held < (due[0] ?? 1), `${held} bytes are held back`);
        assert.equal(decoder.atBoundary, held === 0);
      }
      assert.equal(due.length, 0);
    }),
    { numRuns: 200 },
  );
});

test("A stream comes out whole, whatever its pieces and the fragmentation", () => {
  const input = fc.array(anyContent, { maxLength: 6 }).chain((contents) => {
    const encoder = new RecordEncoder();
    for (const content of contents) encoder.stream(5, 1, content);
    encoder.streamEnd(5, 1);
    const bytes = encoder.take();
    return fc.record({
      contents: fc.constant(contents),
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
    });
  });
  fc.assert(
    fc.property(input, ({ contents, bytes, offsets }) => {
      const { records } = decode(cut(bytes, offsets));
      assert.deepEqual(join(records.map((record) => record.content)), join(contents));
      const empty = records.filter((record) => record.content.length === 0);
      assert.equal(empty.length, 1);
      assert.equal(empty[0], records.at(-1));
    }),
    { numRuns: 200 },
  );
});
