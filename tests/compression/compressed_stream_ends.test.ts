/**
 * Ends of a body that is compressed, at every moment: the compressor fails, or the client leaves, while
 * something is asked of the source or of the compressor. The compressor is freed once, the source is
 * told, and what comes too late reaches nobody.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compressedStream } from "../../src/compression/compressed_stream.ts";
import type { Compressor } from "../../src/runtime/content_coding.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import "../support/unexpected.ts";

/** What a compressor is asked for; each can be held up. */
const WAITS = ["write", "flush", "end"] as const;
type Wait = (typeof WAITS)[number];

const PIECE_LENGTH = 200_000;

class HeldCompressor implements Compressor {
  readonly calls: string[] = [];
  readonly #heldAt: Wait | undefined;
  readonly #held = Promise.withResolvers<readonly Uint8Array<ArrayBuffer>[]>();

  constructor(heldAt: Wait | undefined) {
    this.#heldAt = heldAt;
  }

  write = () => this.#do("write");
  flush = () => this.#do("flush");
  end = () => this.#do("end");

  destroy(): void {
    this.calls.push("destroy");
  }

  /** What is written comes out at a flush and at the end. */
  goOn(): void {
    this.#held.resolve(this.#heldAt === "write" ? [] : [new Uint8Array(3)]);
  }

  fail(): void {
    this.#held.reject(new Error("The compressor broke"));
  }

  #do(what: Wait): Promise<readonly Uint8Array<ArrayBuffer>[]> {
    this.calls.push(what);
    return what === this.#heldAt ? this.#held.promise : Promise.resolve([]);
  }
}

/** A body of one piece, which the compressor gets in parts, that is held up there. */
function world(heldAt: Wait | "read") {
  const cancelled: unknown[] = [];
  let isClosing = heldAt === "end";
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (heldAt === "read") return;
      controller.enqueue(new Uint8Array(PIECE_LENGTH));
      if (isClosing) controller.close();
      isClosing = false;
    },
    cancel: (reason) => void cancelled.push(reason),
  });
  const compressor = new HeldCompressor(heldAt === "read" ? undefined : heldAt);
  let done = 0;
  const reader = compressedStream(source, compressor, new ManualClock(), () => done++).getReader();
  const state = { result: undefined as { done: boolean } | undefined, error: undefined as unknown };
  const reading = reader.read().then(
    (result) => void (state.result = result),
    (error: unknown) => void (state.error = error ?? "an error"),
  );
  return { compressor, reader, reading, cancelled, state, ends: () => done };
}

for (const heldAt of WAITS) {
  test(`A compressor that fails at its ${heldAt} is freed once, and its source is told`, async () => {
    const { compressor, reader, reading, cancelled, state, ends } = world(heldAt);
    await untilIdle();
    assert.equal(compressor.calls.at(-1), heldAt);
    compressor.fail();
    await reading;
    assert.equal(state.result, undefined);
    await untilIdle();
    await reader.cancel().catch(() => {});
    assert.deepEqual(compressor.calls.slice(-2), [heldAt, "destroy"]);
    assert.equal(ends(), 1);
    // One that has ended needs not be told.
    assert.equal(cancelled.length, heldAt === "end" ? 0 : 1);
  });
}

for (const heldAt of [...WAITS, "read"] as const) {
  // A source that is left ends by itself.
  for (const end of heldAt === "read" ? ["ends"] as const : ["goes on", "fails"] as const) {
    test(`A client that leaves while a ${heldAt} waits gets nothing when it ${end}`, async () => {
      const { compressor, reader, reading, cancelled, state, ends } = world(heldAt);
      await untilIdle();
      await reader.cancel("left");
      assert.equal(ends(), 1);
      if (end === "goes on") compressor.goOn();
      else if (end === "fails") compressor.fail();
      await reading;
      await untilIdle();
      assert.deepEqual(state, { result: { done: true, value: undefined }, error: undefined });
      assert.equal(compressor.calls.filter((call) => call === "destroy").length, 1);
      assert.equal(compressor.calls.at(-1), "destroy", "nothing is asked of it any more");
      assert.equal(ends(), 1);
      assert.deepEqual(cancelled, heldAt === "end" ? [] : ["left"]);
    });
  }
}

test("What was flushed is not flushed again while the source says nothing", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const source = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  const compressor = new HeldCompressor(undefined);
  const reader = compressedStream(source, compressor, new ManualClock(), () => {}).getReader();
  const reading = reader.read();
  await untilIdle();
  assert.deepEqual(compressor.calls, [], "there is nothing to be flushed");
  controller.enqueue(new Uint8Array(3));
  await untilIdle();
  assert.deepEqual(compressor.calls, ["write", "flush"]);
  controller.enqueue(new Uint8Array(0));
  await untilIdle();
  assert.deepEqual(compressor.calls, ["write", "flush"], "an empty piece is nothing new");
  controller.enqueue(new Uint8Array(1));
  await untilIdle();
  assert.deepEqual(compressor.calls, ["write", "flush", "write", "flush"]);
  await reader.cancel();
  await reading;
});
