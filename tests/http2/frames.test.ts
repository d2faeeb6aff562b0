/** Frames by their exact bytes, however they are cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";
import {
  ErrorCode,
  errorCodeName,
  Flag,
  FRAME_LENGTH_MIN,
  FrameType,
  Setting,
} from "../../src/http2/constants.ts";
import { ConnectionError } from "../../src/http2/errors.ts";
import { FrameReader } from "../../src/http2/frame_reader.ts";
import {
  appendFrame,
  appendGoaway,
  appendHeaders,
  appendPing,
  appendReset,
  appendSettings,
  appendSettingsAck,
  appendWindowUpdate,
} from "../../src/http2/frame_writer.ts";
import { appendGreeting } from "../../src/http2/greeting.ts";
import { HTTP2_LIMIT_DEFAULTS } from "../../src/http2/limits.ts";
import { fromHex, toHex } from "./hpack_examples.ts";

interface Read {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: string;
}

/** Reads what is there, in the pieces in which it is there. */
function read(pieces: Iterable<Uint8Array>, reader = new FrameReader()): Read[] {
  const frames: Read[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const { type, flags, streamId, bytes, start, end } = frame;
      frames.push({ type, flags, streamId, payload: toHex(bytes.subarray(start, end)) });
    }
  }
  return frames;
}

function written(append: (out: ByteBuffer) => void): string {
  const out = new ByteBuffer();
  append(out);
  return toHex(out.view());
}

/** A connection's beginning: SETTINGS, its acknowledgement, HEADERS, DATA, PING. */
const BYTES = fromHex(
  "000012040000000000000300000064000400010000000100001000" +
    "000000040100000000" +
    "000003010500000001828684" +
    "00000500010000000368656c6c6f" +
    "0000080600000000000102030405060708",
);
const FRAMES: readonly Read[] = [
  {
    type: FrameType.SETTINGS,
    flags: 0,
    streamId: 0,
    payload: "000300000064000400010000000100001000",
  },
  { type: FrameType.SETTINGS, flags: Flag.ACK, streamId: 0, payload: "" },
  {
    type: FrameType.HEADERS,
    flags: Flag.END_HEADERS | Flag.END_STREAM,
    streamId: 1,
    payload: "828684",
  },
  { type: FrameType.DATA, flags: Flag.END_STREAM, streamId: 3, payload: "68656c6c6f" },
  { type: FrameType.PING, flags: 0, streamId: 0, payload: "0102030405060708" },
];

test("Frames are read whole, byte by byte, and cut at every place", () => {
  assert.deepEqual(read([BYTES]), FRAMES);
  assert.deepEqual(read([...BYTES].map((byte) => Uint8Array.of(byte))), FRAMES);
  for (let cut = 0; cut <= BYTES.length; cut++) {
    assert.deepEqual(read([BYTES.slice(0, cut), BYTES.slice(cut)]), FRAMES, `cut at ${cut}`);
  }
});

test("Frames are read however they are cut", () => {
  const many = new ByteBuffer();
  for (let number = 0; number < 20; number++) {
    const length = (number * 977) % FRAME_LENGTH_MIN;
    const offset = appendFrame(many, number, number, number, length);
    many.bytes.fill(number, offset, offset + length);
  }
  const bytes = many.take();
  const whole = read([bytes]);
  assert.equal(whole.length, 20);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (places) => {
      const cuts = [0, ...places.toSorted((a, b) => a - b), bytes.length];
      const pieces = cuts.slice(1).map((end, index) => bytes.slice(cuts[index], end));
      assert.deepEqual(read(pieces), whole);
    }),
    { numRuns: 50 },
  );
});

test("The reserved bit of a stream's id is ignored", () => {
  assert.equal(read([fromHex("000000000080000001")])[0]!.streamId, 1);
});

test("A frame that is too long ends the connection at its header", () => {
  const longest = fromHex("004000000000000001");
  assert.deepEqual(read([longest]), []);
  assert.throws(
    () => read([fromHex("004001000000000001")]),
    (error: unknown) => error instanceof ConnectionError && error.code === "FRAME_SIZE_ERROR",
  );
});

test("Memory for a frame grows with what has come of it", () => {
  const reader = new FrameReader();
  read([fromHex("004000000000000001"), new Uint8Array(100)], reader);
  assert.equal(reader.waitingLength, 109);
  const [frame] = read([new Uint8Array(FRAME_LENGTH_MIN - 100)], reader);
  assert.equal(frame!.payload.length, 2 * FRAME_LENGTH_MIN);
  assert.equal(reader.waitingLength, 0);
});

