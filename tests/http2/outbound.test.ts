/** What goes out on a connection: how much, in which order and in how many writes; and at which bound it ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BudgetName, Budgets } from "../../src/http2/budgets.ts";
import { Flag, FRAME_LENGTH_MAX, FRAME_LENGTH_MIN } from "../../src/http2/constants.ts";
import { ConnectionError } from "../../src/http2/errors.ts";
import { FrameReader } from "../../src/http2/frame_reader.ts";
import { appendPing } from "../../src/http2/frame_writer.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { Outbound, type Sending } from "../../src/http2/outbound.ts";
import type { ResponseBody } from "../../src/http2/response_body.ts";
import type { AcceptedSocket } from "../../src/runtime/callback_socket.ts";

const DATE = "Fri, 02 Jan 2026 03:04:05 GMT";
const PING = new Uint8Array(8);
const KIB = 1024;

class World {
  /** Lengths of what was written, and all of it. */
  readonly writes: number[] = [];
  #written: Uint8Array[] = [];
  /** Whether the system takes what is written. */
  hasRoom = true;
  readonly turns: (() => void)[] = [];
  readonly budget: string[] = [];
  held = 0;
  readonly errors: unknown[] = [];
  readonly outbound: Outbound;
  readonly socket = {
    unsentLength: 0,
    writeLent: (bytes: Uint8Array, length: number): boolean => {
      this.writes.push(length);
      this.#written.push(bytes.slice(0, length));
      if (!this.hasRoom) this.socket.unsentLength += length;
      return this.hasRoom;
    },
  };

  constructor() {
    const budgets = {
      take: (name: BudgetName) => this.budget.push(`take ${name}`),
      give: (name: BudgetName, count: number) => this.budget.push(`give ${name} ${count}`),
    };
    this.outbound = new Outbound(
      this.socket as unknown as AcceptedSocket,
      { atTurnEnd: (callback) => void this.turns.push(callback) },
      budgets as unknown as Budgets,
      { isFull: false, count: (length) => void (this.held += length) },
    );
    this.outbound.onError = (error) => this.errors.push(error);
  }

  turn(): void {
    for (const callback of this.turns.splice(0)) callback();
  }

  /** The frames that were written since the last time: type, flags, stream and length. */
  frames(): string[] {
    return this.payloads().map(({ text }) => text);
  }

  payloads() {
    const reader = new FrameReader(FRAME_LENGTH_MAX);
    const frames: { text: string; payload: Uint8Array }[] = [];
    for (const bytes of this.#written) {
      reader.push(bytes);
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        const text = `${frame.type} ${frame.flags} ${frame.streamId} ${frame.length}`;
        frames.push({ text, payload: frame.bytes.slice(frame.start, frame.end) });
      }
    }
    this.#written = [];
    return frames;
  }
}

interface Made extends Sending {
  available: number;
  readonly said: string[];
}

/** A stream with so many bytes of a body, of which each has the stream's number. */
function stream(world: World, id: number, available: number, more: {
  readonly isLast?: boolean;
  readonly isIncremental?: boolean;
  readonly sendWindow?: number;
  readonly breaks?: boolean;
} = {}): Made {
  const { isLast = true, isIncremental = false, sendWindow = 1e9, breaks = false } = more;
  const said: string[] = [];
  const made: Made = {
    ...{ id, available, sendWindow, urgency: 3, isIncremental, isQueued: false, said },
    responseBody: {
      get available() {
        return made.available;
      },
      isLast,
      read: (target: Uint8Array, offset: number, length: number) => {
        if (breaks) return false;
        target.fill(id, offset, offset + length);
        made.available -= length;
        return true;
      },
    } as unknown as ResponseBody,
    sent: () => void said.push("sent"),
    sentAll: () => void said.push("all"),
    broke: () => void said.push("broke"),
  };
  world.outbound.queue.add(made);
  return made;
}

test("What is said in a turn leaves at its end in one write, and what waits is told", () => {
  const world = new World();
  const { outbound } = world;
  let flushed = 0;
  outbound.onFlushed = () => flushed++;
  assert.equal(outbound.isFlushed, true);
  for (let count = 0; count < 3; count++) {
    outbound.control((out) => appendPing(out, PING, false));
    outbound.schedule();
  }
  assert.deepEqual([world.turns.length, outbound.isFlushed], [1, false]);
  world.turn();
  assert.deepEqual([world.writes, flushed, outbound.isFlushed], [[51], 1, true]);
  outbound.schedule();
  world.turn();
  assert.deepEqual([world.writes.length, flushed], [1, 2]);
});

test("A client that takes nothing is told 64 KiB more, and no byte beyond", () => {
  for (const [length, isFine] of [[64 * KIB, true], [64 * KIB + 1, false]] as const) {
    const world = new World();
    const { outbound } = world;
    world.hasRoom = false;
    outbound.control((out) => appendPing(out, PING, false));
    outbound.flush();
    assert.equal(outbound.isFull, true);
    const say = () => outbound.control((out) => void out.grow(length));
    if (isFine) say();
    else {
      assert.throws(
        say,
        (error) =>
          error instanceof ConnectionError && error.code === "ENHANCE_YOUR_CALM" &&
          error.limit === "unread",
      );
    }
  }
});

