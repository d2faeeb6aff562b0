import { test } from "node:test";
import assert from "node:assert/strict";
import { ParamsGathering } from "../../src/protocol/params_gathering.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (content: Uint8Array) => new TextDecoder().decode(content);

test("PARAMS in one record are read where they lie", () => {
  const params = new ParamsGathering(10);
  const content = bytes("one");
  params.add(1, content);
  assert.equal(params.take(1), content);
  assert.equal(params.take(1).length, 0);
});

test("PARAMS of requests that take turns stay apart", () => {
  const params = new ParamsGathering(10);
  params.add(1, bytes("a"));
  params.add(2, bytes("A"));
  params.add(1, bytes("b"));
  params.add(2, bytes("B"));
  assert.equal(text(params.take(2)), "AB");
  assert.equal(text(params.take(1)), "ab");
});

test("PARAMS outlive the memory that they came in once they are kept", () => {
  const params = new ParamsGathering(10);
  const received = bytes("one");
  params.add(1, received);
  params.keepReceived();
  received.fill(0);
  params.add(1, bytes("two"));
  assert.equal(text(params.take(1)), "onetwo");
});

test("PARAMS of a request that is over are forgotten, those of others are not", () => {
  const params = new ParamsGathering(10);
  params.add(1, bytes("a"));
  params.add(2, bytes("b"));
  params.forget(1);
  params.add(1, bytes("new"));
  assert.equal(text(params.take(1)), "new");
  assert.equal(text(params.take(2)), "b");
});

test("PARAMS of one request may have as many bytes as the limit says, and no more", () => {
  for (const pieces of [["1234", "5"], ["12345"], ["1", "2", "3", "4", "5"]]) {
    const params = new ParamsGathering(4);
    const isTooLarge = (error: unknown) =>
      error instanceof ProtocolError && error.code === "params_too_large" &&
      error.scope === "request";
    assert.throws(() => pieces.forEach((piece) => params.add(1, bytes(piece))), isTooLarge);
  }
  const params = new ParamsGathering(4);
  params.add(1, bytes("12"));
  params.add(1, bytes("34"));
  assert.equal(text(params.take(1)), "1234");
});
