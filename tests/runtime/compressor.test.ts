import assert from "node:assert/strict";
import { test } from "node:test";
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from "node:zlib";
import { QUICK_LENGTH_MAX } from "../../src/runtime/compressor.ts";
import type { ContentCoding } from "../../src/runtime/content_coding.ts";
import { patternBytes, runtime } from "./support.ts";

const DECODERS: Readonly<Record<ContentCoding, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

const CODINGS = Object.keys(DECODERS) as ContentCoding[];
const LEVELS = ["fast", "balanced", "small"] as const;

/** What a client has decoded when these bytes, and no end, have arrived. */
async function decodedSoFar(coding: ContentCoding, output: Uint8Array[]): Promise<string> {
  const create = { gzip: createGunzip, br: createBrotliDecompress, zstd: createZstdDecompress };
  const decoder = create[coding]();
  let text = "";
  decoder.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
  for (const bytes of output) {
    await new Promise<void>((resolve) => decoder.write(bytes, () => resolve()));
  }
  decoder.destroy();
  return text;
}

test("A compressor's output is what went in, of every coding and level", async () => {
  const input = patternBytes(300_000);
  for (const coding of CODINGS) {
    for (const level of LEVELS) {
      const compressor = runtime.createCompressor({ coding, level });
      const output: Uint8Array[] = [];
      for (let start = 0; start < input.length; start += 70_000) {
        output.push(...await compressor.write(input.subarray(start, start + 70_000)));
      }
      output.push(...await compressor.end());
      const decoded = DECODERS[coding](Buffer.concat(output));
      assert.ok(Buffer.from(decoded).equals(input), `${coding} ${level}`);
      compressor.destroy();
    }
  }
});

test("A short body is compressed at once where that is quick, and decodes to what went in", () => {
  const quick = [];
  for (const coding of CODINGS) {
    for (const level of LEVELS) {
      for (const length of [0, 1, 43_000, QUICK_LENGTH_MAX]) {
        const input = patternBytes(length);
        const output = runtime.compressQuickly(input, { coding, level });
        if (output === undefined) continue;
        if (length === 1) quick.push(`${coding} ${level}`);
        assert.ok(Buffer.from(DECODERS[coding](output)).equals(input), `${coding} ${level}`);
      }
      const longer = patternBytes(QUICK_LENGTH_MAX + 1);
      assert.equal(runtime.compressQuickly(longer, { coding, level }), undefined);
    }
  }
  assert.deepEqual(quick, [
    "gzip fast",
    "gzip balanced",
    "br fast",
    "zstd fast",
    "zstd balanced",
  ]);
});

test("A flush brings out everything that was written", async () => {
  for (const coding of CODINGS) {
    const compressor = runtime.createCompressor({ coding, level: "balanced" });
    const output: Uint8Array[] = [];
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      const before = output.length;
      output.push(...await compressor.write(Buffer.from(event)));
      output.push(...await compressor.flush());
      assert.ok(output.length > before, coding);
    }
    assert.equal(await decodedSoFar(coding, output), "data: 1\n\ndata: 2\n\n");
    compressor.destroy();
  }
});

test("A compressor that was given up may be given up again", () => {
  const compressor = runtime.createCompressor({ coding: "gzip", level: "fast" });
  compressor.destroy();
  compressor.destroy();
});
