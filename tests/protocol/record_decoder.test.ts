/**
 * RecordDecoder against exact bytes, fed whole, one byte at a time and cut at every length. Where
 * nothing else is said each piece is overwritten once its records are taken, so a decoder that kept
 * a view of it across pieces would give wrong bytes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RECORD_LENGTH_MAX, RecordType } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { writeHeader } from "../../src/protocol/header.ts";
import { type FastCgiRecord, RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { cut, fragmentations, join, pieces, poison } from "../support/fragments.ts";

const { STDIN, STDOUT, STDERR, END_REQUEST } = RecordType;

/** STDOUT of request 1: "hi" and six bytes of padding. */
const HI = Uint8Array.of(1, 6, 0, 1, 0, 2, 6, 0, 104, 105, 0, 0, 0, 0, 0, 0);
/** The end of request 1's STDOUT. */
const STDOUT_END = Uint8Array.of(1, 6, 0, 1, 0, 0, 0, 0);
/** STDERR of request 65,535: "no", without padding. */
const NO = Uint8Array.of(1, 7, 255, 255, 0, 2, 0, 0, 110, 111);

/** A record with this content and this much padding of bytes that are not zero. */
function rawRecord(
  type: number,
  requestId: number,
  content: Uint8Array,
  paddingLength: number,
): Uint8Array {
  const bytes = new Uint8Array(8 + content.length + paddingLength).fill(0x55);
  writeHeader(bytes, 0, type, requestId, content.length, paddingLength);
  bytes.set(content, 8);
  return bytes;
}

/** STDOUT of request 2 that is too long to be copied. */
const LONG = rawRecord(STDOUT, 2, new Uint8Array(600).fill(7), 0);

/** Every record that `decoder` has now, with content of its own. */
function takeAll(decoder: RecordDecoder): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
    records.push({ ...record, content: record.content.slice() });
  }
  return records;
}

function decode(decoder: RecordDecoder, piecesOfBytes: Uint8Array[]): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  for (const piece of piecesOfBytes) {
    decoder.push(piece);
    records.push(...takeAll(decoder));
    poison(piece);
  }
  return records;
}

function isBadVersion(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === "bad_version";
}

test("RecordDecoder reads a record without its padding", () => {
  const decoder = new RecordDecoder();
  decoder.push(HI);
  assert.deepEqual(decoder.next(), {
    type: STDOUT,
    requestId: 1,
    content: Uint8Array.of(104, 105),
  });
  assert.equal(decoder.next(), undefined);
});

test("RecordDecoder reads the same records however their bytes are cut", () => {
  const bytes = join([
    HI,
    STDOUT_END,
    NO,
    rawRecord(END_REQUEST, 1, new Uint8Array(8), 0),
    rawRecord(200, 0, Uint8Array.of(1), 255),
    rawRecord(STDIN, 0x0102, Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1), 7),
    rawRecord(STDIN, 0x0102, new Uint8Array(0), 3),
  ]);
  const expected = [
    { type: STDOUT, requestId: 1, content: Uint8Array.of(104, 105) },
    { type: STDOUT, requestId: 1, content: new Uint8Array(0) },
    { type: STDERR, requestId: 65_535, content: Uint8Array.of(110, 111) },
    { type: END_REQUEST, requestId: 1, content: new Uint8Array(8) },
    { type: 200, requestId: 0, content: Uint8Array.of(1) },
    { type: STDIN, requestId: 0x0102, content: new Uint8Array(9).fill(1) },
    { type: STDIN, requestId: 0x0102, content: new Uint8Array(0) },
  ];
  for (const { how, pieces } of fragmentations(bytes)) {
    const decoder = new RecordDecoder();
    assert.deepEqual(decode(decoder, pieces), expected, how);
    assert.equal(decoder.atBoundary, true, how);
  }
});

test("RecordDecoder yields nothing until padding has arrived", () => {
  for (const paddingLength of [1, 6, 255]) {
    const bytes = rawRecord(STDOUT, 1, Uint8Array.of(104, 105), paddingLength);
    for (let received = 0; received < bytes.length; received++) {
      const decoder = new RecordDecoder();
      decoder.push(bytes.subarray(0, received));
      assert.equal(decoder.next(), undefined, `${received} of ${bytes.length} bytes`);
      assert.equal(decoder.atBoundary, received === 0);
      decoder.push(bytes.subarray(received));
      assert.deepEqual(decoder.next()?.content, Uint8Array.of(104, 105));
      assert.equal(decoder.atBoundary, true);
    }
  }
});

