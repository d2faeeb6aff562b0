/** The small parts of a connection, each by itself, at the edges of what it counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LINGERED_LENGTH_MAX } from "../../src/http1/connection_server.ts";
import { type BudgetName, Budgets } from "../../src/http2/budgets.ts";
import { type ConnectionState, phaseOf } from "../../src/http2/connection_state.ts";
import { ConnectionError, StreamError } from "../../src/http2/errors.ts";
import { isConnectionField, judgeField } from "../../src/http2/field_rules.ts";
import { Frame } from "../../src/http2/frame_reader.ts";
import {
  continuationsFor,
  HTTP2_LIMIT_DEFAULTS,
  REFILL_MS,
  STREAM_WINDOW,
} from "../../src/http2/limits.ts";
import { Liveness } from "../../src/http2/liveness.ts";
import { EarlyPriorities, parsePriority, PRIORITY_DEFAULT } from "../../src/http2/priority.ts";
import { Reading } from "../../src/http2/reading.ts";
import { ReceiveWindows, type Receiving } from "../../src/http2/receive_windows.ts";
import { SessionMemory } from "../../src/http2/session_memory.ts";
import { defaultSettings, readSettings } from "../../src/http2/settings.ts";
import { SocketProgress } from "../../src/http2/socket_progress.ts";
import type { Stream } from "../../src/http2/stream.ts";
import { type Queued, StreamQueue } from "../../src/http2/stream_queue.ts";
import { mayReceive, maySend, type StreamState } from "../../src/http2/stream_state.ts";
import { StreamTable } from "../../src/http2/stream_table.ts";
import type { AcceptedSocket } from "../../src/runtime/callback_socket.ts";
import { fromHex } from "./hpack_examples.ts";

test("A budget lasts for as many as its limit, and is given back by time and by good behaviour", () => {
  const limits = {
    ...HTTP2_LIMIT_DEFAULTS,
    resetsMax: 3,
    settingsMax: 4,
    pingsMax: 5,
    emptyFramesMax: 6,
    windowUpdatesMax: 7,
  };
  const maxima = { resets: 3, settings: 4, pings: 5, empty_frames: 6, window_updates: 7 };
  for (const [name, max] of Object.entries(maxima) as [BudgetName, number][]) {
    const budgets = new Budgets(limits, 1000);
    const left = () => {
      let count = 0;
      for (;; count++) {
        try {
          budgets.take(name);
        } catch (error) {
          assert.ok(error instanceof ConnectionError);
          assert.deepEqual([error.code, error.limit], ["ENHANCE_YOUR_CALM", name]);
          assert.equal(error.message, `More than ${max} of limits.http2.${name}`);
          return count;
        }
      }
    };
    assert.equal(left(), max);
    // What was asked for in vain counts as well: one is missing below nothing.
    budgets.give(name, 3);
    assert.equal(left(), 2);
    budgets.give(name, 1000);
    assert.equal(left(), max, "no more than its limit");
    budgets.give(name, 1);
    budgets.refill(1000 + REFILL_MS / 2);
    assert.equal(left(), Math.floor(max / 2));
    budgets.give(name, 1000);
    assert.equal(left(), max);
    budgets.refill(1000 + REFILL_MS / 2);
    assert.equal(left(), 0, "time that was given once");
    budgets.refill(1000 + 10 * REFILL_MS);
    assert.equal(left(), max);
  }
});

/** A SETTINGS frame with such a payload. */
function settingsFrame(hex: string): Frame {
  const frame = new Frame();
  frame.bytes = fromHex(`ffff${hex}`);
  frame.start = 2;
  frame.end = frame.bytes.length;
  return frame;
}

