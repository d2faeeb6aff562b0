import { test } from "node:test";
import assert from "node:assert/strict";
import { HeldMemory } from "../../src/http1/held_memory.ts";
import { RequestBody } from "../../src/http1/request_body.ts";
import type { BodyFraming } from "../../src/http1/request_headers.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { turn } from "../support/idle.ts";

const CHUNKED: BodyFraming = { kind: "chunked" };
const lengthOf = (length: number): BodyFraming => ({ kind: "length", length });

/** A body, and what it wanted of its connection. */
function bodyOf(framing: BodyFraming, expectsContinue = false) {
  const wanted: string[] = [];
  const held = new HeldMemory();
  const body = new RequestBody(framing, expectsContinue, {
    sendContinue: () => void wanted.push("continue"),
    pause: () => void wanted.push("pause"),
    resume: () => void wanted.push("resume"),
  }, held);
  return { body, held, wanted, last: () => wanted.at(-1) };
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of stream) text += fromLatin1(piece);
  return text;
}

test("A body takes what is its own, and is over with its last byte", async () => {
  for (
    const [framing, text] of [[lengthOf(4), "body"], [CHUNKED, "4\r\nbody\r\n0\r\n\r\n"]] as const
  ) {
    const { body, last } = bodyOf(framing);
    assert.equal(body.take(latin1(text.slice(0, 3))), 3);
    assert.equal(body.isOver, false);
    assert.equal(body.take(latin1(text.slice(3) + "GET /")), text.length - 3);
    assert.equal(body.isOver, true);
    assert.equal(await textOf(body.stream), "body");
    assert.equal(last(), "resume");
  }
});

test("What comes before anybody reads stops the client, and is kept", async () => {
  const { body, last } = bodyOf(lengthOf(6));
  body.take(latin1("one"));
  assert.equal(last(), "pause");
  const { stream } = body;
  await Promise.resolve();
  assert.equal(last(), "pause");
  const reader = stream.getReader();
  assert.equal(fromLatin1((await reader.read()).value!), "one");
  await turn();
  assert.equal(last(), "resume");
  body.take(latin1("two"));
  assert.equal(fromLatin1((await reader.read()).value!), "two");
  assert.equal((await reader.read()).done, true);
});

test("What waits for a reader is held, from its coming to its being read", async () => {
  for (const expectsContinue of [false, true]) {
    const { body, held } = bodyOf(lengthOf(9), expectsContinue);
    body.take(latin1("one"));
    assert.equal(held.length, 3);
    const reader = body.stream.getReader();
    assert.equal(held.length, 3);
    assert.equal(fromLatin1((await reader.read()).value!), "one");
    const second = reader.read();
    await turn();
    assert.equal(held.length, 0);
    body.take(latin1("two"));
    assert.equal(held.length, 0, "its reader waited for it");
    assert.equal(fromLatin1((await second).value!), "two");
    await turn();
    body.take(latin1("end"));
    assert.equal([0, 3].includes(held.length), true);
    assert.equal(fromLatin1((await reader.read()).value!), "end");
    assert.equal((await reader.read()).done, true);
    assert.equal(held.length, 0);
  }
});

test("A body that nobody reads is held until it is dropped, or fails", () => {
  for (const end of ["drop", "fail"] as const) {
    for (const length of [5, 9]) {
      const { body, held } = bodyOf(lengthOf(length));
      body.take(latin1("12345"));
      assert.equal(held.length, 5);
      body[end]();
      assert.equal(held.length, 0, `${end} at 5 of ${length} bytes`);
    }
  }
});

test("Who reads slowly stops the client with one piece in hand", async () => {
  const { body, wanted, last } = bodyOf(lengthOf(1000));
  const reader = body.stream.getReader();
  await turn();
  assert.deepEqual(wanted, ["resume"]);
  body.take(latin1("a"));
  assert.equal(last(), "pause");
  await reader.read();
  await turn();
  assert.equal(last(), "resume");
});

test("Many small chunks become one piece for each piece that came", async () => {
  const { body } = bodyOf(CHUNKED);
  const count = 10_000;
  body.take(latin1("1\r\nx\r\n".repeat(count) + "2\r\nyz\r\n"));
  body.take(latin1("3\r\nabc\r\n0\r\n\r\n"));
  const pieces: string[] = [];
  for await (const piece of body.stream) pieces.push(fromLatin1(piece));
  assert.deepEqual(pieces, ["x".repeat(count) + "yz", "abc"]);
});

test("A 100 is sent when somebody reads, once, and not behind the body's first byte", async () => {
  const { body, wanted } = bodyOf(lengthOf(4), true);
  const { stream } = body;
  await turn();
  assert.deepEqual(wanted, []);
  const text = textOf(stream);
  await turn();
  assert.deepEqual(wanted, ["continue", "resume"]);
  body.take(latin1("body"));
  assert.equal(await text, "body");
  assert.equal(wanted.filter((what) => what === "continue").length, 1);

  const eager = bodyOf(lengthOf(4), true);
  eager.body.take(latin1("bo"));
  const eagerText = textOf(eager.body.stream);
  eager.body.take(latin1("dy"));
  assert.equal(await eagerText, "body");
  assert.ok(!eager.wanted.includes("continue"));
});

test("A dropped body is read over and kept nowhere", async () => {
  const { body, last } = bodyOf(lengthOf(6));
  body.take(latin1("one"));
  body.drop();
  assert.equal(last(), "resume");
  body.take(latin1("two"));
  assert.equal(body.isOver, true);
  await assert.rejects(textOf(body.stream));
});

test("A body that is over does not stir its connection when it is given up", async () => {
  const { body, wanted } = bodyOf(lengthOf(3));
  body.take(latin1("one"));
  const { length } = wanted;
  await body.stream.cancel();
  body.drop();
  assert.equal(wanted.length, length);
});

test("A body that will never be whole fails for its reader, before and after", async () => {
  const early = bodyOf(lengthOf(6));
  early.body.take(latin1("one"));
  early.body.fail();
  await assert.rejects(textOf(early.body.stream));
  const late = bodyOf(lengthOf(6));
  const text = assert.rejects(textOf(late.body.stream));
  late.body.take(latin1("one"));
  late.body.fail();
  await text;
  const over = bodyOf(lengthOf(3));
  over.body.take(latin1("one"));
  over.body.fail();
  assert.equal(await textOf(over.body.stream), "one");
});