test("RecordDecoder yields an empty record as soon as its header is there", () => {
  const decoder = new RecordDecoder();
  decoder.push(STDOUT_END.subarray(0, 7));
  assert.equal(decoder.next(), undefined);
  decoder.push(STDOUT_END.subarray(7));
  assert.deepEqual(decoder.next(), { type: STDOUT, requestId: 1, content: new Uint8Array(0) });
});

test("RecordDecoder reads padding of 255 bytes that looks like a record", () => {
  const padding = new Uint8Array(255);
  for (let offset = 0; offset + HI.length <= 255; offset += HI.length) padding.set(HI, offset);
  const bytes = join([rawRecord(STDOUT, 9, new Uint8Array(0), 255).subarray(0, 8), padding, NO]);
  for (const { how, pieces } of fragmentations(bytes)) {
    const records = decode(new RecordDecoder(), pieces);
    assert.deepEqual(records.map((record) => record.requestId), [9, 65_535], how);
  }
});

test("RecordDecoder reads the longest record there is, in pieces of any size", () => {
  const content = Uint8Array.from({ length: 65_535 }, (_, index) => index % 251);
  const bytes = rawRecord(STDOUT, 3, content, 255);
  assert.equal(bytes.length, RECORD_LENGTH_MAX);
  for (const length of [1, 7, 4096, 65_535, 65_543, 65_544, 65_797, 65_798]) {
    const records = decode(new RecordDecoder(), pieces(join([bytes, NO]), length));
    assert.equal(records.length, 2, `pieces of ${length}`);
    assert.deepEqual(records[0], { type: STDOUT, requestId: 3, content });
    assert.equal(records[1]?.requestId, 65_535);
  }
});

test("A long record that lies whole in one piece is a view of it", () => {
  const piece = join([LONG, LONG]);
  const decoder = new RecordDecoder();
  decoder.push(piece);
  const first = decoder.next()!;
  const second = decoder.next()!;
  assert.equal(first.content.buffer, piece.buffer);
  assert.equal(first.content.byteOffset, 8);
  assert.equal(second.content.buffer, piece.buffer);
  assert.equal(second.content.byteOffset, LONG.length + 8);
});

test("A short record holds nothing of the piece that it came in", () => {
  const piece = join([HI, LONG]);
  const decoder = new RecordDecoder();
  decoder.push(piece);
  assert.equal(decoder.next()!.content.buffer.byteLength, 2);
});

test("A record in a piece that begins within its memory is a view at the right place", () => {
  const memory = new Uint8Array(10 + LONG.length + 10);
  memory.set(LONG, 10);
  const decoder = new RecordDecoder();
  decoder.push(memory.subarray(10, 10 + LONG.length));
  const content = decoder.next()!.content;
  assert.equal(content.buffer, memory.buffer);
  assert.equal(content.byteOffset, 18);
});

test("A record that straddles pieces has memory of its own", () => {
  for (let offset = 1; offset < HI.length; offset++) {
    const [first, second] = cut(HI, [offset]) as [Uint8Array, Uint8Array];
    const decoder = new RecordDecoder();
    decoder.push(first);
    assert.equal(decoder.next(), undefined);
    poison(first);
    decoder.push(second);
    const record = decoder.next()!;
    poison(second);
    assert.deepEqual(record.content, Uint8Array.of(104, 105), `cut at ${offset}`);
  }
});

test("A record handed out keeps its bytes when the next one straddles pieces too", () => {
  const other = rawRecord(STDOUT, 2, Uint8Array.of(120, 121), 0);
  const decoder = new RecordDecoder();
  decoder.push(HI.subarray(0, 9));
  assert.equal(decoder.next(), undefined);
  decoder.push(join([HI.subarray(9), other.subarray(0, 9)]));
  const first = decoder.next()!;
  assert.equal(decoder.next(), undefined);
  decoder.push(other.subarray(9));
  const second = decoder.next()!;
  assert.deepEqual(first, { type: STDOUT, requestId: 1, content: Uint8Array.of(104, 105) });
  assert.deepEqual(second, { type: STDOUT, requestId: 2, content: Uint8Array.of(120, 121) });
});