test("A client that takes what it is told may be told as much as there is", () => {
  const { outbound } = new World();
  outbound.control((out) => void out.grow(64 * KIB + 1));
  outbound.control((out) => void out.grow(64 * KIB + 1));
});

test("While the system is full nothing is written, and what waits leaves once it is not", () => {
  const world = new World();
  const { outbound } = world;
  let room = 0;
  outbound.onRoom = () => room++;
  world.hasRoom = false;
  outbound.control((out) => appendPing(out, PING, false));
  outbound.flush();
  assert.deepEqual([outbound.isFull, outbound.isFlushed, world.held], [true, false, 17]);
  outbound.control((out) => appendPing(out, PING, true));
  stream(world, 1, 100);
  outbound.flush();
  outbound.interim(1, 103, []);
  assert.equal(world.writes.length, 1);
  world.socket.unsentLength = 5;
  outbound.noteHeld();
  assert.equal(world.held, 5);
  world.hasRoom = true;
  world.socket.unsentLength = 0;
  outbound.drained();
  assert.deepEqual([room, outbound.isFull, world.held], [1, false, 0]);
  assert.deepEqual(world.frames(), ["6 0 0 8", "6 1 0 8", "0 1 1 100"]);
  world.hasRoom = false;
  outbound.control((out) => appendPing(out, PING, false));
  outbound.flush();
  outbound.closed();
  assert.equal(world.held, 0);
});

test("The last words leave however full the system is, and nothing behind them", () => {
  const world = new World();
  const { outbound } = world;
  world.hasRoom = false;
  outbound.control((out) => appendPing(out, PING, false));
  outbound.flush();
  outbound.control((out) => appendPing(out, PING, true));
  outbound.flushLast();
  assert.deepEqual(world.frames(), ["6 0 0 8", "6 1 0 8"]);
  outbound.control((out) => appendPing(out, PING, true));
  outbound.flush();
  outbound.flushLast();
  world.hasRoom = true;
  outbound.drained();
  assert.deepEqual(world.frames(), []);
});

test("A header section fits into one frame up to its limit, and goes on in others beyond", () => {
  const cases: [value: number, frames: string[]][] = [
    [16_384, ["1 4 1 16384"]],
    [16_385, ["1 0 1 16384", "9 4 1 1"]],
  ];
  // Behind the status, the name and its lengths; "&" is as long in the code.
  const rest = (isEnd: boolean, length: number): World => {
    const world = new World();
    world.outbound.headers(1, 200, [["date", "&".repeat(length)]], undefined, DATE, isEnd);
    world.outbound.flush();
    return world;
  };
  const overhead = Number(rest(false, 1000).frames()[0]!.split(" ")[3]) - 1000;
  for (const [length, frames] of cases) {
    const fits = length - overhead;
    assert.deepEqual(rest(false, fits).frames(), frames);
    const ended = frames.map((text, at) =>
      at === 0
        ? text.replace(/^1 (\d)/, (_, flags) => `1 ${Number(flags) | Flag.END_STREAM}`)
        : text
    );
    assert.deepEqual(rest(true, fits).frames(), ended);
  }
  const world = new World();
  world.outbound.frameLengthMax = FRAME_LENGTH_MAX;
  world.outbound.headers(1, 200, [["date", "&".repeat(20_000)]], undefined, DATE, true);
  world.outbound.end(3);
  world.turn();
  const [headers, end] = world.payloads();
  assert.match(headers!.text, /^1 5 1 20\d\d\d$/);
  assert.equal(end!.text, "0 1 3 0");
  const decoder = new HpackDecoder();
  decoder.begin(headers!.payload, 0, headers!.payload.length);
  assert.equal(decoder.next()?.value, "200");
});

test("Headers that come before a response's leave at the end of the turn, and end nothing", () => {
  const world = new World();
  world.outbound.interim(1, 103, [["link", "a"]]);
  world.turn();
  const [{ text, payload }] = world.payloads() as [{ text: string; payload: Uint8Array }];
  assert.match(text, /^1 4 1 \d+$/);
  const decoder = new HpackDecoder();
  decoder.begin(payload, 0, payload.length);
  assert.deepEqual([decoder.next()?.value, decoder.next()?.name], ["103", "link"]);
});

