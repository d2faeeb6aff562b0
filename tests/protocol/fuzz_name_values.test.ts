/**
 * Invariants of the name-value codec.
 * 1. What was encoded is decoded, whatever the fragmentation, with lengths of one byte or four.
 * 2. Any bytes give pairs or a ProtocolError of scope "request", never another exception; all
 *    fragmentations agree on it.
 * 3. Within its limits the decoder loses nothing: the pairs given out and the rest that end()
 *    reports account for every byte. Over them it refuses, so it holds at most `lengthMax` bytes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../src/protocol/errors.ts";
import {
  decodeNameValues,
  encodeNameValues,
  NameValueDecoder,
  type NameValueLimits,
} from "../../src/protocol/name_value.ts";
import { cut, join, offsetsIn, poison } from "../support/fragments.ts";

type Pair = [name: Uint8Array, value: Uint8Array];

const ROOMY: NameValueLimits = { lengthMax: 1 << 20, pairsMax: 1 << 16 };
const anyPart = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  { weight: 2, arbitrary: fc.uint8Array({ minLength: 120, maxLength: 140 }) },
  { weight: 1, arbitrary: fc.nat(70_000).map((length) => new Uint8Array(length).fill(length)) },
);
const anyPairs = fc.array(fc.tuple(anyPart, anyPart), { maxLength: 8 });
/** Bytes as they come, and runs of small numbers, which are many short pairs. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 120 }),
  fc.array(fc.nat(4), { maxLength: 120 }).map((bytes) => Uint8Array.from(bytes)),
  fc.array(fc.constantFrom(0, 1, 2, 0x80, 0xff), { maxLength: 60 }).map((bytes) => {
    return Uint8Array.from(bytes);
  }),
);

interface Outcome {
  pairs: Pair[];
  code: string | undefined;
}

/** Pushes each piece and overwrites it. Errors that are no ProtocolError pass through. */
function decode(pieces: Uint8Array[], limits: NameValueLimits): Outcome {
  const decoder = new NameValueDecoder(limits);
  const pairs: Pair[] = [];
  try {
    for (const piece of pieces) {
      pairs.push(...decoder.push(piece));
      poison(piece);
    }
    decoder.end();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    assert.equal(error.scope, "request");
    return { pairs, code: error.code };
  }
  return { pairs, code: undefined };
}

/** The pair with every length in four bytes, as some web servers send them. */
function encodeLong([name, value]: Pair): Uint8Array {
  const lengths = new DataView(new ArrayBuffer(8));
  lengths.setUint32(0, (name.length | 0x8000_0000) >>> 0);
  lengths.setUint32(4, (value.length | 0x8000_0000) >>> 0);
  return join([new Uint8Array(lengths.buffer), name, value]);
}

test("Pairs come out as they went in, whatever the fragmentation", () => {
  const input = anyPairs.chain((pairs) => {
    const bytes = encodeNameValues(pairs);
    return fc.record({
      pairs: fc.constant(pairs),
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
    });
  });
  fc.assert(
    fc.property(input, ({ pairs, bytes, offsets }) => {
      assert.deepEqual(decode(cut(bytes, offsets), ROOMY), { pairs, code: undefined });
    }),
    { numRuns: 300 },
  );
});

test("Pairs come out the same with every length in four bytes", () => {
  const input = anyPairs.chain((pairs) => {
    const bytes = join(pairs.map(encodeLong));
    return fc.record({
      pairs: fc.constant(pairs),
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
    });
  });
  fc.assert(
    fc.property(input, ({ pairs, bytes, offsets }) => {
      assert.deepEqual(decode(cut(bytes, offsets), ROOMY), { pairs, code: undefined });
    }),
    { numRuns: 200 },
  );
});

test("Texts come out as they went in, in any script", () => {
  const anyText = fc.string({ unit: "grapheme", maxLength: 150 });
  fc.assert(
    fc.property(fc.array(fc.tuple(anyText, anyText), { maxLength: 6 }), (pairs) => {
      assert.deepEqual(decodeNameValues(encodeNameValues(pairs)), pairs);
    }),
    { numRuns: 300 },
  );
});

test("Any bytes give pairs or a ProtocolError, the same whatever the fragmentation", () => {
  const input = anyBytes.chain((bytes) => {
    return fc.record({ bytes: fc.constant(bytes), offsets: offsetsIn(bytes) });
  });
  fc.assert(
    fc.property(input, ({ bytes, offsets }) => {
      const whole = decode([bytes.slice()], ROOMY);
      assert.deepEqual(decode(cut(bytes, offsets), ROOMY), whole);
      assert.deepEqual(decode(cut(bytes, Array.from(bytes.keys())), ROOMY), whole);
      if (whole.code !== undefined) assert.equal(whole.code, "bad_name_value");
    }),
    { numRuns: 500 },
  );
});

test("The pairs given out and the rest account for every byte", () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const decoder = new NameValueDecoder(ROOMY);
      const pairs = decoder.push(bytes);
      // Lengths take one byte or four, so only the order and place of the parts is certain.
      let offset = 0;
      for (const [name, value] of pairs) {
        offset += bytes[offset]! > 127 ? 4 : 1;
        offset += bytes[offset]! > 127 ? 4 : 1;
        const end = offset + name.length + value.length;
        assert.deepEqual(join([name, value]), bytes.slice(offset, end));
        offset = end;
      }
      const rest = bytes.length - offset;
      if (rest === 0) decoder.end();
      else assert.throws(() => decoder.end(), new RegExp(`: ${rest} bytes of an unfinished pair`));
    }),
    { numRuns: 300 },
  );
});

test("Over a limit the decoder refuses, whatever the bytes and the fragmentation", () => {
  const input = anyBytes.chain((bytes) => {
    return fc.record({
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
      lengthMax: fc.nat(120),
      pairsMax: fc.nat(20),
    });
  });
  fc.assert(
    fc.property(input, ({ bytes, offsets, lengthMax, pairsMax }) => {
      const unlimited = decode([bytes.slice()], ROOMY);
      const limited = decode(cut(bytes, offsets), { lengthMax, pairsMax });
      const over = bytes.length > lengthMax || unlimited.pairs.length > pairsMax;
      assert.equal(limited.code, over ? "params_too_large" : unlimited.code);
      assert.ok(limited.pairs.length <= pairsMax);
      if (!over) assert.deepEqual(limited.pairs, unlimited.pairs);
    }),
    { numRuns: 500 },
  );
});