test("Settings are taken up to what the specification allows, the last of one kind counts", () => {
  const cases: [hex: string, read: object | string][] = [
    ["", {}],
    ["000100000000", { headerTableSize: 0 }],
    ["0001ffffffff", { headerTableSize: 4_294_967_295 }],
    ["000200000000", {}],
    ["000200000001", {}],
    ["000200000002", "PROTOCOL_ERROR"],
    ["000300000000", {}],
    ["000400000000", { initialWindow: 0 }],
    ["00047fffffff", { initialWindow: 2_147_483_647 }],
    ["000480000000", "FLOW_CONTROL_ERROR"],
    ["000500003fff", "PROTOCOL_ERROR"],
    ["000500004000", { frameLengthMax: 16_384 }],
    ["000500ffffff", { frameLengthMax: 16_777_215 }],
    ["000501000000", "PROTOCOL_ERROR"],
    ["00ff00000001", {}],
    ["010100000001", {}],
    ["000400000001000400000002", { initialWindow: 2 }],
    ["000400000001000100000002", { initialWindow: 1, headerTableSize: 2 }],
    ["00040000", "FRAME_SIZE_ERROR"],
    ["00040000000100", "FRAME_SIZE_ERROR"],
  ];
  for (const [hex, read] of cases) {
    const settings = defaultSettings();
    const defaults = { headerTableSize: 4096, initialWindow: 65_535, frameLengthMax: 16_384 };
    assert.deepEqual(settings, defaults);
    if (typeof read === "string") {
      assert.throws(
        () => readSettings(settingsFrame(hex), settings),
        (error) => error instanceof ConnectionError && error.code === read,
        hex,
      );
    } else {
      readSettings(settingsFrame(hex), settings);
      assert.deepEqual(settings, { ...defaults, ...read }, hex);
    }
  }
});

test("A priority is read from its members, and is the usual one where it is too long", () => {
  const cases: [value: string, urgency: number, isIncremental: boolean][] = [
    ["", 3, false],
    ["u=0", 0, false],
    ["u=7, i", 7, true],
    ["i, u=1", 1, true],
    ["u=1,u=2", 2, false],
    ["i,i=?0", 3, false],
    ["i=?1", 3, true],
    ["u=8", 3, false],
    ["u=1;x=2, i;y", 1, true],
    ["x=u=1, a", 3, false],
    [`u=1,${" ".repeat(252)}`, 1, false],
    [`u=1,${" ".repeat(253)}`, 3, true],
  ];
  for (const [value, urgency, isIncremental] of cases) {
    assert.deepEqual(parsePriority(value), { urgency, isIncremental }, value);
  }
  assert.deepEqual(PRIORITY_DEFAULT, { urgency: 3, isIncremental: true });
});

test("Priorities of streams that are to come are kept for sixteen of them, and taken once", () => {
  const early = new EarlyPriorities();
  assert.equal(early.take(1), undefined);
  const priority = (urgency: number) => ({ urgency, isIncremental: false });
  for (let id = 1; id <= 17; id++) early.keep(id, priority(id % 8));
  assert.equal(early.size, 16);
  early.keep(16, priority(7));
  assert.equal(early.take(17), undefined);
  assert.deepEqual(early.take(16), priority(7), "one that is known may change");
  assert.equal(early.take(16), undefined);
  early.keep(17, priority(5));
  assert.deepEqual([early.size, early.take(17)], [16, priority(5)]);
  assert.equal(early.size, 15);
});

test("A client is asked once it was quiet for longer than it may, and gone once it says nothing", () => {
  const liveness = new Liveness(1000);
  assert.equal(liveness.look(1000 + 500, 500), "well");
  assert.equal(liveness.look(1000 + 501, 500), "quiet");
  liveness.asked(2000);
  assert.equal(liveness.look(22_000, 500), "well");
  assert.equal(liveness.look(22_001, 500), "gone");
  liveness.heard(22_001);
  assert.equal(liveness.look(22_501, 500), "well");
  assert.equal(liveness.look(22_502, 500), "quiet");
});

test("A client that is not read is asked every five seconds, and need not reply", () => {
  const liveness = new Liveness(1000);
  assert.equal(liveness.lookUnread(5999), "well");
  assert.equal(liveness.lookUnread(6000), "quiet");
  assert.equal(liveness.lookUnread(10_999), "well");
  assert.equal(liveness.lookUnread(11_000), "quiet");
  liveness.asked(11_000);
  assert.equal(liveness.lookUnread(16_000), "quiet");
  assert.equal(liveness.look(100_000, 100_000), "well", "it was not asked for a reply");
});

