/** The codec as TransformStreams: same records, the same errors, back-pressure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordType } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import type { FastCgiRecord } from "../../src/protocol/record_decoder.ts";
import { RecordDecoderStream, RecordEncoderStream } from "../../src/protocol/streams.ts";
import { fragmentations, join } from "../support/fragments.ts";

const { PARAMS, STDOUT } = RecordType;
const HI = Uint8Array.of(1, 6, 0, 1, 0, 2, 6, 0, 104, 105, 0, 0, 0, 0, 0, 0);
const STDOUT_END = Uint8Array.of(1, 6, 0, 1, 0, 0, 0, 0);

function streamOf<T>(items: Iterable<T>): ReadableStream<T> {
  return new ReadableStream<T>({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
}

async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  const reader = stream.getReader();
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    items.push(step.value);
  }
  return items;
}

test("RecordDecoderStream gives the same records however the bytes are cut", async () => {
  for (const { how, pieces } of fragmentations(join([HI, STDOUT_END]))) {
    const records = await collect(streamOf(pieces).pipeThrough(new RecordDecoderStream()));
    assert.deepEqual(
      records,
      [
        { type: STDOUT, requestId: 1, content: Uint8Array.of(104, 105) },
        { type: STDOUT, requestId: 1, content: new Uint8Array(0) },
      ],
      how,
    );
  }
});

test("RecordDecoderStream gives the records before an error, then errors with it", async () => {
  const bytes = join([HI, Uint8Array.of(72)]);
  const reader = streamOf([bytes]).pipeThrough(new RecordDecoderStream()).getReader();
  assert.equal((await reader.read()).value?.type, STDOUT);
  await assert.rejects(reader.read(), (error: unknown) => {
    return error instanceof ProtocolError && error.code === "bad_version";
  });
});

test("RecordDecoderStream errors when the bytes end within a record", async () => {
  for (let length = 1; length < HI.length; length++) {
    const cut = streamOf([HI.slice(0, length)]).pipeThrough(new RecordDecoderStream());
    await assert.rejects(collect(cut), (error: unknown) => {
      return error instanceof ProtocolError && error.code === "bad_record";
    }, `${length} bytes`);
  }
});

test("RecordDecoderStream gives no record for no bytes", async () => {
  assert.deepEqual(await collect(streamOf([]).pipeThrough(new RecordDecoderStream())), []);
});

test("RecordDecoderStream holds the writer back until somebody reads", async () => {
  const stream = new RecordDecoderStream();
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  let written = 0;
  const writes = [HI, HI, HI].map((bytes) => writer.write(bytes.slice()).then(() => written++));
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assert.equal(written, 0);
  for (let count = 0; count < 3; count++) assert.equal((await reader.read()).done, false);
  await Promise.all(writes);
  assert.equal(written, 3);
  await writer.close();
  assert.equal((await reader.read()).done, true);
});

test("RecordEncoderStream gives the padded bytes of each record", async () => {
  const records: FastCgiRecord[] = [
    { type: STDOUT, requestId: 1, content: Uint8Array.of(104, 105) },
    { type: STDOUT, requestId: 1, content: new Uint8Array(0) },
  ];
  const chunks = await collect(streamOf(records).pipeThrough(new RecordEncoderStream()));
  assert.deepEqual(chunks, [HI, STDOUT_END]);
});

test("RecordEncoderStream splits content that one record cannot hold", async () => {
  const content = new Uint8Array(65_529).fill(3);
  const encoded = streamOf([{ type: PARAMS, requestId: 7, content }])
    .pipeThrough(new RecordEncoderStream());
  const records = await collect(encoded.pipeThrough(new RecordDecoderStream()));
  assert.deepEqual(records.map((record) => record.content.length), [65_528, 1]);
  assert.deepEqual(join(records.map((record) => record.content)), content);
});

test("RecordEncoderStream errors on a request id that does not fit", async () => {
  const encoded = streamOf([{ type: STDOUT, requestId: 65_536, content: new Uint8Array(0) }])
    .pipeThrough(new RecordEncoderStream());
  await assert.rejects(collect(encoded), RangeError);
});

test("Bytes from RecordEncoderStream stay intact while more are made", async () => {
  const records = [1, 2, 3].map((byte) => {
    return { type: STDOUT, requestId: byte, content: new Uint8Array(8).fill(byte) };
  });
  const chunks = await collect(streamOf(records).pipeThrough(new RecordEncoderStream()));
  assert.deepEqual(chunks.map((chunk) => [chunk[3], chunk[8]]), [[1, 1], [2, 2], [3, 3]]);
});
