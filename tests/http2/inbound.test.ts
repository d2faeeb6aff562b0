/** What each frame of a client comes to: an event, an error, and what it costs; whatever came before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BudgetName, Budgets } from "../../src/http2/budgets.ts";
import { Flag, type FrameType } from "../../src/http2/constants.ts";
import { ConnectionError, StreamError } from "../../src/http2/errors.ts";
import { FrameReader } from "../../src/http2/frame_reader.ts";
import { Inbound } from "../../src/http2/inbound.ts";
import { StreamTable } from "../../src/http2/stream_table.ts";
import { frameBytes } from "../support/http2_client.ts";
import { fromHex, toHex } from "./hpack_examples.ts";

type Type = keyof typeof FrameType | number;
type Said = readonly [type: Type, flags: number, streamId: number, payload?: string];

/** A connection whose client has said its settings and used streams up to 5. */
class World {
  readonly events: string[] = [];
  readonly taken: BudgetName[] = [];
  nowMs = 1000;
  readonly inbound: Inbound;
  readonly #reader = new FrameReader();

  constructor(hasSettings = true, continuationsMax = 2) {
    const say = (...parts: readonly unknown[]) => void this.events.push(parts.join(" "));
    const now = () => this.nowMs;
    const streams = new StreamTable();
    streams.use(5);
    const budgets = { take: (name: BudgetName) => this.taken.push(name) };
    this.inbound = new Inbound(
      {
        get coarseNowMs() {
          return now();
        },
        onSection: ({ streamId, isEnd, bytes, start, end, isSelfDependent }) =>
          say(
            ...["section", streamId, isEnd ? "end" : "open", toHex(bytes.subarray(start, end))],
            ...(isSelfDependent ? ["self"] : []),
          ),
        onData: (streamId, data, length, isEnd) =>
          say("data", streamId, toHex(data), length, isEnd ? "end" : "open"),
        onReset: (streamId, code) => say("reset", streamId, code),
        onSettings: ({ headerTableSize, initialWindow, frameLengthMax }) =>
          say("settings", headerTableSize, initialWindow, frameLengthMax),
        onSettingsAck: () => say("ack"),
        onPing: (payload, isAck) => say("ping", toHex(payload), isAck),
        onGoaway: (code) => say("goaway", code),
        onWindowUpdate: (streamId, increment) => say("window", streamId, increment),
        onPriority: (streamId, value) => say("priority", streamId, value),
      },
      streams,
      budgets as unknown as Budgets,
      continuationsMax,
    );
    if (!hasSettings) return;
    this.take(["SETTINGS", 0, 0]);
    this.events.length = 0;
  }

