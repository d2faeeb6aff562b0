/** What gathers in a ByteBuffer is what leaves it, and memory given away is not written to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ByteBuffer,
  fromLatin1,
  latin1,
  RECYCLED_CAPACITY_MAX,
  utf8,
} from "../../src/protocol/byte_buffer.ts";

test("ByteBuffer gathers what is appended, in order", () => {
  const buffer = new ByteBuffer();
  buffer.append(Uint8Array.of(1, 2));
  buffer.appendByte(3);
  buffer.append(new Uint8Array(0));
  assert.equal(buffer.appendAscii("AB"), true);
  assert.equal(buffer.length, 5);
  assert.deepEqual(buffer.view(), Uint8Array.of(1, 2, 3, 65, 66));
});

test("ByteBuffer grows from any capacity and keeps what it holds", () => {
  for (const capacity of [0, 1, 7, 256]) {
    const buffer = new ByteBuffer(capacity);
    for (let index = 0; index < 1000; index++) buffer.appendByte(index & 0xff);
    buffer.append(new Uint8Array(5000).fill(7));
    assert.equal(buffer.length, 6000);
    for (let index = 0; index < 1000; index++) assert.equal(buffer.view()[index], index & 0xff);
    assert.ok(buffer.view().subarray(1000).every((byte) => byte === 7));
  }
});

test("ByteBuffer has no memory until something is appended", () => {
  const buffer = new ByteBuffer();
  assert.equal(buffer.bytes.buffer.byteLength, 0);
  assert.equal(buffer.take().buffer.byteLength, 0);
  buffer.appendByte(1);
  assert.ok(buffer.bytes.buffer.byteLength > 0);
});

test("ByteBuffer.grow returns the offset at which the room begins", () => {
  const buffer = new ByteBuffer(2);
  assert.equal(buffer.grow(2), 0);
  assert.equal(buffer.grow(3), 2);
  buffer.bytes.set([1, 2, 3, 4, 5]);
  assert.equal(buffer.grow(0), 5);
  assert.deepEqual(buffer.view(), Uint8Array.of(1, 2, 3, 4, 5));
});

test("ByteBuffer.clear forgets the bytes and keeps the memory", () => {
  const buffer = new ByteBuffer();
  buffer.append(Uint8Array.of(1, 2, 3));
  const memory = buffer.bytes.buffer;
  buffer.clear();
  assert.equal(buffer.length, 0);
  buffer.appendByte(9);
  assert.deepEqual(buffer.view(), Uint8Array.of(9));
  assert.equal(buffer.bytes.buffer, memory);
});

test("ByteBuffer.truncate forgets the end, ByteBuffer.discard the beginning", () => {
  const buffer = new ByteBuffer();
  buffer.append(Uint8Array.of(1, 2, 3, 4, 5));
  buffer.truncate(4);
  assert.deepEqual(buffer.view(), Uint8Array.of(1, 2, 3, 4));
  buffer.discard(3);
  assert.deepEqual(buffer.view(), Uint8Array.of(4));
  buffer.appendByte(6);
  assert.deepEqual(buffer.view(), Uint8Array.of(4, 6));
  buffer.discard(2);
  assert.equal(buffer.length, 0);
});

test("ByteBuffer.take gives everything away once", () => {
  const buffer = new ByteBuffer();
  buffer.append(Uint8Array.of(1, 2));
  assert.deepEqual(buffer.take(), Uint8Array.of(1, 2));
  assert.equal(buffer.length, 0);
  assert.equal(buffer.take().length, 0);
});

test("Bytes taken from a ByteBuffer stay intact while others gather", () => {
  const buffer = new ByteBuffer(4);
  buffer.append(Uint8Array.of(1, 2, 3));
  const first = buffer.take();
  buffer.append(Uint8Array.of(4, 5, 6));
  const second = buffer.take();
  buffer.append(Uint8Array.of(7, 8, 9));
  assert.deepEqual(first, Uint8Array.of(1, 2, 3));
  assert.deepEqual(second, Uint8Array.of(4, 5, 6));
  assert.deepEqual(buffer.view(), Uint8Array.of(7, 8, 9));
});

test("Memory handed back to a ByteBuffer is used after the next take, not before", () => {
  const buffer = new ByteBuffer();
  buffer.append(Uint8Array.of(1, 2, 3));
  const first = buffer.take();
  buffer.append(Uint8Array.of(4));
  buffer.recycle(first);
  buffer.append(Uint8Array.of(5));
  assert.deepEqual(first, Uint8Array.of(1, 2, 3));
  buffer.take();
  buffer.append(Uint8Array.of(6));
  assert.equal(buffer.view().buffer, first.buffer);
  assert.deepEqual(buffer.view(), Uint8Array.of(6));
});

test("ByteBuffer keeps memory up to its limit that is handed back, and lets go of more", () => {
  for (
    const [length, kept] of [[RECYCLED_CAPACITY_MAX, true], [
      RECYCLED_CAPACITY_MAX + 1,
      false,
    ]] as const
  ) {
    const buffer = new ByteBuffer();
    buffer.append(new Uint8Array(length));
    const taken = buffer.take();
    assert.equal(taken.buffer.byteLength, length);
    buffer.recycle(taken);
    buffer.take();
    buffer.appendByte(1);
    assert.equal(buffer.view().buffer === taken.buffer, kept);
  }
});

test("ByteBuffer keeps the larger memory of two that are handed back", () => {
  const buffer = new ByteBuffer(8);
  buffer.append(new Uint8Array(100));
  const large = buffer.take();
  buffer.append(new Uint8Array(8));
  const small = buffer.take();
  buffer.recycle(large);
  buffer.recycle(small);
  buffer.recycle(new Uint8Array(0));
  buffer.take();
  buffer.appendByte(1);
  assert.equal(buffer.view().buffer, large.buffer);
});

test("ByteBuffer refuses to take back memory that it writes to", () => {
  const buffer = new ByteBuffer();
  buffer.append(Uint8Array.of(1));
  const taken = buffer.take();
  buffer.recycle(taken);
  buffer.take();
  buffer.append(Uint8Array.of(2));
  assert.throws(() => buffer.recycle(taken), RangeError);
  assert.deepEqual(buffer.view(), Uint8Array.of(2));
});

test("ByteBuffer.appendAscii appends nothing of a text that is not ASCII", () => {
  const buffer = new ByteBuffer(4);
  buffer.appendByte(1);
  for (const text of ["é", "abc\u0080", "a long text that makes the buffer grow: €", "\ud800"]) {
    assert.equal(buffer.appendAscii(text), false);
    assert.deepEqual(buffer.view(), Uint8Array.of(1));
  }
  assert.equal(buffer.appendAscii(""), true);
  assert.equal(buffer.appendAscii("\u0000\u007f"), true);
  assert.deepEqual(buffer.view(), Uint8Array.of(1, 0, 0x7f));
});

test("Each byte is one character of latin1 and back", () => {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const text = fromLatin1(everyByte);
  assert.equal(text.length, 256);
  assert.equal(text.charCodeAt(0x80), 0x80);
  assert.deepEqual(latin1(text), everyByte);
  assert.equal(fromLatin1(new Uint8Array(0)), "");
});

test("A text of latin1 comes back whole at the lengths around its pieces", () => {
  for (const length of [4095, 4096, 4097, 70_000]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index % 251);
    assert.deepEqual(latin1(fromLatin1(bytes)), bytes);
  }
});

test("A character above U+00FF is no latin1: it is refused, not cut to a byte", () => {
  assert.throws(() => latin1("ab\u010a"), {
    name: "RangeError",
    message: "Cannot encode as latin1: character 2 is above U+00FF",
  });
});

test("utf8 gives the bytes of UTF-8", () => {
  assert.deepEqual(utf8("é€"), Uint8Array.of(0xc3, 0xa9, 0xe2, 0x82, 0xac));
});

test("ByteBuffer appends numbers in decimal digits", () => {
  const numbers = [0, 1, 9, 10, 99, 100, 12_345, 2 ** 31, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER];
  const buffer = new ByteBuffer(1);
  for (const number of numbers) {
    buffer.appendDecimal(number);
    buffer.appendAscii(" ");
  }
  assert.equal(fromLatin1(buffer.view()), numbers.map((number) => `${number} `).join(""));
});
