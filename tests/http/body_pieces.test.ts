import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import { inPieces, isLong } from "../../src/http/body_pieces.ts";

const PIECE_LENGTH_MAX = 16 * 1024;

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

test("A body is long from one byte over 16 KiB on", () => {
  assert.equal(isLong(bytesOf(PIECE_LENGTH_MAX)), false);
  assert.equal(isLong(bytesOf(PIECE_LENGTH_MAX + 1)), true);
});

for (const length of [1, PIECE_LENGTH_MAX, PIECE_LENGTH_MAX + 1, 3 * PIECE_LENGTH_MAX + 5]) {
  test(`A body of ${length} bytes in pieces is the same bytes, none longer than 16 KiB`, async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of inPieces(bytesOf(length))) pieces.push(piece);
    assert.ok(pieces.every((piece) => piece.length > 0 && piece.length <= PIECE_LENGTH_MAX));
    assert.deepEqual(Buffer.concat(pieces), Buffer.from(bytesOf(length)));
  });
}
