import assert from "node:assert/strict";
import test from "node:test";
import { ENCODINGS, preferredEncoding } from "../../src/compression/accept_encoding.ts";

test("preferredEncoding takes the first that is offered of those that the client wants alike", () => {
  const cases: [accept: string, expected: string][] = [
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip, br", "br"],
    ["gzip", "gzip"],
    ["GZIP", "gzip"],
    ["x-gzip", "gzip"],
    ["*", "zstd"],
    ["zstd;q=0, *", "br"],
    ["identity, br", "br"],
    // One without a weight has the weight 1.
    ["br, zstd;q=1.0", "zstd"],
    ["br, zstd;q=0.999", "br"],
  ];
  for (const [accept, expected] of cases) {
    assert.equal(preferredEncoding(accept, ENCODINGS), expected, accept);
  }
  assert.equal(preferredEncoding("gzip, br", ["gzip", "br"]), "gzip");
});

test("preferredEncoding obeys the weights", () => {
  const cases: [accept: string, expected: string][] = [
    ["zstd;q=0.5, br;q=0.8, gzip;q=0.1", "br"],
    ["br;q=0.5,gzip;q=1.000", "gzip"],
    ["*;q=0.1, gzip ; q=0.2", "gzip"],
    ["gzip;q=0.001", "gzip"],
    ["identity;q=0.5, gzip;q=0.8", "gzip"],
    ["identity;q=0", "undefined"],
    ["identity;q=0, gzip", "gzip"],
  ];
  for (const [accept, expected] of cases) {
    assert.equal(String(preferredEncoding(accept, ENCODINGS)), expected, accept);
  }
});

test("preferredEncoding leaves the content as it is where the client wants nothing else", () => {
  const texts = [
    ...["", "identity", "deflate", "gzip;q=0", "*;q=0", "gzip;q=0.0", "br;q=0, *;q=0"],
    ...["identity;q=1, gzip;q=0.5", "gzip;q=2", "gzip;q=x", "gzip;q=", "compress, *;q=0"],
  ];
  for (const accept of texts) assert.equal(preferredEncoding(accept, ENCODINGS), undefined, accept);
  assert.equal(preferredEncoding(null, ENCODINGS), undefined);
  assert.equal(preferredEncoding("br, zstd", ["gzip"]), undefined);
  assert.equal(preferredEncoding("gzip", []), undefined);
});