const receiving = (state: StreamState = "open"): Receiving => ({
  id: 1,
  state,
  receiveWindow: STREAM_WINDOW,
  windowMax: STREAM_WINDOW,
  unannounced: 0,
});

function windows(grownMax = 0) {
  const told: [id: number, increment: number][] = [];
  return { told, windows: new ReceiveWindows(grownMax, (...given) => told.push(given)) };
}

test("The connection's window is told of again once half of it is used, and never passed", () => {
  const { told, windows: one } = windows();
  one.takeOfConnection(524_287);
  assert.deepEqual(told, []);
  one.takeOfConnection(1);
  assert.deepEqual(told, [[0, 524_288]]);
  one.takeOfConnection(524_287);
  assert.deepEqual(told.length, 1);
  one.takeOfConnection(1_048_576 - 524_287);
  assert.deepEqual(told[1], [0, 1_048_576]);
  assert.throws(() => one.takeOfConnection(1_048_577), ConnectionError);
});

test("A stream's window is told of again once half of it was read, while it may receive", () => {
  const { told, windows: one } = windows();
  const stream = receiving();
  one.takeOfStream(stream, STREAM_WINDOW);
  assert.throws(() => one.takeOfStream({ ...stream }, 1), StreamError);
  one.consumed(stream, 32_767, false);
  assert.deepEqual([told, stream.receiveWindow], [[], 0]);
  one.consumed(stream, 1, false);
  assert.deepEqual([told, stream.receiveWindow], [[[1, 32_768]], 32_768]);
  assert.equal(stream.unannounced, 0);
  for (const state of ["half-closed (remote)", "closed"] as const) {
    one.consumed(receiving(state), STREAM_WINDOW, true);
  }
  assert.equal(told.length, 1);
});

test("A window grows for who waits, to its most, within what all may grow by", () => {
  const { told, windows: one } = windows(STREAM_WINDOW * 3);
  const stream = receiving();
  one.consumed(stream, 40_000, false);
  assert.deepEqual([told.pop(), stream.windowMax], [[1, 40_000], STREAM_WINDOW]);
  one.consumed(stream, 40_000, true);
  assert.deepEqual([told.pop(), stream.windowMax], [[1, 40_000 + 65_535], 2 * STREAM_WINDOW]);
  one.consumed(stream, STREAM_WINDOW, true);
  assert.deepEqual([told.pop(), stream.windowMax], [[1, 3 * STREAM_WINDOW], 4 * STREAM_WINDOW]);
  one.consumed(stream, 2 * STREAM_WINDOW, true);
  assert.equal(stream.windowMax, 4 * STREAM_WINDOW, "all that may grow has grown");
  const other = receiving();
  one.consumed(other, STREAM_WINDOW, true);
  assert.equal(other.windowMax, STREAM_WINDOW);
  one.release(stream);
  assert.equal(stream.windowMax, STREAM_WINDOW);
  one.release(stream);
  one.consumed(other, STREAM_WINDOW, true);
  one.consumed(other, STREAM_WINDOW, true);
  assert.equal(other.windowMax, 4 * STREAM_WINDOW);
  one.consumed(other, 2 * STREAM_WINDOW, true);
  assert.equal(other.windowMax, 4 * STREAM_WINDOW, "what was given back was given back once");
});

test("A window grows to a mebibyte at most", () => {
  const { windows: one } = windows(Infinity);
  const stream = receiving();
  for (let count = 0; count < 10; count++) one.consumed(stream, stream.windowMax, true);
  assert.equal(stream.windowMax, 16 * STREAM_WINDOW);
  const exact = { ...receiving(), windowMax: 524_288 };
  one.consumed(exact, 524_288, true);
  assert.equal(exact.windowMax, 1_048_576);
});

