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
import {
  decodedLengthMax,
  huffmanDecode,
  huffmanEncode,
  huffmanLength,
} from "../../src/http2/huffman.ts";
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

/** The codes of all bytes one behind the other, as appendix B has them, padded. */
const ALL_CODES = [
  "ffc7fffd8fffffe2fffffe3fffffe4fffffe5fffffe6fffffe7fffffe8ffffeafffffff3fffffa7fffffabff",
  "ffffdfffffebfffffecfffffedfffffeefffffefffffff0ffffff1ffffff2fffffffbfffffcffffffd3fffff",
  "d7fffffdbfffffdffffffe3fffffe7fffffebfffffed4fe3f9ffaffcabf1febfafefe7fdfd2cbb00089969b7",
  "1d79fb9f7fff20ffbff3ff50ddbd7f061c58f265cd9f469d5af66dddbf871e5f9cff7ff7fffc3ff9ffe45fff",
  "4719242cb34e6e9d68a6a3d7dac426defe3cfaf7fffbfe7ffbffdffffffcfffe6ffff4bfff9ffffa3fffd3ff",
  "ff53fffd5ffffb3fffeb7fffdaffffb7ffff73fffeeffffdeffffebffffbfffffd9ffffdbfffebffffe0ffff",
  "eeffffc3ffff8bffff1ffffe4fffee7fffb1ffff97fffd9ffffcdffff9fffffbffffdafffeeffff4ffffb7ff",
  "fee7fffe8ffffd3fffdeffffd5fffeeffffbdffffe1fffdfffff7fffff5ffffecffff07fff87fffe0ffff17f",
  "ffedffff87ffff77fffeffffeaffff8bfffe3ffff93ffff87fffcbffff37ffff1fffff83ffffe1fffebfffe3",
  "ffff3fffff2ffffa3ffffd9fffff17ffffc7fffff27ffffdefffffbffffff2fffff8fffffb7fff97fff8ffff",
  "fe6fffffc1fffff87ffffe7fffffc5ffffe5fffe4ffff2fffffd1fffff4ffffffefffffe3fffffc9fffff97f",
  "ffb3ffffcffffb7fffcdffff4ffff9ffffd1ffffcffffeaffffafffffddffffeffffff4fffff5fffffabffff",
  "a7ffffd7fffff9bffffecfffffb7fffff3fffffe8fffffd3fffffabfffff5fffffff7ffffecfffffdbfffffb",
  "bfffff7ffffff0fffffbbf",
].join("");

test("The Huffman code is that of appendix B, byte by byte", () => {
  const text = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
  const encoded = new Uint8Array(huffmanLength(text) + 2);
  huffmanEncode(text, encoded, 1);
  assert.equal(toHex(encoded), `00${ALL_CODES}00`);
  const decoded = new Uint8Array(256);
  const end = encoded.length - 1;
  assert.equal(huffmanDecode(encoded, 1, end, decoded), 256);
  assert.equal(String.fromCharCode(...decoded), text);
});

test("A text of each length is as long as its code, and EOS is none of it", () => {
  const target = new Uint8Array(100);
  for (let byte = 0; byte < 256; byte++) {
    for (const behind of ["", "0", "00", "0000000"]) {
      const text = String.fromCharCode(byte) + behind;
      const encoded = new Uint8Array(huffmanLength(text));
      huffmanEncode(text, encoded, 0);
      assert.equal(huffmanDecode(encoded, 0, encoded.length, target), text.length);
      assert.ok(decodedLengthMax(encoded.length) >= text.length);
    }
  }
  assert.equal(decodedLengthMax(5), 8);
  // "0", EOS and "0": 5, 30 and 5 bits.
  const eos = Uint8Array.of(0b00000_111, 0xff, 0xff, 0xff, 0b111_00000);
  assert.equal(huffmanDecode(eos, 0, eos.length, target), -1);
  // "!" and EOS, which ends with the last byte: 10 bits and 30.
  const last = Uint8Array.of(0xfe, 0x3f, 0xff, 0xff, 0xff);
  assert.equal(huffmanDecode(last, 0, last.length, target), -1);
});

/** Why a block is none. */
function reasonOf(hex: string, decoder = new HpackDecoder()): string {
  try {
    decode(decoder, fromHex(hex));
    return "";
  } catch (error) {
    assert.ok(isCompressionError(error), String(error));
    return (error as Error).message;
  }
}

test("A number is no larger than 2^28, in no more than five bytes behind its prefix", () => {
  const size = (value: number, more = "") => {
    const out = new ByteBuffer();
    appendInteger(out, 0x20, 5, value);
    return reasonOf(toHex(out.take()) + more);
  };
  assert.match(size(2 ** 28), /^A table of 268435456 bytes/);
  assert.equal(size(2 ** 28 + 1), "A number is too large");
  // 31, in more bytes than it takes.
  assert.equal(reasonOf("3f808080800082"), "");
  assert.equal(reasonOf("3f80808080800082"), "A number is too large");
  assert.equal(reasonOf("3f80"), "A number is cut short");
  assert.equal(reasonOf("3f"), "A number is cut short");
});

test("A table is made smaller twice at most before a field, and no smaller one is too large", () => {
  assert.equal(reasonOf("20203fe11f82"), "The table is resized too often");
  assert.equal(reasonOf("203fe11f82"), "");
  const decoder = new HpackDecoder();
  assert.equal(reasonOf("203fe11f82", decoder), "");
  assert.equal(reasonOf("203fe11f82", decoder), "", "each block may");
  assert.match(reasonOf("3fe21f82"), /^A table of 4097 bytes, 4096 are the most/);
  assert.equal(reasonOf("823fe11f"), "A table size update stands behind a field");
});

