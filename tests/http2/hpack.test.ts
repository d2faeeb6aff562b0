/** HPACK against the bytes of RFC 7541's examples, and against everything that is no block. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";
import { ConnectionError } from "../../src/http2/errors.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackDynamicTable } from "../../src/http2/hpack_dynamic_table.ts";
import { appendInteger, HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { HpackField } from "../../src/http2/hpack_field.ts";
import { huffmanDecode, huffmanEncode, huffmanLength } from "../../src/http2/huffman.ts";
import { fromHex, HPACK_EXAMPLES, toHex } from "./hpack_examples.ts";

type Fields = readonly (readonly [name: string, value: string])[];

function decode(decoder: HpackDecoder, bytes: Uint8Array): [string, string][] {
  const fields: [string, string][] = [];
  decoder.begin(bytes, 0, bytes.length);
  for (let field = decoder.next(); field !== undefined; field = decoder.next()) {
    fields.push([field.name, field.value]);
  }
  return fields;
}

function encode(encoder: HpackEncoder, fields: Fields): Uint8Array {
  const out = new ByteBuffer();
  encoder.begin(out);
  for (const [name, value] of fields) encoder.append(out, name, value);
  return out.take();
}

/** A decoder whose table is as small as in the example. */
function decoderOf(tableSize: number): HpackDecoder {
  const decoder = new HpackDecoder(tableSize);
  decoder.table.resize(tableSize);
  return decoder;
}

function isCompressionError(error: unknown): boolean {
  return error instanceof ConnectionError && error.code === "COMPRESSION_ERROR";
}

for (const { name, tableSize, blocks } of HPACK_EXAMPLES) {
  test(`Blocks are read as in ${name}`, () => {
    const decoder = decoderOf(tableSize);
    for (const block of blocks) {
      assert.deepEqual(decode(decoder, fromHex(block.bytes)), block.fields);
      assert.equal(decoder.table.size, block.tableSize);
    }
  });

  test(`A block that is cut anywhere is an error or another block: ${name}`, () => {
    const bytes = fromHex(blocks[0]!.bytes);
    for (let length = 0; length < bytes.length; length++) {
      try {
        const fields = decode(decoderOf(tableSize), bytes.subarray(0, length));
        assert.ok(fields.length < blocks[0]!.fields.length);
      } catch (error) {
        assert.ok(isCompressionError(error), String(error));
      }
    }
  });
}

test("Requests are written as in C.4", () => {
  const encoder = new HpackEncoder();
  for (const { bytes, fields, tableSize } of HPACK_EXAMPLES[1]!.blocks) {
    assert.equal(toHex(encode(encoder, fields)), bytes);
    assert.equal(encoder.tableSize, tableSize);
  }
});

test("Single fields are read as in C.2", () => {
  const read = (hex: string) => {
    const decoder = new HpackDecoder();
    return { fields: decode(decoder, fromHex(hex)), size: decoder.table.size };
  };
  assert.deepEqual(read("400a637573746f6d2d6b65790d637573746f6d2d686561646572"), {
    fields: [["custom-key", "custom-header"]],
    size: 55,
  });
  assert.deepEqual(read("040c2f73616d706c652f70617468"), {
    fields: [[":path", "/sample/path"]],
    size: 0,
  });
  assert.deepEqual(read("100870617373776f726406736563726574"), {
    fields: [["password", "secret"]],
    size: 0,
  });
  assert.deepEqual(read("82"), { fields: [[":method", "GET"]], size: 0 });
});

test("Numbers are written as in C.1", () => {
  const written = (prefix: number, value: number) => {
    const out = new ByteBuffer();
    appendInteger(out, 0, prefix, value);
    return [...out.view()];
  };
  assert.deepEqual(written(5, 10), [0b01010]);
  assert.deepEqual(written(5, 1337), [0b11111, 0b10011010, 0b00001010]);
  assert.deepEqual(written(8, 42), [0b00101010]);
});

test("Every byte goes through the Huffman code and comes back", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const text = String.fromCharCode(...bytes);
    const encoded = new Uint8Array(huffmanLength(text));
    huffmanEncode(text, encoded, 0);
    const decoded = new Uint8Array(encoded.length * 2);
    assert.equal(huffmanDecode(encoded, 0, encoded.length, decoded), bytes.length);
    assert.deepEqual(decoded.subarray(0, bytes.length), bytes);
  }));
});