test("Frames are written byte for byte", () => {
  assert.equal(written(appendSettingsAck), "000000040100000000");
  assert.equal(
    written((out) => appendSettings(out, [[3, 100], [4, 65_536], [1, 4096]])),
    "000012040000000000" + "000300000064" + "000400010000" + "000100001000",
  );
  assert.equal(written((out) => appendReset(out, 7, "CANCEL")), "00000403000000000700000008");
  assert.equal(
    written((out) => appendPing(out, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), true)),
    "0000080601000000000102030405060708",
  );
  assert.equal(
    written((out) => appendGoaway(out, 5, "ENHANCE_YOUR_CALM", "no")),
    "00000a070000000000" + "00000005" + "0000000b" + "6e6f",
  );
  assert.equal(
    written((out) => appendWindowUpdate(out, 3, 0x7fffffff)),
    "0000040800000000037fffffff",
  );
});

test("A block that is longer than a frame goes on in CONTINUATION", () => {
  const block = Uint8Array.of(1, 2, 3, 4, 5);
  assert.equal(
    written((out) => appendHeaders(out, 9, block, true, 5)),
    "0000050105000000090102030405",
  );
  assert.equal(
    written((out) => appendHeaders(out, 9, block, true, 2)),
    "0000020101000000090102" + "0000020900000000090304" + "00000109040000000905",
  );
});

test("A reader that has nothing says so however often, and loses nothing meanwhile", () => {
  const reader = new FrameReader();
  assert.equal(reader.next(), undefined);
  assert.equal(reader.waitingLength, 0);
  const bytes = fromHex("0000040800000000037fffffff");
  for (let index = 0; index < bytes.length - 1; index++) {
    reader.push(bytes.subarray(index, index + 1));
    for (let asked = 1; asked <= 3; asked++) assert.equal(reader.next(), undefined);
    assert.equal(reader.waitingLength, index + 1);
  }
  reader.push(bytes.subarray(-1));
  const frame = reader.next()!;
  assert.deepEqual([frame.type, frame.streamId, frame.uint32(0), frame.length], [
    8,
    3,
    0x7fffffff,
    4,
  ]);
  assert.equal(reader.next(), undefined);
});

test("A frame that comes in small pieces holds twice as much as has come, and no more than it is", () => {
  for (const first of [9, 100, 600, 5000]) {
    const reader = new FrameReader();
    const bytes = new Uint8Array(9 + FRAME_LENGTH_MIN);
    bytes.set(fromHex("004000000000000001"));
    reader.push(bytes.subarray(0, first));
    assert.equal(reader.next(), undefined);
    for (let at = first; at < bytes.length; at += 100) {
      reader.push(bytes.subarray(at, at + 100));
      const frame = reader.next();
      if (frame === undefined) continue;
      assert.equal(frame.length, FRAME_LENGTH_MIN);
      assert.equal(frame.bytes.length, bytes.length, "exactly as long as the frame");
    }
    assert.equal(reader.waitingLength, 0);
  }
});

test("Numbers, types, flags, settings and codes of HTTP/2 are those of its registries", () => {
  assert.deepEqual(FrameType, {
    DATA: 0,
    HEADERS: 1,
    PRIORITY: 2,
    RST_STREAM: 3,
    SETTINGS: 4,
    PUSH_PROMISE: 5,
    PING: 6,
    GOAWAY: 7,
    WINDOW_UPDATE: 8,
    CONTINUATION: 9,
    PRIORITY_UPDATE: 16,
  });
  assert.deepEqual(Flag, { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 });
  assert.deepEqual(Setting, {
    HEADER_TABLE_SIZE: 1,
    ENABLE_PUSH: 2,
    MAX_CONCURRENT_STREAMS: 3,
    INITIAL_WINDOW_SIZE: 4,
    MAX_FRAME_SIZE: 5,
    MAX_HEADER_LIST_SIZE: 6,
    NO_RFC7540_PRIORITIES: 9,
  });
  const names = [
    ...["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT"],
    ...["STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR"],
    ...["CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"],
  ];
  assert.deepEqual(Object.entries(ErrorCode), names.map((name, code) => [name, code]));
  assert.deepEqual([0, 8, 13, 14].map(errorCodeName), [
    ...["NO_ERROR", "CANCEL", "HTTP_1_1_REQUIRED", "unknown"],
  ]);
});

test("A server's greeting is its settings and its window, byte for byte", () => {
  const greeting = (headerTableMax: number) =>
    written((out) => appendGreeting(out, { ...HTTP2_LIMIT_DEFAULTS, headerTableMax }, 65_536));
  const settings = "00030000008000060001000000090000" + "0001";
  const window = "0000040800000000" + "00000f0001";
  assert.equal(greeting(4096), `000012040000000000${settings}${window}`);
  assert.equal(greeting(0), `000018040000000000${settings}000100000000${window}`);
});