test("An index names what is there, up to the oldest field of the table", () => {
  const decoder = new HpackDecoder();
  assert.equal(reasonOf("40016101624001630164", decoder), "");
  assert.deepEqual(decode(decoder, fromHex("bebfbd")), [
    ["c", "d"],
    ["a", "b"],
    ["www-authenticate", ""],
  ]);
  assert.equal(reasonOf("c0", decoder), "There is no index 64");
  assert.equal(reasonOf("80", decoder), "There is no index 0");
  assert.equal(reasonOf("4001", decoder), "A text is cut short");
  assert.equal(reasonOf("40", decoder), "A text is cut short");
  assert.equal(reasonOf("40026101", decoder), "A text is cut short");
});

test("A Huffman text of any length is read, and one of many bytes leaves the next as it is", () => {
  for (const length of [0, 1, 5000, 8192, 8193, 20_000]) {
    const text = "a".repeat(length);
    const encoder = new HpackEncoder();
    const fields: Fields = [["x", text], ["y", "bb"]];
    assert.deepEqual(decode(new HpackDecoder(), encode(encoder, fields)), fields);
  }
});

test("Numbers are written and read at the edges of every prefix", () => {
  const cases: [prefix: number, value: number, hex: string][] = [
    [5, 30, "1e"],
    [5, 31, "1f00"],
    [5, 32, "1f01"],
    [5, 31 + 127, "1f7f"],
    [5, 31 + 128, "1f8001"],
    [5, 31 + 16_383, "1fff7f"],
    [5, 31 + 16_384, "1f808001"],
    [7, 126, "7e"],
    [7, 127, "7f00"],
  ];
  for (const [prefix, value, hex] of cases) {
    const out = new ByteBuffer();
    appendInteger(out, 0, prefix, value);
    assert.equal(toHex(out.take()), hex);
  }
});

test("A text is written as it is where the Huffman code is no shorter", () => {
  const encoder = new HpackEncoder();
  assert.equal(toHex(encode(encoder, [["age", "&"]])), "0f060126");
  assert.equal(toHex(encode(encoder, [["age", "0"]])), "0f060130");
  assert.equal(toHex(encode(encoder, [["age", "00"]])), "0f06023030");
  assert.equal(toHex(encode(encoder, [["age", "000"]])), "0f06820001");
});

test("A value of up to 512 bytes is indexed, a longer one is not", () => {
  for (const [length, isIndexed] of [[512, true], [513, false]] as const) {
    const encoder = new HpackEncoder();
    encode(encoder, [["x", "a".repeat(length)]]);
    assert.equal(encoder.tableSize, isIndexed ? 1 + 512 + 32 : 0);
  }
});

test("A table that the other end limits is told of at the next block, its lowest size first", () => {
  const sizes = (...limits: readonly number[]) => {
    const encoder = new HpackEncoder();
    for (const limit of limits) encoder.limitTable(limit);
    const told = encoder.mustResize;
    const hex = toHex(encode(encoder, []));
    assert.equal(told, hex !== "");
    assert.equal(encoder.mustResize, false);
    assert.equal(toHex(encode(encoder, [])), "", "told once");
    return hex;
  };
  assert.equal(sizes(), "");
  assert.equal(sizes(4096), "");
  assert.equal(sizes(100_000), "");
  assert.equal(sizes(0), "20");
  assert.equal(sizes(30), "3e");
  assert.equal(sizes(30, 30), "3e");
  assert.equal(sizes(30, 10), "2a");
  assert.equal(sizes(10, 30), "2a3e");
  assert.equal(sizes(10, 30, 20), "2a34");
  assert.equal(sizes(10, 4096), "2a3fe11f");
  assert.equal(sizes(30, 10, 30), "2a3e");
});

test("What a table forgets is written out again, a newer field of the same name stays", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const written = (...fields: Fields) => {
    const block = encode(encoder, fields);
    assert.deepEqual(decode(decoder, block), fields);
    return toHex(block);
  };
  encoder.limitTable(80);
  written(["x", "1"]);
  written(["x", "2"]);
  const generation = encoder.generation;
  assert.equal(written(["x", "2"], ["x", "1"]).slice(0, 4), "bebf");
  assert.equal(encoder.generation, generation);
  // It pushes out the oldest, which is "1" of "x".
  written(["y", "1"]);
  assert.notEqual(encoder.generation, generation);
  assert.equal(written(["x", "2"]), "bf");
  assert.equal(written(["x", "3"]).slice(0, 2), "7f", "by the name of the one that stays");
  assert.equal(written(["x", "1"]).slice(0, 2), "7e");
});

test("A table tells whatever changes what an index means, and what it lets go of", () => {
  const table = new HpackDynamicTable(100);
  const gone: string[] = [];
  const add = (name: string, value = "") =>
    table.add(new HpackField(name, value), (field) => gone.push(field.name));
  const insertions: number[] = [table.insertions];
  for (const name of ["a", "b", "c", "d"]) {
    assert.equal(add(name), true);
    insertions.push(table.insertions);
  }
  assert.deepEqual(gone, ["a"]);
  table.resize(66, (field) => gone.push(field.name));
  insertions.push(table.insertions);
  assert.deepEqual(gone, ["a", "b"]);
  assert.deepEqual([table.size, table.sizeMax, table.length], [66, 66, 2]);
  assert.equal(add("e", "x".repeat(33)), true, "it fits exactly");
  assert.deepEqual(gone, ["a", "b", "c", "d"]);
  assert.equal(add("f", "x".repeat(34)), false);
  insertions.push(table.insertions);
  assert.equal(new Set(insertions).size, insertions.length);
  assert.equal(table.at(1), undefined);
  assert.equal(add("g"), true);
  assert.deepEqual([table.at(0), table.at(1)?.name, table.at(2)], [undefined, "g", undefined]);
});
