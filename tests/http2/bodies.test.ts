/** Bodies of requests and responses over HTTP/2, step by step: what is there, who is told, what is given back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestBody } from "../../src/http2/request_body.ts";
import {
  BytesBody,
  FileBody,
  type ResponseBody,
  StreamBody,
} from "../../src/http2/response_body.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { untilIdle } from "../support/idle.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** The next bytes of a body as a frame takes them, behind two that were there; "-": it is broken. */
function take(body: ResponseBody, length: number): string {
  const target = new Uint8Array(length + 3).fill(0x2e);
  if (!body.read(target, 2, length)) return "-";
  return new TextDecoder().decode(target);
}

test("Bytes are taken in any pieces, and held until they are", () => {
  for (const lengths of [[6], [1, 5], [5, 1], [2, 2, 2], [0, 6]]) {
    const body = new BytesBody(bytes("abcdef"));
    let text = "";
    let left = 6;
    for (const length of lengths) {
      assert.deepEqual([body.available, body.heldLength, body.isLast], [left, left, true]);
      const piece = take(body, length);
      assert.match(piece, /^\.\.[a-f]*\.$/);
      text += piece.replaceAll(".", "");
      left -= length;
    }
    assert.deepEqual([text, body.available], ["abcdef", 0]);
  }
});

/** A file that gives at most so many bytes at once, and may be shorter than it was. */
function file(text: string, pieceMax = 100, error?: Error) {
  const said = { closed: 0 };
  const open = {
    read: (target: Uint8Array, offset: number) => {
      if (error !== undefined) throw error;
      const piece = bytes(text).subarray(offset, offset + Math.min(pieceMax, target.length));
      target.set(piece);
      return piece.length;
    },
    close: () => void said.closed++,
  } as unknown as OpenFile;
  return { open, said };
}

test("A piece of a file is read as the client takes it, and the file closed behind the last byte", () => {
  for (const pieceMax of [1, 2, 100]) {
    const { open, said } = file("0123456789", pieceMax);
    const body = new FileBody(open, 2, 8);
    assert.deepEqual([body.available, body.heldLength, body.isLast], [6, 0, true]);
    assert.equal(take(body, 4), "..2345.");
    assert.deepEqual([body.available, said.closed], [2, 0]);
    assert.equal(take(body, 2), "..67.");
    assert.deepEqual([body.available, said.closed], [0, 1]);
    body.cancel();
    assert.equal(said.closed, 1);
  }
});

test("A file that is shorter by now, or cannot be read, is a broken body", () => {
  const short = file("0123", 100);
  const body = new FileBody(short.open, 0, 6);
  assert.equal(take(body, 4), "..0123.");
  assert.equal(take(body, 2), "-");
  body.cancel();
  assert.equal(short.said.closed, 1);
  assert.equal(take(new FileBody(file("", 1, new Error("EIO")).open, 0, 1), 1), "-");
});

/** A stream that a test feeds, and what its body says. */
function streamed(declared?: number) {
  const said: string[] = [];
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    pull: () => void said.push("asked"),
    cancel: () => void said.push("cancelled"),
  }, { highWaterMark: 0 });
  const body: StreamBody = new StreamBody(stream, declared, {
    onReady: () => void said.push(`ready ${body.available}${body.isLast ? " last" : ""}`),
    onBroken: (error) => void said.push(`broken: ${(error as Error).message}`),
  });
  const send = async (...pieces: readonly string[]) => {
    for (const piece of pieces) controller.enqueue(bytes(piece));
    await untilIdle();
  };
  const events = async () => {
    await untilIdle();
    return said.splice(0).filter((event) => event !== "asked").join(", ");
  };
  return { body, said, controller, send, events };
}