test("Padding of a Huffman text is the beginning of EOS and shorter than a byte", () => {
  const target = new Uint8Array(100);
  const decodes = (...bytes: number[]) =>
    huffmanDecode(Uint8Array.from(bytes), 0, bytes.length, target);
  // "0" is 00000.
  assert.equal(decodes(0b00000_111), 1);
  assert.equal(decodes(0b00000_110), -1);
  assert.equal(decodes(0b00000_000), -1);
  assert.equal(decodes(0b00000_111, 0xff), -1);
  assert.equal(decodes(0xff), -1);
  assert.equal(decodes(0xff, 0xff, 0xff, 0xff), -1);
  assert.equal(decodes(0xff, 0xff, 0xff, 0b11111100), -1);
  assert.equal(decodes(), 0);
});

test("What is no block is a compression error", () => {
  const wrong = {
    "index 0": "80",
    "an index behind the end": "be",
    "a name's index behind the end": "7f00",
    "a number without end": "ffffffffffffffff",
    "a number that is too large": "ff8080808010",
    "a text behind the end": "4003616263ff",
    "a text without Huffman code": "408100",
    "EOS within a text": "400161" + "84fffffffc",
    "a table that is too large": "3fe21f",
    "a table size behind a field": "8220",
  };
  for (const [what, hex] of Object.entries(wrong)) {
    assert.throws(() => decode(new HpackDecoder(), fromHex(hex)), isCompressionError, what);
  }
});

test("A table that was told to be smaller has to be made smaller, once that is known", () => {
  const decoder = new HpackDecoder(100);
  decode(decoder, fromHex("400a637573746f6d2d6b65790d637573746f6d2d686561646572"));
  decoder.acknowledged();
  assert.throws(() => decode(decoder, fromHex("82")), isCompressionError);
  const obedient = new HpackDecoder(100);
  obedient.acknowledged();
  assert.deepEqual(decode(obedient, fromHex("3f4582")), [[":method", "GET"]]);
  assert.equal(obedient.table.sizeMax, 100);
  assert.throws(() => decode(obedient, fromHex("3f46")), isCompressionError);
});

test("A table forgets the oldest, and everything for a field that has no room", () => {
  const table = new HpackDynamicTable(100);
  for (const name of ["a", "b", "c"]) table.add(new HpackField(name, "x"));
  assert.deepEqual([table.length, table.size], [2, 68]);
  assert.deepEqual([table.at(1)!.name, table.at(2)!.name, table.at(3)], ["c", "b", undefined]);
  assert.equal(table.add(new HpackField("d", "x".repeat(100))), false);
  assert.deepEqual([table.length, table.size], [0, 0]);
});

test("A table keeps its fields in order over thousands of them", () => {
  const table = new HpackDynamicTable(4096);
  for (let number = 0; number < 10_000; number++) {
    table.add(new HpackField(String(number), ""));
    assert.equal(table.at(1)!.name, String(number));
    assert.equal(table.at(table.length)!.name, String(number - table.length + 1));
    assert.ok(table.size <= 4096);
  }
});

const anyField = fc.tuple(
  fc.constantFrom(":status", "content-type", "date", "x-a", "x-b", "set-cookie", "etag"),
  fc.oneof(
    fc.constantFrom("", "1", "2", "text/html"),
    fc.string({ unit: "binary", maxLength: 600 })
      .map((text) => text.replace(/[^\x20-\x7e]/g, "~")),
  ),
);

test("What one end writes, the other reads, whatever the table does meanwhile", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.array(anyField, { maxLength: 12 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 10_000 }) },
    ),
    { maxLength: 40 },
  );
  fc.assert(fc.property(steps, (all) => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(10_000);
    for (const step of all) {
      if (typeof step === "number") encoder.limitTable(step);
      else assert.deepEqual(decode(decoder, encode(encoder, step)), step);
      assert.ok(typeof step === "number" || encoder.tableSize === decoder.table.size);
    }
  }));
});

test("Secrets are never indexed, and what is new each time is not", () => {
  const encoder = new HpackEncoder();
  const first = encode(encoder, [["set-cookie", "a=b"], ["etag", '"1"'], ["x", "y"]]);
  assert.equal(first[0]! & 0xf0, 0x10);
  const tableSize = 1 + 1 + 32;
  assert.equal(encoder.tableSize, tableSize);
  assert.deepEqual([...encode(encoder, [["x", "y"]])], [0x80 | 62]);
});

test("Any bytes are fields or a compression error, and the table keeps its bound", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (blocks) => {
      const decoder = new HpackDecoder();
      try {
        for (const bytes of blocks) decode(decoder, bytes);
      } catch (error) {
        assert.ok(isCompressionError(error), String(error));
      }
      assert.ok(decoder.table.size <= 4096);
    }),
    { numRuns: 2000 },
  );
});
