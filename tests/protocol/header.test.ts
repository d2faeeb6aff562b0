/** The record header against the bytes that section 3.3 of the specification draws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADER_LENGTH, RecordType, recordTypeName } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { paddingFor, readHeader, writeHeader } from "../../src/protocol/header.ts";

const STDOUT_HEADER = Uint8Array.of(1, 6, 0x12, 0x34, 0x56, 0x78, 7, 0);

test("A header is version, type, id, content length, padding length, reserved", () => {
  const bytes = new Uint8Array(HEADER_LENGTH);
  writeHeader(bytes, 0, RecordType.STDOUT, 0x1234, 0x5678, 7);
  assert.deepEqual(bytes, STDOUT_HEADER);
});

test("A header is read as it was written", () => {
  assert.deepEqual(readHeader(STDOUT_HEADER, 0), {
    type: RecordType.STDOUT,
    requestId: 0x1234,
    contentLength: 0x5678,
    paddingLength: 7,
  });
});

test("A header holds the highest numbers of each field", () => {
  const bytes = new Uint8Array(HEADER_LENGTH);
  writeHeader(bytes, 0, 255, 65_535, 65_535, 255);
  assert.deepEqual(bytes, Uint8Array.of(1, 255, 255, 255, 255, 255, 255, 0));
  assert.deepEqual(readHeader(bytes, 0), {
    type: 255,
    requestId: 65_535,
    contentLength: 65_535,
    paddingLength: 255,
  });
});

test("A header is written and read at its offset, and nothing around it is touched", () => {
  const bytes = new Uint8Array(HEADER_LENGTH + 4).fill(9);
  writeHeader(bytes, 2, 5, 1, 2, 3);
  assert.deepEqual(bytes, Uint8Array.of(9, 9, 1, 5, 0, 1, 0, 2, 3, 0, 9, 9));
  assert.deepEqual(readHeader(bytes, 2), {
    type: 5,
    requestId: 1,
    contentLength: 2,
    paddingLength: 3,
  });
});

test("Writing a header overwrites the reserved byte", () => {
  const bytes = new Uint8Array(HEADER_LENGTH).fill(0xff);
  writeHeader(bytes, 0, 1, 0, 0, 0);
  assert.deepEqual(bytes, Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0));
});

test("The reserved byte of a header that is read means nothing", () => {
  const bytes = STDOUT_HEADER.slice();
  bytes[7] = 0xff;
  assert.deepEqual(readHeader(bytes, 0), readHeader(STDOUT_HEADER, 0));
});

test("A header of any version but 1 is refused, and ends the connection", () => {
  for (const version of [0, 2, 72, 255]) {
    const bytes = STDOUT_HEADER.slice();
    bytes[0] = version;
    assert.throws(() => readHeader(bytes, 0), (error: unknown) => {
      assert.ok(error instanceof ProtocolError);
      assert.equal(error.code, "bad_version");
      assert.equal(error.scope, "connection");
      assert.equal(error.fault, "application");
      assert.equal(
        error.message,
        `Cannot read record header: version "${version}" is not supported`,
      );
      return true;
    });
  }
});

test("Reading a header of which a byte is missing is a mistake of the caller", () => {
  assert.throws(() => readHeader(STDOUT_HEADER.subarray(0, 7), 0), RangeError);
  assert.throws(() => readHeader(STDOUT_HEADER, 1), RangeError);
});

test("Padding brings every content length to a multiple of 8 and is never 8 or more", () => {
  for (let length = 0; length <= 65_535; length++) {
    const padding = paddingFor(length);
    assert.ok(padding >= 0 && padding < 8 && (length + padding) % 8 === 0, `length ${length}`);
  }
});

test("Content of a multiple of 8 bytes gets no padding", () => {
  assert.equal(paddingFor(0), 0);
  assert.equal(paddingFor(8), 0);
  assert.equal(paddingFor(65_528), 0);
  assert.equal(paddingFor(65_529), 7);
  assert.equal(paddingFor(65_535), 1);
});

test("Record types have the numbers and names of section 8", () => {
  const names = [
    "BEGIN_REQUEST",
    "ABORT_REQUEST",
    "END_REQUEST",
    "PARAMS",
    "STDIN",
    "STDOUT",
    "STDERR",
    "DATA",
    "GET_VALUES",
    "GET_VALUES_RESULT",
    "UNKNOWN_TYPE",
  ];
  assert.deepEqual(Object.keys(RecordType), names);
  for (const [index, name] of names.entries()) assert.equal(recordTypeName(index + 1), name);
  assert.equal(recordTypeName(0), "type 0");
  assert.equal(recordTypeName(12), "type 12");
});