test("After a record that straddled, one that lies whole in the piece is a view again", () => {
  const decoder = new RecordDecoder();
  decoder.push(HI.subarray(0, 3));
  assert.equal(decoder.next(), undefined);
  const piece = join([HI.subarray(3), LONG]);
  decoder.push(piece);
  assert.notEqual(decoder.next()!.content.buffer, piece.buffer);
  assert.equal(decoder.next()!.content.buffer, piece.buffer);
});

test("RecordDecoder refuses another version at its first byte", () => {
  for (const version of [0, 2, 72, 255]) {
    const decoder = new RecordDecoder();
    decoder.push(Uint8Array.of(version));
    assert.throws(() => decoder.next(), isBadVersion, `version ${version}`);
  }
});

test("RecordDecoder refuses another version behind a good record, in whatever pieces", () => {
  const bytes = join([HI, new TextEncoder().encode("HTTP/1.1 200 OK\r\n")]);
  for (const { how, pieces } of fragmentations(bytes)) {
    const decoder = new RecordDecoder();
    const records: FastCgiRecord[] = [];
    assert.throws(
      () => {
        for (const piece of pieces) {
          decoder.push(piece);
          for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
            records.push(record);
          }
        }
      },
      isBadVersion,
      how,
    );
    assert.equal(records.length, 1, how);
  }
});

test("RecordDecoder stays refused: it never finds its way into the bytes behind an error", () => {
  const whole = new RecordDecoder();
  whole.push(join([Uint8Array.of(2), HI, HI]));
  for (let attempt = 0; attempt < 3; attempt++) assert.throws(() => whole.next(), isBadVersion);

  const inPieces = new RecordDecoder();
  inPieces.push(Uint8Array.of(2));
  assert.throws(() => inPieces.next(), isBadVersion);
  for (const length of [5, 1, 1]) {
    inPieces.push(HI.subarray(0, length));
    assert.throws(() => inPieces.next(), isBadVersion);
  }
  inPieces.push(HI);
  for (let attempt = 0; attempt < 3; attempt++) assert.throws(() => inPieces.next(), isBadVersion);
});

test("RecordDecoder takes empty pieces anywhere", () => {
  const decoder = new RecordDecoder();
  const bytes = cut(HI, [0, 0, 3, 3, 8, 8, 9, 9, 12, 12, 16]);
  assert.equal(decode(decoder, bytes).length, 1);
  assert.equal(decoder.atBoundary, true);
});

test("RecordDecoder refuses a piece while records of the one before are not taken", () => {
  const decoder = new RecordDecoder();
  decoder.push(join([HI, HI]));
  assert.throws(() => decoder.push(HI), RangeError);
  assert.equal(decoder.next()?.requestId, 1);
  assert.throws(() => decoder.push(HI), RangeError);
  assert.equal(decoder.next()?.requestId, 1);
  decoder.push(HI);
  assert.equal(takeAll(decoder).length, 1);
});

test("RecordDecoder is at a boundary before, between and after records only", () => {
  const decoder = new RecordDecoder();
  assert.equal(decoder.atBoundary, true);
  decoder.push(join([HI, NO.subarray(0, 4)]));
  assert.equal(decoder.atBoundary, false);
  decoder.next();
  assert.equal(decoder.atBoundary, false);
  decoder.next();
  assert.equal(decoder.atBoundary, false);
  decoder.push(NO.subarray(4));
  assert.equal(decoder.next()?.requestId, 65_535);
  assert.equal(decoder.atBoundary, true);
});

test("RecordDecoder passes on types and ids that mean nothing to it", () => {
  for (const [type, requestId] of [[0, 0], [12, 1], [255, 65_535]] as const) {
    const decoder = new RecordDecoder();
    const records = decode(decoder, pieces(rawRecord(type, requestId, HI, 1), 5));
    assert.deepEqual(records, [{ type, requestId, content: HI }]);
  }
});
