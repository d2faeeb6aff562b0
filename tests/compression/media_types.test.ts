import assert from "node:assert/strict";
import test from "node:test";
import { compileTypes } from "../../src/compression/media_types.ts";
import { COMPRESSION_DEFAULTS } from "../../src/compression/options.ts";

test("compileTypes matches exact types, a kind, and a suffix, whatever the parameters", () => {
  const matches = compileTypes(["text/*", "application/json", "*+xml"]);
  const yes = ["text/html", "TEXT/plain; charset=utf-8", " application/json ;x", "image/svg+xml"];
  for (const type of yes) assert.ok(matches(type), type);
  const no = [null, "", "text", "application/jsonp", "application/xml", "image/png", "xtext/html"];
  for (const type of no) assert.ok(!matches(type), String(type));
});

test("What is packed already is not compressed by default", () => {
  const matches = compileTypes(COMPRESSION_DEFAULTS.types);
  for (const type of ["image/png", "video/mp4", "application/zip", "font/woff2"]) {
    assert.ok(!matches(type), type);
  }
  for (const type of ["text/event-stream", "application/ld+json", "application/javascript"]) {
    assert.ok(matches(type), type);
  }
});

test("What is compressed where nobody says is text, of a kilobyte and more", () => {
  const { encodings, minSize, level, concurrentMax } = COMPRESSION_DEFAULTS;
  assert.deepEqual([encodings, minSize, level, concurrentMax], [
    ["zstd", "br", "gzip"],
    1024,
    "balanced",
    256,
  ]);
});