test("What waits of a client is counted, holds it up and has its limit; what it gives back is told", () => {
  const counts: number[] = [];
  const memory = { isFull: true, count: (length: number) => void counts.push(length) };
  let released = 0;
  const session = new SessionMemory(memory, 100_000, () => released++);
  session.hold(STREAM_WINDOW);
  assert.equal(session.holdsUp, false);
  session.hold(1);
  assert.equal(session.holdsUp, true);
  memory.isFull = false;
  assert.equal(session.holdsUp, false);
  session.hold(100_000 - STREAM_WINDOW - 1);
  assert.equal(released, 0);
  assert.throws(
    () => session.hold(1),
    (error) =>
      error instanceof ConnectionError && error.code === "ENHANCE_YOUR_CALM" &&
      error.limit === "memory" && error.message === "More than 100000 bytes wait",
  );
  session.hold(-1);
  assert.equal(released, 1);
  session.hold(0);
  assert.equal(released, 1);
  session.holdResponse(100_000);
  assert.equal(session.holdsTooMuch, false);
  session.holdResponse(1);
  assert.equal(session.holdsTooMuch, true);
  session.holdResponse(-1);
  assert.equal(session.holdsTooMuch, false);
  assert.equal(counts.reduce((sum, count) => sum + count, 0), 200_000);
});

test("A client is stuck for as long as the same bytes wait for it", () => {
  const socket = { unsentLength: 0 };
  const progress = new SocketProgress(socket as AcceptedSocket);
  assert.equal(progress.stuckMs(1000), 0);
  assert.equal(progress.stuckMs(2000), 0, "nothing waits");
  socket.unsentLength = 5;
  assert.equal(progress.stuckMs(3000), 0);
  assert.equal(progress.stuckMs(4500), 1500);
  socket.unsentLength = 4;
  assert.equal(progress.stuckMs(5000), 0);
  assert.equal(progress.stuckMs(6000), 1000);
  progress.drained();
  assert.equal(progress.stuckMs(7000), 0, "another piece as long");
  assert.equal(progress.stuckMs(8000), 1000);
});

test("A client is read or not as it is told, and no longer once it has sent too much in vain", () => {
  const told: string[] = [];
  const reading = new Reading({
    pause: () => void told.push("pause"),
    resume: () => void told.push("resume"),
  });
  assert.equal(reading.isPaused, false);
  for (const holdsUp of [false, true, true, false, false]) reading.update(holdsUp);
  assert.deepEqual(told, ["pause", "resume"]);
  reading.drop(LINGERED_LENGTH_MAX);
  assert.equal(reading.isPaused, false);
  reading.drop(1);
  assert.equal(reading.isPaused, true);
  assert.deepEqual(told, ["pause", "resume", "pause"]);
});

interface Waiting extends Queued {
  readonly name: string;
}

const waiting = (name: string, urgency: number, isIncremental = false): Waiting => ({
  name,
  urgency,
  isIncremental,
  isQueued: false,
});

test("The most urgent has its turn, at every sixteenth the least urgent", () => {
  const queue = new StreamQueue<Waiting>();
  assert.equal(queue.next(), undefined);
  const streams = [waiting("least", 7), waiting("most", 0), waiting("usual", 3)];
  for (const stream of [...streams, ...streams]) queue.add(stream);
  assert.equal(queue.length, 3);
  const turns = Array.from({ length: 48 }, () => queue.next()!.name);
  assert.deepEqual(
    turns.map((name, index) => name === "least" ? index + 1 : 0).filter((turn) => turn > 0),
    [16, 32, 48],
  );
  queue.remove(streams[1]!);
  queue.remove(streams[1]!);
  assert.deepEqual([queue.length, queue.next()?.name], [2, "usual"]);
});

test("Incremental streams of one urgency take turns, others go one after the other", () => {
  const queue = new StreamQueue<Waiting>();
  const [one, two, three] = [waiting("1", 3, true), waiting("2", 3, true), waiting("3", 3)];
  for (const stream of [one, two, three]) queue.add(stream);
  const turn = () => {
    const stream = queue.next()!;
    queue.rotate(stream);
    return stream.name;
  };
  assert.equal([turn(), turn(), turn(), turn()].join(""), "1233");
  queue.rotate(one);
  assert.equal(queue.next(), three, "who is not in front does not move the others");
  queue.remove(three);
  assert.equal([turn(), turn(), turn()].join(""), "121");
  queue.remove(two);
  assert.equal([turn(), turn()].join(""), "11");
});

