/** STDERR in any pieces becomes whole lines, and a line without end is bounded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { STDERR_LINE_MAX, StderrLines } from "../../src/upstream/stderr_lines.ts";
import { fragmentations } from "../support/fragments.ts";

function linesOf(pieces: readonly Uint8Array[]): string[] {
  const lines: string[] = [];
  const stderr = new StderrLines((line) => lines.push(line));
  for (const piece of pieces) stderr.push(piece);
  stderr.end();
  return lines;
}

test("StderrLines splits at line ends however the bytes are cut, also within a character", () => {
  const bytes = new TextEncoder().encode("one\r\ntwo é €\n\n\nthree");
  for (const { how, pieces } of fragmentations(bytes)) {
    assert.deepEqual(linesOf(pieces), ["one", "two é €", "three"], how);
  }
});

test("StderrLines makes a line of each message that php-fpm strings together", () => {
  const text = "PHP message: one; PHP message: two\nof; it; PHP message: three";
  const lines = ["PHP message: one", "PHP message: two", "of; it", "PHP message: three"];
  for (const { how, pieces } of fragmentations(new TextEncoder().encode(text))) {
    assert.deepEqual(linesOf(pieces), lines, how);
  }
});

test("StderrLines keeps half a character at the end as a replacement, not as nothing", () => {
  assert.deepEqual(linesOf([Uint8Array.of(0x61, 0xe2, 0x82)]), ["a\ufffd"]);
});

test("StderrLines cuts a long line once, with a mark, and goes on at the next line", () => {
  const long = new TextEncoder().encode("x".repeat(3 * STDERR_LINE_MAX));
  const next = new TextEncoder().encode("\nnext\n");
  const cut = `${"x".repeat(STDERR_LINE_MAX)} [cut]`;
  assert.deepEqual(linesOf([long, long, next]), [cut, "next"]);
  assert.deepEqual(linesOf([new Uint8Array([...long, ...next])]), [cut, "next"]);
  assert.deepEqual(linesOf([long, long]), [cut]);
});

test("StderrLines leaves a line of exactly the limit whole", () => {
  const text = "x".repeat(STDERR_LINE_MAX);
  assert.deepEqual(linesOf([new TextEncoder().encode(`${text}\n`)]), [text]);
  assert.deepEqual(linesOf([new TextEncoder().encode(text)]), [text]);
});

test("StderrLines has nothing left behind its end", () => {
  const lines: string[] = [];
  const stderr = new StderrLines((line) => lines.push(line));
  stderr.push(new TextEncoder().encode("half"));
  stderr.end();
  stderr.end();
  assert.deepEqual(lines, ["half"]);
});