test("DATA goes as far as the windows and the frame allow, and its last frame ends the stream", () => {
  const cases: [
    more: { window?: number; sendWindow?: number; frameLengthMax?: number; isLast?: boolean },
    frames: string[],
    said: string,
  ][] = [
    [{}, ["0 0 1 16384", "0 1 1 3616"], "sent sent all"],
    [{ isLast: false }, ["0 0 1 16384", "0 0 1 3616"], "sent sent"],
    [{ frameLengthMax: 20_000 }, ["0 1 1 20000"], "sent all"],
    [{ frameLengthMax: 19_999 }, ["0 0 1 19999", "0 1 1 1"], "sent sent all"],
    [{ window: 20_000 }, ["0 0 1 16384", "0 1 1 3616"], "sent sent all"],
    [{ window: 19_000 }, ["0 0 1 16384", "0 0 1 2616"], "sent sent"],
    [{ window: 0 }, [], ""],
    [{ window: -5 }, [], ""],
    [{ sendWindow: 19_000 }, ["0 0 1 16384", "0 0 1 2616"], "sent sent"],
    [{ sendWindow: 1 }, ["0 0 1 1"], "sent"],
  ];
  for (const [{ window = 1e9, sendWindow, frameLengthMax, isLast }, frames, said] of cases) {
    const world = new World();
    world.outbound.window = window;
    if (frameLengthMax !== undefined) world.outbound.frameLengthMax = frameLengthMax;
    const made = stream(world, 1, 20_000, {
      ...(sendWindow !== undefined && { sendWindow }),
      ...(isLast !== undefined && { isLast }),
    });
    const before = made.sendWindow;
    world.outbound.flush();
    assert.deepEqual(world.frames(), frames);
    assert.equal(made.said.join(" "), said);
    const sent = 20_000 - made.available;
    assert.deepEqual([before - made.sendWindow, window - world.outbound.window], [sent, sent]);
    const isWaiting = made.available > 0 && made.sendWindow > 0;
    assert.equal(made.isQueued, isWaiting);
  }
});

test("A frame is a quarter of a mebibyte at most, whatever the client takes", () => {
  const world = new World();
  world.outbound.window = 1e9;
  world.outbound.frameLengthMax = FRAME_LENGTH_MAX;
  stream(world, 1, 256 * KIB + 1);
  world.outbound.flush();
  assert.deepEqual(world.frames(), [`0 0 1 ${256 * KIB}`, "0 1 1 1"]);
});

test("A turn is a mebibyte, in writes of 64 KiB and a frame, and then others have theirs", () => {
  const world = new World();
  world.outbound.window = 1e9;
  stream(world, 1, 3 * KIB * KIB);
  world.outbound.flush();
  assert.equal(world.frames().length, 64);
  assert.deepEqual(world.writes, new Array(16).fill(4 * (FRAME_LENGTH_MIN + 9)));
  assert.equal(world.turns.length, 1);
  world.turn();
  world.turn();
  assert.equal(world.frames().length, 128);
  assert.equal(world.turns.length, 0, "all of it is there");
});

test("Nothing more is read once the system takes nothing more", () => {
  const world = new World();
  world.outbound.window = 1e9;
  world.hasRoom = false;
  const made = stream(world, 1, KIB * KIB);
  world.outbound.flush();
  assert.equal(world.writes.length, 1);
  assert.equal(made.available, KIB * KIB - 4 * FRAME_LENGTH_MIN);
});

test("Incremental streams take turns frame by frame, others go one after the other", () => {
  for (const [isIncremental, order] of [[true, "12121212"], [false, "11112222"]] as const) {
    const world = new World();
    world.outbound.window = 1e9;
    for (const id of [1, 2]) stream(world, id, 4 * FRAME_LENGTH_MIN, { isIncremental });
    world.outbound.flush();
    assert.equal(world.frames().map((text) => text.split(" ")[2]).join(""), order);
  }
});

test("A frame that a window makes tiny costs the client something, any other gives some back", () => {
  const cases: [sendWindow: number, available: number, said: string][] = [
    [255, 1000, "take window_updates"],
    [256, 1000, "give window_updates 4"],
    [255, 255, "give window_updates 4"],
    [1, 2, "take window_updates"],
  ];
  for (const [sendWindow, available, said] of cases) {
    const world = new World();
    stream(world, 1, available, { sendWindow });
    world.outbound.flush();
    assert.deepEqual(world.budget, [said]);
  }
});

test("A body that cannot be read ends its stream, leaves no frame behind and holds up no other", () => {
  const world = new World();
  const broken = stream(world, 1, 100, { breaks: true });
  const other = stream(world, 3, 100);
  world.outbound.flush();
  assert.deepEqual([broken.said, broken.isQueued], [["broke"], false]);
  assert.deepEqual(other.said, ["sent", "all"]);
  assert.deepEqual(world.frames(), ["0 1 3 100"]);
});

test("What goes wrong while DATA is made is told, and nothing is written", () => {
  const world = new World();
  const made = stream(world, 1, 100);
  const error = new ConnectionError("ENHANCE_YOUR_CALM", "no");
  Object.assign(made, {
    sent: () => {
      throw error;
    },
  });
  world.outbound.flush();
  assert.deepEqual([world.errors, world.writes], [[error], []]);
});
