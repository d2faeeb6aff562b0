/** Whatever responses follow each other, their clients read what was meant; and how streams ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { RESET_STREAMS_MAX } from "../../src/http2/limits.ts";
import { ResponseHeadersWriter } from "../../src/http2/response_headers.ts";
import { StreamTable } from "../../src/http2/stream_table.ts";
import type { ResponseFields } from "../../src/runtime/http_response.ts";

const SETS: readonly ResponseFields[] = [
  [],
  [["content-type", "text/plain"]],
  [["Content-Type", "text/html"], ["X-A", "b"], ["connection", "close"]],
  [["date", "its own"], ["set-cookie", "a=b"], ["set-cookie", "c=d"]],
  [["x-long", "y".repeat(1500)]],
  [["etag", "1"], ["x-b", "c".repeat(300)]],
  [["x-c", "d".repeat(500)]],
  [["x-e", "f".repeat(500)]],
  [["x-g", "h".repeat(500)]],
  [["x-i", "j"]],
  [["x-k", "l"]],
];

const DATES = ["Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2001 00:00:01 GMT"] as const;

const response = fc.record({
  set: fc.nat(SETS.length - 1),
  status: fc.constantFrom(200, 200, 404),
  length: fc.constantFrom(undefined, 5, 5, 12),
  date: fc.constantFrom(...DATES),
  tableSize: fc.constantFrom(undefined, undefined, undefined, 0, 200, 4096),
  forgets: fc.constantFrom(false, false, false, true),
});

test("Responses that follow each other are read as they were meant", () => {
  fc.assert(
    fc.property(fc.array(response, { maxLength: 40 }), (responses) => {
      const writer = new ResponseHeadersWriter();
      const decoder = new HpackDecoder();
      for (const { set, status, length, date, tableSize, forgets } of responses) {
        if (tableSize !== undefined) writer.encoder.limitTable(tableSize);
        if (forgets) writer.forget();
        const fields = SETS[set]!;
        const out = new ByteBuffer();
        writer.append(out, status, fields, length, date);
        const block = out.take();
        decoder.begin(block, 0, block.length);
        const read: [string, string][] = [];
        for (let field = decoder.next(); field !== undefined; field = decoder.next()) {
          read.push([field.name, field.value]);
        }
        const own = fields.map(([name, value]) => [name.toLowerCase(), value])
          .filter(([name]) => name !== "connection");
        const hasDate = own.some(([name]) => name === "date");
        assert.deepEqual(read, [
          [":status", String(status)],
          ...own,
          ...(hasDate ? [] : [["date", date]]),
          ...(length === undefined ? [] : [["content-length", String(length)]]),
        ]);
      }
    }),
  );
});

test("The same response again is the same few bytes, and of the next second a few more", () => {
  const writer = new ResponseHeadersWriter();
  const lengthOf = (date: string) => {
    const out = new ByteBuffer();
    writer.append(out, 200, SETS[1]!, 12, date);
    return out.length;
  };
  lengthOf(DATES[0]);
  const again = [1, 2, 3].map(() => lengthOf(DATES[0]));
  assert.deepEqual(again, [again[0], again[0], again[0]]);
  assert.ok(lengthOf(DATES[1]) > again[0]!);
  assert.equal(lengthOf(DATES[1]), again[0]);
});

test("How a stream ended is known of the last few hundred", () => {
  const table = new StreamTable();
  const ends = ["over", "reset by us", "reset by the client"] as const;
  const endOf = (id: number) => ends[(id >> 1) % ends.length]!;
  const last = 2 * (3 * RESET_STREAMS_MAX) - 1;
  for (let id = 1; id <= last; id += 2) table.remove(id, endOf(id));
  for (let id = 1; id <= last + 2; id += 2) {
    const isKnown = id > last - 2 * RESET_STREAMS_MAX && id <= last;
    assert.equal(table.endOf(id), isKnown ? endOf(id) : undefined, `stream ${id}`);
  }
});