test("A stream that gets another urgency keeps its place in the count, or stays out of it", () => {
  const queue = new StreamQueue<Waiting>();
  const [one, two] = [waiting("1", 3), waiting("2", 3)];
  queue.add(one);
  queue.reprioritize(two, 0, true);
  assert.deepEqual([queue.length, two.isQueued, two.urgency, two.isIncremental], [
    1,
    false,
    0,
    true,
  ]);
  queue.add(two);
  assert.equal(queue.next(), two);
  queue.reprioritize(two, 5, false);
  assert.deepEqual([queue.length, queue.next()?.name, two.isIncremental], [2, "1", false]);
});

test("A stream is idle until its number is used; even ones are never a client's", () => {
  const table = new StreamTable();
  assert.deepEqual([table.lastId, table.isIdle(1), table.isIdle(2)], [0, true, true]);
  table.use(5);
  const idle = [0, 1, 2, 3, 4, 5, 6, 7].filter((id) => table.isIdle(id));
  assert.deepEqual(idle, [0, 2, 4, 6, 7]);
  assert.equal(table.lastId, 5);
});

test("How a stream ended is known of the last 256", () => {
  const table = new StreamTable();
  const stream = { id: 1 } as Stream;
  table.add(stream);
  assert.deepEqual([table.size, table.get(1)], [1, stream]);
  table.remove(1, "over");
  assert.deepEqual([table.size, table.get(1), table.endOf(1)], [0, undefined, "over"]);
  for (let id = 3; id <= 511; id += 2) table.remove(id, id % 4 === 1 ? "over" : "reset by us");
  assert.equal(table.endOf(1), "over");
  table.remove(513, "reset by the client");
  assert.deepEqual(
    [1, 3, 5, 511, 513, 515].map((id) => table.endOf(id)),
    [undefined, "reset by us", "over", "reset by us", "reset by the client", undefined],
  );
});

test("What a client sees of a connection follows from its state, its streams and what is unsent", () => {
  const phases = (state: ConnectionState) =>
    [[true, true], [true, false], [false, true], [false, false]].map(([isIdle, isFlushed]) =>
      phaseOf(state, isIdle!, isFlushed!)
    ).join(" ");
  assert.equal(phases("preface"), "reading reading responding responding");
  for (const state of ["open", "leaving", "draining"] as const) {
    assert.equal(phases(state), "idle sending responding responding");
  }
  for (const state of ["closing", "gone"] as const) {
    assert.equal(phases(state), "closing closing closing closing");
  }
  const states: readonly StreamState[] = [
    ...["idle", "open", "half-closed (remote)", "half-closed (local)", "closed"] as const,
  ];
  assert.deepEqual(states.filter(mayReceive), ["open", "half-closed (local)"]);
  assert.deepEqual(states.filter(maySend), ["open", "half-closed (remote)"]);
});

test("What is wrong with a field is told, with no more than 64 characters of its name", () => {
  const x = "x".repeat(65);
  const cases: [name: string, value: string, wrong: string][] = [
    ["x-a", "b c", ""],
    ["x-a", "", ""],
    [":path", "/", ""],
    [":status", "200", `":status" is no pseudo-header of a request`],
    [":ä", "", `":?" is no pseudo-header of a request`],
    ["", "a", "A field's name has a character that none may have"],
    ["X", "a", "A field's name has a character that none may have"],
    ["x-a", " b", `The value of "x-a" has a character that none may have`],
    [x.slice(1), "\n", `The value of "${x.slice(1)}" has a character that none may have`],
    [x, "\n", `The value of "${x.slice(1)} [cut]" has a character that none may have`],
    ["te", "trailers", ""],
    ["te", "Trailers", ""],
    ["te", "gzip", `"te" may say "trailers" alone`],
    ["upgrade", "a", `"upgrade" has no place in HTTP/2`],
  ];
  for (const [name, value, wrong] of cases) assert.equal(judgeField(name, value), wrong);
  assert.deepEqual(["connection", "host"].map(isConnectionField), [true, false]);
});

test("A header section may go on in as many frames as it can fill, and two", () => {
  assert.deepEqual([1, 16_384, 16_385, 65_536].map(continuationsFor), [3, 3, 4, 6]);
});
