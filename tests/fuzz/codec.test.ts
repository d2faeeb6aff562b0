/**
 * Invariant of what reads bytes, whatever they are and however they are cut: it gives events or a
 * ProtocolError, never another exception, and never holds more than its bound in memory. And what it
 * gives does not depend on how the bytes were cut.
 *
 * - RecordDecoder: at most one record (RECORD_LENGTH_MAX) of memory of its own.
 * - NameValueDecoder: at most `lengthMax` bytes of pairs.
 * - CgiResponseParser: at most the header section's limit; over it, the response is refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromLatin1 } from "../../src/protocol/byte_buffer.ts";
import { CgiResponseParser } from "../../src/protocol/cgi_response.ts";
import { RECORD_LENGTH_MAX, RecordType } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { NameValueDecoder } from "../../src/protocol/name_value.ts";
import { RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { cut, join, offsetsIn, poison } from "../support/fragments.ts";
import { runCount } from "../support/long_runs.ts";
import { capturesOf, mutated, mutatedBytes, streamOf } from "./mutations.ts";

const RUNS = { numRuns: runCount(1_000, 200_000) };
const CAPTURES = capturesOf("web_server");
const APPLICATIONS = capturesOf("application");

/** Smaller than the captures' own, so that mutations get over it. */
const PARAMS_LENGTH_MAX = 400;
const PARAMS_MAX = 30;
const HEAD_LENGTH_MAX = 100;

/** Bytes, and where they are cut. */
function inFragments(
  bytes: fc.Arbitrary<Uint8Array<ArrayBuffer>>,
): fc.Arbitrary<{ bytes: Uint8Array<ArrayBuffer>; offsets: number[] }> {
  return bytes.chain((all) => fc.record({ bytes: fc.constant(all), offsets: offsetsIn(all) }));
}

/** Runs it on the pieces; a ProtocolError is an outcome, any other exception passes through. */
function outcomeOf<Item>(
  pieces: Uint8Array[],
  take: (piece: Uint8Array, items: Item[]) => void,
): { items: Item[]; code: string | undefined } {
  const items: Item[] = [];
  try {
    for (const piece of pieces) {
      take(piece, items);
      poison(piece);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { items, code: error.code };
  }
  return { items, code: undefined };
}

function decodeRecords(pieces: Uint8Array[]) {
  const decoder = new RecordDecoder();
  return outcomeOf<unknown>(pieces, (piece, records) => {
    decoder.push(piece);
    for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
      const { buffer } = record.content;
      assert.ok(buffer === piece.buffer || buffer.byteLength <= RECORD_LENGTH_MAX);
      records.push({ ...record, content: record.content.slice() });
    }
  });
}

function decodePairs(pieces: Uint8Array[]) {
  const decoder = new NameValueDecoder({ lengthMax: PARAMS_LENGTH_MAX, pairsMax: PARAMS_MAX });
  let length = 0;
  const outcome = outcomeOf<string>(pieces, (piece, pairs) => {
    length += piece.length;
    for (const [name, value] of decoder.push(piece)) pairs.push(`${name}=${value}`);
    assert.ok(length <= PARAMS_LENGTH_MAX, `${length} bytes were taken`);
  });
  assert.ok(outcome.items.length <= PARAMS_MAX);
  return outcome;
}

function parseHeaders(pieces: Uint8Array[]) {
  const parser = new CgiResponseParser(HEAD_LENGTH_MAX);
  const rest: Uint8Array[] = [];
  let pushed = "";
  const outcome = outcomeOf<unknown>(pieces, (piece, headers) => {
    if (headers.length > 0) return void rest.push(piece.slice());
    const start = parser.push(piece);
    if (start !== undefined) {
      headers.push(start.section);
      rest.push(start.rest.slice());
      return;
    }
    pushed += fromLatin1(piece);
    // An empty line is the end of an interim response, which is forgotten.
    const held = pushed.split(/\n\r?\n/).at(-1)!.length;
    assert.ok(held <= HEAD_LENGTH_MAX, `${held} bytes are held`);
  });
  return { ...outcome, rest: join(rest) };
}

test("RecordDecoder: mutated captures give records or a ProtocolError, however they are cut", () => {
  fc.assert(
    fc.property(inFragments(mutated([...CAPTURES, ...APPLICATIONS])), ({ bytes, offsets }) => {
      const whole = decodeRecords([bytes.slice()]);
      assert.deepEqual(decodeRecords(cut(bytes, offsets)), whole);
      if (whole.code !== undefined) assert.equal(whole.code, "bad_version");
    }),
    RUNS,
  );
});

test("NameValueDecoder: mutated parameters give pairs or a ProtocolError, however they are cut", () => {
  const runs = CAPTURES.map(({ bytes }) => streamOf(bytes, RecordType.PARAMS))
    .filter(({ length }) => length > 0);
  fc.assert(
    fc.property(inFragments(mutatedBytes(runs)), ({ bytes, offsets }) => {
      const { items, code } = decodePairs(cut(bytes, offsets));
      if (code !== undefined) assert.equal(code, "params_too_large");
      if (code === undefined) assert.deepEqual(items, decodePairs([bytes.slice()]).items);
    }),
    RUNS,
  );
});

test("CgiResponseParser: mutated responses give a header section or a ProtocolError, however they are cut", () => {
  const runs = APPLICATIONS.map(({ bytes }) => streamOf(bytes, RecordType.STDOUT))
    .filter(({ length }) => length > 0);
  fc.assert(
    fc.property(inFragments(mutatedBytes(runs)), ({ bytes, offsets }) => {
      const whole = parseHeaders([bytes.slice()]);
      assert.deepEqual(parseHeaders(cut(bytes, offsets)), whole);
      if (whole.code !== undefined) {
        assert.ok(["bad_cgi_header", "cgi_header_too_large"].includes(whole.code), whole.code);
      }
    }),
    RUNS,
  );
});
