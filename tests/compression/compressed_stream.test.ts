import assert from "node:assert/strict";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { compressedStream } from "../../src/compression/compressed_stream.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import type { Compressor } from "../../src/runtime/content_coding.ts";

const { clock, createCompressor } = currentRuntime();

/** Says what is asked of it, and gives out what was written at a flush and at the end. */
class RecordingCompressor implements Compressor {
  readonly calls: string[] = [];
  #held: Uint8Array<ArrayBuffer>[] = [];

  async write(bytes: Uint8Array) {
    this.calls.push(`write ${bytes.length}`);
    this.#held.push(bytes.slice());
    return [];
  }

  async flush() {
    this.calls.push("flush");
    return this.#held.splice(0);
  }

  async end() {
    this.calls.push("end");
    return this.#held.splice(0);
  }

  destroy() {
    this.calls.push("destroy");
  }
}

function source(): [ReadableStream<Uint8Array>, ReadableStreamDefaultController<Uint8Array>] {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  return [stream, controller];
}

test("compressedStream flushes when its source pauses, and not before", async () => {
  const [stream, controller] = source();
  const compressor = new RecordingCompressor();
  let done = 0;
  const reader = compressedStream(stream, compressor, clock, () => done++).getReader();
  controller.enqueue(new Uint8Array(3));
  controller.enqueue(new Uint8Array(4));
  assert.equal((await reader.read()).value?.length, 3);
  assert.deepEqual(compressor.calls, ["write 3", "write 4", "flush"]);
  assert.equal((await reader.read()).value?.length, 4);
  controller.enqueue(new Uint8Array(5));
  controller.close();
  assert.equal((await reader.read()).value?.length, 5);
  assert.equal((await reader.read()).done, true);
  assert.deepEqual(compressor.calls.slice(3), ["write 5", "end", "destroy"]);
  assert.equal(done, 1);
});

test("compressedStream reads nothing before it is read, and cuts large pieces", async () => {
  const [stream, controller] = source();
  const compressor = new RecordingCompressor();
  const reader = compressedStream(stream, compressor, clock, () => {}).getReader();
  controller.enqueue(new Uint8Array(150_000));
  await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
  assert.deepEqual(compressor.calls, []);
  await reader.read();
  assert.deepEqual(compressor.calls, ["write 65536", "write 65536", "write 18928", "flush"]);
  await reader.cancel();
});

test("compressedStream errors when its source does, and frees the compressor once", async () => {
  const [stream, controller] = source();
  const compressor = new RecordingCompressor();
  let done = 0;
  const reader = compressedStream(stream, compressor, clock, () => done++).getReader();
  const reading = reader.read();
  controller.error(new Error("cut"));
  await assert.rejects(reading);
  assert.deepEqual([compressor.calls, done], [["destroy"], 1]);
});

test("compressedStream stops its source when its reader leaves", async () => {
  let reason: unknown;
  const stream = new ReadableStream<Uint8Array>({ cancel: (given) => void (reason = given) });
  const compressor = new RecordingCompressor();
  let done = 0;
  const reader = compressedStream(stream, compressor, clock, () => done++).getReader();
  void reader.read();
  await reader.cancel("left");
  assert.deepEqual([reason, done, compressor.calls], ["left", 1, ["destroy"]]);
});

test("compressedStream of a real compressor gives back every byte, empty pieces and all", async () => {
  const [stream, controller] = source();
  const compressor = createCompressor({ coding: "gzip", level: "balanced" });
  const pieces = [0, 1, 70_000, 0, 200_000].map((length) =>
    new Uint8Array(length).fill(length % 251)
  );
  for (const piece of pieces) controller.enqueue(piece);
  controller.close();
  const compressed = await new Response(compressedStream(stream, compressor, clock, () => {}))
    .bytes();
  assert.ok(Buffer.concat(pieces).equals(gunzipSync(compressed)));
});

test("compressedStream of nothing is the coding of nothing", async () => {
  const [stream, controller] = source();
  controller.close();
  const compressor = createCompressor({ coding: "gzip", level: "balanced" });
  const compressed = await new Response(compressedStream(stream, compressor, clock, () => {}))
    .bytes();
  assert.equal(gunzipSync(compressed).length, 0);
});
