/** ResponseBody: what a stream has from its start, and in which order the rest follows. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import { Deadlines } from "../../src/upstream/deadlines.ts";
import { fillUpstreamOptions } from "../../src/upstream/options.ts";
import { FIRST_LENGTH_MAX, ResponseBody } from "../../src/upstream/response_body.ts";
import { BufferMemory } from "../../src/upstream/buffer_memory.ts";
import { SpillSpace } from "../../src/upstream/spill_space.ts";

function bodyWith(pieces: readonly Uint8Array[], contentLength?: number): ResponseBody {
  const owner = {
    context: {
      options: fillUpstreamOptions("tcp://127.0.0.1:9000"),
      space: new SpillSpace(new ManualClock()),
      memory: new BufferMemory(),
      files: new MemoryFiles(),
      deadlines: new Deadlines(new ManualClock()),
    },
    isAlone: false,
    onBodySpill() {},
    onBodyLong() {},
    mayStandStill: () => false,
    onBodyFull() {},
    onBodyRoom() {},
    onBodyGivenUp() {},
  };
  const body = new ResponseBody(
    { status: 200, headers: [], contentLength },
    false,
    owner,
  );
  for (const piece of pieces) body.push(piece);
  return body;
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

for (const length of [5, FIRST_LENGTH_MAX]) {
  test(`A stream has its first ${length} bytes from its start, and the rest in order`, async () => {
    const first = Buffer.alloc(length, 1);
    const body = bodyWith([first]);
    const stream = body.take() as ReadableStream<Uint8Array>;
    assert.equal(body.progress.bytes, length);
    body.push(Buffer.from("rest"));
    body.end();
    assert.deepEqual(await readAll(stream), Buffer.concat([first, Buffer.from("rest")]));
    assert.equal(body.progress.ended, true);
  });
}

test("A stream of which more than that is there has nothing until it is read", async () => {
  const first = Buffer.alloc(FIRST_LENGTH_MAX + 1, 2);
  const body = bodyWith([first]);
  const stream = body.take() as ReadableStream<Uint8Array>;
  assert.equal(body.progress.bytes, 0);
  body.end();
  assert.deepEqual(await readAll(stream), first);
  assert.equal(body.progress.bytes, first.length);
});

test("Bytes that nobody gets are told, from the first one beyond the length on", () => {
  for (const contentLength of [0, 1, 5]) {
    const body = bodyWith([], contentLength);
    for (let length = 1; length <= contentLength; length++) {
      assert.equal(body.push(new Uint8Array(1)), true, `${length} of ${contentLength}`);
    }
    for (const beyond of [1, 2]) {
      assert.equal(body.push(new Uint8Array(1)), false, `${beyond} beyond ${contentLength}`);
      assert.equal(body.excessLength, beyond);
    }
    body.end();
  }
  const body = bodyWith([], 5);
  assert.equal(body.push(new Uint8Array(8)), true, "some of them are wanted");
  assert.equal(body.excessLength, 3);
  body.end();
  assert.equal(body.push(new Uint8Array(1)), false, "it has ended");
});
