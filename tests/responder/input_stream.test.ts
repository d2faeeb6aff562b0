import { test } from "node:test";
import assert from "node:assert/strict";
import { InputStream } from "../../src/responder/input_stream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function inputOf(lengthExpected?: number): InputStream {
  return new InputStream(lengthExpected, { inputTaken() {} });
}

test("InputStream keeps nothing of the memory that bytes came in", async () => {
  const [streamed, whole] = [inputOf(), inputOf()];
  for (const input of [streamed, whole]) {
    const piece = bytes("one");
    input.push(piece);
    piece.fill(0);
    input.push(bytes("two"));
    input.end();
  }
  assert.equal(await new Response(streamed.readable()).text(), "onetwo");
  assert.equal(new TextDecoder().decode(whole.takeAll()), "onetwo");
});

test("InputStream counts what waits, and tells when some of it was taken", async () => {
  let taken = 0;
  const input = new InputStream(undefined, { inputTaken: () => taken++ });
  input.push(bytes("one"));
  input.push(bytes("four"));
  assert.equal(input.buffered, 7);
  const reader = input.readable().getReader();
  await reader.read();
  assert.equal(input.buffered, 4);
  assert.equal(taken, 1);
  await reader.cancel();
  assert.equal(input.buffered, 0);
  assert.equal(taken, 2);
  input.push(bytes("dropped"));
  assert.equal(input.buffered, 0);
});

test("InputStream wakes a reader that waits, for bytes and for the end", async () => {
  const input = inputOf();
  const reader = input.readable().getReader();
  const first = reader.read();
  input.push(bytes("x"));
  assert.deepEqual((await first).value, bytes("x"));
  const second = reader.read();
  input.end();
  assert.equal((await second).done, true);
});

test("InputStream is complete with exactly as many bytes as expected", () => {
  for (const [text, complete] of [["two", false], ["four", true], ["fives", false]] as const) {
    const input = inputOf(4);
    input.push(bytes(text));
    input.end();
    assert.equal(input.isComplete, complete, text);
  }
});

test("InputStream fails a reader when the request is over before the body", async () => {
  const input = inputOf();
  const reader = input.readable().getReader();
  const waiting = reader.read();
  input.close();
  await assert.rejects(waiting, /the request is over/);
});

test("InputStream that was read to its end is not failed by the request's end", async () => {
  const input = inputOf();
  input.push(bytes("all"));
  input.end();
  const reader = input.readable().getReader();
  await reader.read();
  input.close();
  assert.equal((await reader.read()).done, true);
});