test("A stream is asked for one piece at a time, when nothing is there", async () => {
  const { body, said, controller, send, events } = streamed();
  await untilIdle();
  assert.deepEqual(said, []);
  body.pull();
  body.pull();
  await untilIdle();
  assert.deepEqual(said.splice(0), ["asked"]);
  await send("abc");
  assert.equal(await events(), "ready 3");
  assert.deepEqual([body.heldLength, body.isLast], [3, false]);
  body.pull();
  assert.equal(await events(), "", "what is there comes first");
  assert.equal(take(body, 2), "..ab.");
  body.pull();
  assert.equal(await events(), "");
  assert.deepEqual([take(body, 1), body.available], ["..c.", 0]);
  body.pull();
  await send("", "de");
  assert.equal(await events(), "ready 2", "an empty piece is none");
  assert.equal(take(body, 2), "..de.");
  body.pull();
  controller.close();
  assert.equal(await events(), "ready 0 last");
  body.pull();
  body.cancel();
  assert.equal(await events(), "");
});

test("A stream of a declared length ends with its last byte, and is broken where it is shorter", async () => {
  const exact = streamed(5);
  exact.body.pull();
  await exact.send("abc");
  assert.equal(await exact.events(), "ready 3");
  take(exact.body, 3);
  exact.body.pull();
  await exact.send("de");
  assert.equal(await exact.events(), "ready 2 last");
  exact.controller.close();
  assert.equal(await exact.events(), "");
  const short = streamed(5);
  short.body.pull();
  await short.send("abcd");
  assert.equal(await short.events(), "ready 4");
  take(short.body, 4);
  short.body.pull();
  short.controller.close();
  assert.equal(await short.events(), "broken: The body has 4 bytes of Content-Length 5");
  assert.deepEqual([short.body.isLast, short.body.available], [true, 0]);
  const none = streamed(0);
  none.body.pull();
  none.controller.close();
  assert.equal(await none.events(), "ready 0 last");
});

test("What comes beyond a declared length is cut off, in the piece or in one of its own", async () => {
  for (const pieces of [["abcdefg"], ["abc", "defg"]]) {
    const { body, send, events } = streamed(5);
    let text = "";
    for (const piece of pieces) {
      body.pull();
      await send(piece);
      text += take(body, body.available).replaceAll(".", "");
    }
    assert.equal(text, "abcde");
    const said = await events();
    assert.match(said, /ready \d last/);
    assert.equal(said.split("cancelled").length, 2, said);
  }
  const behind = streamed(5);
  behind.body.pull();
  await behind.send("abcde", "f");
  assert.equal(await behind.events(), "ready 5 last, cancelled");
});

test("A stream that fails is told once, and not to who has left", async () => {
  const failing = streamed();
  failing.body.pull();
  failing.controller.error(new Error("gone"));
  assert.equal(await failing.events(), "broken: gone");
  failing.body.pull();
  failing.body.cancel();
  assert.equal(await failing.events(), "");
  const silent = streamed();
  silent.body.pull();
  silent.controller.error();
  assert.equal(await silent.events(), "broken: The body failed without a reason");
  const left = streamed();
  left.body.pull();
  await untilIdle();
  left.body.cancel();
  left.body.cancel();
  assert.equal(await left.events(), "cancelled");
  assert.deepEqual([left.body.isLast, left.body.available], [true, 0]);
  const held = streamed();
  held.body.pull();
  await held.send("abc");
  await held.events();
  held.body.cancel();
  assert.deepEqual([held.body.available, await held.events()], [0, "cancelled"]);
  const late = streamed(3);
  late.body.pull();
  await late.send("abc");
  await late.events();
  late.controller.error(new Error("behind its end"));
  late.body.cancel();
  assert.equal(await late.events(), "");
});

/** A request's body, and what it tells. */
function requested(expectsContinue = false) {
  const said: string[] = [];
  const body = new RequestBody({
    sendContinue: () => void said.push("continue"),
    consumed: (length, isWaiting) => void said.push(`${length}${isWaiting ? " waiting" : ""}`),
  }, expectsContinue);
  return { body, said: () => said.splice(0).join(", ") };
}

const text = (read: { value?: Uint8Array | undefined }) => new TextDecoder().decode(read.value);