  take([type, flags, streamId, payload = ""]: Said): void {
    this.#reader.push(frameBytes(type, flags, streamId, fromHex(payload.replaceAll(" ", ""))));
    this.inbound.take(this.#reader.next()!);
  }

  /** The events of these frames, and the error of the last. */
  said(...frames: readonly Said[]): readonly string[] {
    this.events.length = 0;
    try {
      for (const frame of frames) this.take(frame);
    } catch (error) {
      const isOfStream = error instanceof StreamError;
      assert.ok(isOfStream || error instanceof ConnectionError, String(error));
      const { code, message } = error;
      return [
        ...this.events,
        `${isOfStream ? `stream ${error.streamId} ` : ""}${code}: ${message}`,
      ];
    }
    return this.events;
  }
}

const PROTOCOL = "PROTOCOL_ERROR: ";
const SIZE = "FRAME_SIZE_ERROR: ";
const { ACK, END_STREAM, END_HEADERS, PADDED, PRIORITY } = Flag;

const CASES: readonly (readonly [frame: Said, event: string, taken?: BudgetName])[] = [
  [["DATA", 0, 5, "aabb"], "data 5 aabb 2 open"],
  [["DATA", END_STREAM, 3, "aa"], "data 3 aa 1 end"],
  [["DATA", 0, 5], "data 5  0 open", "empty_frames"],
  [["DATA", END_STREAM, 5], "data 5  0 end"],
  [["DATA", PADDED, 5, "02 aa 0000"], "data 5 aa 4 open"],
  [["DATA", PADDED, 5, "00 aa"], "data 5 aa 2 open"],
  [["DATA", PADDED, 5, "02 0000"], "data 5  3 open", "empty_frames"],
  [["DATA", PADDED | END_STREAM, 5, "00"], "data 5  1 end"],
  [["DATA", PADDED, 5, "03 0000"], `${PROTOCOL}The padding is as long as the frame`],
  [["DATA", PADDED, 5, "01"], `${PROTOCOL}The padding is as long as the frame`],
  [["DATA", PADDED, 5], `${PROTOCOL}The padding is as long as the frame`],
  [["DATA", 0, 0, "aa"], `${PROTOCOL}DATA on stream 0, which is idle`],
  [["DATA", 0, 4, "aa"], `${PROTOCOL}DATA on stream 4, which is idle`],
  [["DATA", 0, 7, "aa"], `${PROTOCOL}DATA on stream 7, which is idle`],
  [["HEADERS", END_HEADERS, 7, "82"], "section 7 open 82"],
  [["HEADERS", END_HEADERS | END_STREAM, 7, "82"], "section 7 end 82"],
  [["HEADERS", END_HEADERS, 7], "section 7 open "],
  [["HEADERS", END_HEADERS, 0, "82"], `${PROTOCOL}HEADERS on stream 0`],
  [["HEADERS", END_HEADERS, 8, "82"], `${PROTOCOL}HEADERS on stream 8`],
  [["HEADERS", END_HEADERS | PADDED, 7, "01 82 84 00"], "section 7 open 8284"],
  [
    ["HEADERS", END_HEADERS | PADDED, 7, "03 82 84"],
    `${PROTOCOL}The padding is as long as the frame`,
  ],
  [["HEADERS", END_HEADERS | PRIORITY, 7, "00000003 10 82"], "section 7 open 82"],
  [["HEADERS", END_HEADERS | PRIORITY, 7, "00000003 10"], "section 7 open "],
  [
    ["HEADERS", END_HEADERS | PRIORITY, 7, "00000003"],
    `${SIZE}HEADERS has no room for its priority`,
  ],
  [["HEADERS", END_HEADERS | PRIORITY, 7, "00000007 10 82"], "section 7 open 82 self"],
  [["HEADERS", END_HEADERS | PRIORITY, 7, "80000007 10 82"], "section 7 open 82 self"],
  [
    ["HEADERS", END_HEADERS | PRIORITY | PADDED, 7, "01 80000007 10 82 00"],
    "section 7 open 82 self",
  ],
  [
    ["HEADERS", END_HEADERS | PRIORITY | PADDED, 7, "02 00000009 0000"],
    `${SIZE}HEADERS has no room for its priority`,
  ],
  [["CONTINUATION", END_HEADERS, 7], `${PROTOCOL}CONTINUATION of no header section`],
  [["WINDOW_UPDATE", 0, 0, "00000001"], "window 0 1", "window_updates"],
  [["WINDOW_UPDATE", 0, 5, "80000002"], "window 5 2", "window_updates"],
  [["WINDOW_UPDATE", 0, 5, "7fffffff"], "window 5 2147483647", "window_updates"],
  [["WINDOW_UPDATE", 0, 0, "80000000"], `${PROTOCOL}WINDOW_UPDATE by nothing`, "window_updates"],
  [
    ["WINDOW_UPDATE", 0, 5, "00000000"],
    `stream 5 ${PROTOCOL}WINDOW_UPDATE by nothing`,
    "window_updates",
  ],
  [["WINDOW_UPDATE", 0, 7, "00000001"], `${PROTOCOL}WINDOW_UPDATE on stream 7, which is idle`],
  [["WINDOW_UPDATE", 0, 0, "000000"], `${SIZE}WINDOW_UPDATE has 3 bytes, not 4`],
  [["RST_STREAM", 0, 5, "00000008"], "reset 5 8", "resets"],
  [["RST_STREAM", 0, 5, "ffffffff"], "reset 5 4294967295", "resets"],
  [["RST_STREAM", 0, 7, "00000008"], `${PROTOCOL}RST_STREAM on stream 7, which is idle`],
  [["RST_STREAM", 0, 0, "00000008"], `${PROTOCOL}RST_STREAM on stream 0, which is idle`],
  [["RST_STREAM", 0, 5, "0000000800"], `${SIZE}RST_STREAM has 5 bytes, not 4`],
  [["SETTINGS", 0, 0, "000400000007"], "settings 4096 7 16384", "settings"],
  [["SETTINGS", ACK, 0], "ack", "empty_frames"],
  [
    ["SETTINGS", ACK, 0, "000400000007"],
    `${SIZE}An acknowledgement of SETTINGS has 6 bytes, not 0`,
  ],
  [["SETTINGS", 0, 1], `${PROTOCOL}SETTINGS on stream 1`],
  [["SETTINGS", 0, 0, "0004"], `${SIZE}SETTINGS has a part of a setting`, "settings"],
  [["PING", 0, 0, "0102030405060708"], "ping 0102030405060708 false", "pings"],
  [["PING", ACK, 0, "0102030405060708"], "ping 0102030405060708 true", "pings"],
  [["PING", 0, 1, "0102030405060708"], `${PROTOCOL}PING on stream 1`],
  [["PING", 0, 0, "01020304050607"], `${SIZE}PING has 7 bytes, not 8`],
  [["PRIORITY", 0, 5, "00000003 10"], "", "empty_frames"],
  [["PRIORITY", 0, 9, "00000003 10"], "", "empty_frames"],
  [["PRIORITY", 0, 0, "00000003 10"], `${PROTOCOL}PRIORITY of no stream`],
  [["PRIORITY", 0, 5, "00000003"], `stream 5 ${SIZE}PRIORITY has another length`, "empty_frames"],
  [
    ["PRIORITY", 0, 5, "00000003 1000"],
    `stream 5 ${SIZE}PRIORITY has another length`,
    "empty_frames",
  ],
  [["PRIORITY", 0, 9, "00000003"], `${SIZE}PRIORITY has another length`, "empty_frames"],
  [
    ["PRIORITY", 0, 5, "80000005 10"],
    `stream 5 ${PROTOCOL}A stream depends on itself`,
    "empty_frames",
  ],
  [["PRIORITY", 0, 9, "00000009 10"], `${PROTOCOL}A stream depends on itself`, "empty_frames"],
  [["PRIORITY_UPDATE", 0, 0, "80000005 753d31"], "priority 5 u=1", "empty_frames"],
  [["PRIORITY_UPDATE", 0, 0, "00000009"], "priority 9 ", "empty_frames"],
  [["PRIORITY_UPDATE", 0, 0, "000000"], `${SIZE}PRIORITY_UPDATE has no stream`, "empty_frames"],
  [
    ["PRIORITY_UPDATE", 0, 0, "00000000"],
    `${PROTOCOL}PRIORITY_UPDATE of no stream of a client's`,
    "empty_frames",
  ],
  [
    ["PRIORITY_UPDATE", 0, 0, "00000004"],
    `${PROTOCOL}PRIORITY_UPDATE of no stream of a client's`,
    "empty_frames",
  ],
  [["PRIORITY_UPDATE", 0, 5, "00000005"], `${PROTOCOL}PRIORITY_UPDATE on stream 5`],
  [["GOAWAY", 0, 0, "00000005 00000008"], "goaway 8", "empty_frames"],
  [["GOAWAY", 0, 0, "00000005 00000008 6e6f"], "goaway 8", "empty_frames"],
  [["GOAWAY", 0, 0, "00000005 000000"], `${SIZE}GOAWAY has no error code`],
  [["GOAWAY", 0, 1, "00000005 00000008"], `${PROTOCOL}GOAWAY on stream 1`],
  [["PUSH_PROMISE", END_HEADERS, 5, "00000002"], `${PROTOCOL}A client sends PUSH_PROMISE`],
  [[0x0a, 0, 5, "aa"], "", "empty_frames"],
  [[0xff, 0xff, 0, ""], "", "empty_frames"],
];

test("Each frame is an event or an error, and costs what it costs", () => {
  for (const [frame, event, taken] of CASES) {
    const world = new World();
    world.taken.length = 0;
    const name = JSON.stringify(frame);
    assert.deepEqual(world.said(frame), event === "" ? [] : [event], name);
    assert.deepEqual(world.taken, taken === undefined ? [] : [taken], name);
  }
});

test("The first frame is SETTINGS, which cost something from the second on", () => {
  const first = `${PROTOCOL}The first frame is not SETTINGS`;
  for (
    const frame of [["PING", 0, 0, "00".repeat(8)], ["SETTINGS", ACK, 0], [0x0a, 0, 0]] as Said[]
  ) {
    assert.deepEqual(new World(false).said(frame), [first]);
  }
  const world = new World(false);
  assert.deepEqual(world.said(["SETTINGS", 0, 0, "000500008000"]), ["settings 4096 65535 32768"]);
  assert.deepEqual(world.taken, []);
  assert.deepEqual(world.said(["SETTINGS", 0, 0]), ["settings 4096 65535 32768"]);
  assert.deepEqual(world.taken, ["settings"]);
});

test("A header section may go on in frames of its own stream, with nothing between, so many times", () => {
  const begin: Said = ["HEADERS", END_STREAM, 7, "82"];
  const more: Said = ["CONTINUATION", 0, 7, "84"];
  const last: Said = ["CONTINUATION", END_HEADERS, 7, "86"];
  assert.deepEqual(new World().said(begin, last), ["section 7 end 8286"]);
  assert.deepEqual(new World().said(begin, more, last), ["section 7 end 828486"]);
  const many = "ENHANCE_YOUR_CALM: More than 2 CONTINUATION frames";
  assert.deepEqual(new World().said(begin, more, more, last), [many]);
  const within = `${PROTOCOL}A frame stands within a header section`;
  for (const other of [begin, ["DATA", 0, 5], ["PING", 0, 0], [0x0a, 0, 0]] as Said[]) {
    assert.deepEqual(new World().said(begin, other), [within]);
  }
  assert.deepEqual(new World().said(begin, ["CONTINUATION", END_HEADERS, 5, "86"]), [
    `${PROTOCOL}CONTINUATION of no header section`,
  ]);
  assert.deepEqual(new World().said(begin, last, last).slice(1), [
    `${PROTOCOL}CONTINUATION of no header section`,
  ]);
  const self: Said = ["HEADERS", PRIORITY, 7, "00000007 10 82"];
  assert.deepEqual(new World().said(self, last), ["section 7 open 8286 self"]);
});

test("Frames of a section that bring nothing cost something, but for the last", () => {
  const empty: Said = ["CONTINUATION", 0, 7];
  const end: Said = ["CONTINUATION", END_HEADERS, 7];
  const cases: [frames: readonly Said[], taken: number][] = [
    [[["HEADERS", 0, 7, "82"], end], 0],
    [[["HEADERS", 0, 7, ""], end], 1],
    [[["HEADERS", PRIORITY, 7, "00000003 10"], end], 1],
    [[["HEADERS", 0, 7, ""], empty, end], 2],
    [[["HEADERS", 0, 7, "82"], empty, ["CONTINUATION", END_HEADERS, 7, "84"]], 1],
  ];
  for (const [frames, taken] of cases) {
    const world = new World();
    world.said(...frames);
    assert.deepEqual(world.taken, new Array(taken).fill("empty_frames"));
  }
});

test("Since when a section is waited for is known, and how much of it is there", () => {
  const world = new World();
  const { inbound } = world;
  assert.deepEqual([inbound.gatheringSinceMs, inbound.gatheredLength], [undefined, 0]);
  world.said(["HEADERS", 0, 7, "8284"]);
  world.nowMs = 9000;
  assert.deepEqual([inbound.gatheringSinceMs, inbound.gatheredLength], [1000, 2]);
  world.said(["CONTINUATION", 0, 7, "86"]);
  assert.deepEqual([inbound.gatheringSinceMs, inbound.gatheredLength], [1000, 3]);
  world.said(["CONTINUATION", END_HEADERS, 7]);
  assert.deepEqual([inbound.gatheringSinceMs, inbound.gatheredLength], [undefined, 0]);
});