test("What has come of a body is read together, what comes for a reader at once", async () => {
  const { body, said } = requested();
  body.take(bytes("ab"));
  body.take(bytes("c"));
  assert.deepEqual([body.waitingLength, said()], [3, ""]);
  const reader = body.stream.getReader();
  assert.equal(text(await reader.read()), "abc");
  assert.deepEqual([body.waitingLength, said()], [0, "3"]);
  const reading = reader.read();
  await untilIdle();
  body.take(bytes("de"));
  assert.deepEqual([text(await reading), body.waitingLength, said()], ["de", 0, "2 waiting"]);
  body.take(bytes("f"));
  body.end();
  body.end();
  assert.equal(body.waitingLength, 1);
  assert.equal(text(await reader.read()), "f");
  assert.equal((await reader.read()).done, true);
  assert.equal(said(), "1");
  body.take(bytes("behind"));
  assert.equal(body.waitingLength, 0);
});

test("A small piece of a large read is copied, so that it does not hold all of it", async () => {
  for (const [length, isCopied] of [[8, true], [511, true], [512, false], [1024, false]] as const) {
    const { body } = requested();
    const reader = body.stream.getReader();
    const reading = reader.read();
    await untilIdle();
    body.take(new Uint8Array(1024).subarray(0, length));
    const value = (await reading).value!;
    assert.equal(value.length, length);
    assert.equal(value.buffer.byteLength, isCopied ? length : 1024);
  }
});

test("A body that ended before anybody read it is read to its end", async () => {
  for (const pieces of [[], ["ab"]]) {
    for (const isEarly of [true, false]) {
      const { body } = requested();
      const reader = isEarly ? body.stream.getReader() : undefined;
      for (const piece of pieces) body.take(bytes(piece));
      body.end();
      const own = reader ?? body.stream.getReader();
      for (const piece of pieces) assert.equal(text(await own.read()), piece);
      assert.equal((await own.read()).done, true);
    }
  }
});

test("A client that waits is told to go on once somebody reads, unless it has gone on", async () => {
  const waiting = requested(true);
  const reader = waiting.body.stream.getReader();
  await untilIdle();
  assert.equal(waiting.said(), "");
  const reading = reader.read();
  await untilIdle();
  assert.equal(waiting.said(), "continue");
  waiting.body.take(bytes("a"));
  await reading;
  void reader.read();
  await untilIdle();
  assert.equal(waiting.said(), "1 waiting");
  const eager = requested(true);
  eager.body.take(bytes("a"));
  await eager.body.stream.getReader().read();
  assert.equal(eager.said(), "1");
  assert.equal(requested(false).said(), "");
});

test("A body that fails, or that nobody wants, is broken for its reader, before and after", async () => {
  for (const end of ["fail", "drop"] as const) {
    for (const isEarly of [true, false]) {
      const { body, said } = requested();
      const reader = isEarly ? body.stream.getReader() : undefined;
      body.take(bytes("ab"));
      body[end]();
      body[end]();
      assert.deepEqual([body.waitingLength, body.isDropped], [0, end === "drop"]);
      assert.equal(said(), end === "drop" ? "0" : "");
      await assert.rejects((reader ?? body.stream.getReader()).read());
      body.take(bytes("c"));
      body.end();
      assert.equal(body.waitingLength, 0);
    }
  }
  const failed = requested();
  failed.body.fail();
  failed.body.drop();
  assert.deepEqual([failed.body.isDropped, failed.said()], [false, ""]);
  const ended = requested();
  ended.body.end();
  ended.body.fail();
  assert.equal((await ended.body.stream.getReader().read()).done, true);
  const over = requested();
  const reader = over.body.stream.getReader();
  over.body.end();
  over.body.drop();
  assert.equal((await reader.read()).done, true);
  const rest = requested();
  rest.body.take(bytes("a"));
  rest.body.end();
  rest.body.drop();
  await assert.rejects(rest.body.stream.getReader().read());
});

test("A reader that leaves drops the rest", async () => {
  const { body, said } = requested();
  const reader = body.stream.getReader();
  body.take(bytes("ab"));
  await reader.cancel();
  assert.deepEqual([body.isDropped, body.waitingLength, said()], [true, 0, "0"]);
});
