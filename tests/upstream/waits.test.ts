/** What a request waits for, or is counted by, beside a connection: each to its end, and once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LightAbortSignal } from "../../src/runtime/abort_signal.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import { FileBody } from "../../src/upstream/file_body.ts";
import { RoomNotice } from "../../src/upstream/room_notice.ts";
import { StoppableWaits } from "../../src/upstream/stoppable_waits.ts";
import { Tunnels } from "../../src/upstream/tunnels.ts";
import type { UpstreamShare } from "../../src/upstream/upstream_share.ts";
import { WaitingQueue } from "../../src/upstream/waiting_queue.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { codeOf } from "../support/upstream_world.ts";

test("Room is said at once, but not between the events of one read, and then once", () => {
  let said = 0;
  const notice = new RoomNotice(() => said++);
  notice.found();
  assert.deepEqual([said, notice.isDispatching], [1, false]);
  notice.dispatch();
  assert.equal(notice.isDispatching, true);
  notice.found();
  notice.found();
  assert.deepEqual([said, notice.isDispatching], [1, true]);
  notice.dispatched();
  assert.deepEqual([said, notice.isDispatching], [2, false]);
  notice.dispatch();
  notice.dispatched();
  assert.equal(said, 2, "there was none");
});

test("A wait takes its time, unless its client leaves or all are stopped, and leaves nothing", async () => {
  const clock = new ManualClock();
  const waits = new StoppableWaits();
  let isOver = false;
  const signal = new LightAbortSignal();
  const whole = waits.pause(clock, 100, signal).then(() => isOver = true);
  clock.advance(99);
  await Promise.resolve();
  assert.equal(isOver, false);
  clock.advance(1);
  await whole;
  signal.abort();
  const leaving = new LightAbortSignal();
  const left = waits.pause(clock, 100, leaving);
  leaving.abort();
  assert.equal(await codeOf(left), "client_gone");
  assert.equal(await codeOf(waits.pause(clock, 100, leaving)), "client_gone");
  const stopped = [
    waits.pause(clock, 100, undefined),
    waits.pause(clock, 100, new LightAbortSignal()),
  ];
  waits.stopAll(() => new UpstreamError("draining", "It ends", { phase: "queue" }));
  for (const one of stopped) assert.equal(await codeOf(one), "draining");
  assert.equal(clock.timerCount, 0);
  const seen: string[] = [];
  const release = waits.add(new LightAbortSignal(), ({ code }) => seen.push(code));
  release();
  waits.stopAll(() => assert.fail("nobody waits"));
  assert.deepEqual(seen, []);
});

test("Tunnels are bounded, here or over all threads, and each is given back once", () => {
  const options = {
    ...UPSTREAM_DEFAULTS,
    name: "app",
    servers: [],
    tunnels: { max: 2, idleMs: 1 },
  };
  const alone = new Tunnels(options);
  const payloads = [alone.begin(), alone.begin()];
  assert.equal(alone.open, 2);
  assert.throws(() => alone.begin(), (error) => (error as UpstreamError).code === "tunnels_full");
  payloads[0]!.close();
  payloads[0]!.close();
  assert.equal(alone.open, 1);
  alone.begin();
  let elsewhere = 1;
  const share = {
    enterTunnel: (max: number) => elsewhere < max && ++elsewhere > 0,
    leaveTunnel: () => void elsewhere--,
  };
  const shared = new Tunnels(options, share as unknown as UpstreamShare);
  const payload = shared.begin();
  assert.throws(() => shared.begin(), /has 2 tunnels already/);
  assert.deepEqual([shared.open, elsewhere], [1, 2]);
  payload.close();
  payload.close();
  assert.deepEqual([shared.open, elsewhere], [0, 1]);
});

test("A queue that threads share is full when they say so, and is left as often as entered", () => {
  const asked: number[] = [];
  let left = 0;
  let hasRoom = true;
  const queue = new WaitingQueue<string>(2, {
    enterQueue: (max) => {
      asked.push(max);
      return hasRoom;
    },
    leaveQueue: () => void left++,
  });
  assert.equal(queue.push("a"), true);
  hasRoom = false;
  assert.deepEqual([queue.push("b"), queue.length, asked], [false, 1, [2, 2]]);
  assert.deepEqual([queue.remove("b"), queue.remove("a"), queue.remove("a"), left], [
    ...[false, true, false, 1],
  ]);
});

/** A file whose streams a test feeds; which of them were read and cancelled is seen. */
function fileOf(pieces: readonly string[]) {
  const seen: unknown[] = [];
  let opened = 0;
  const open = (): OpenFile => {
    opened++;
    const stream = (parts: unknown) => {
      seen.push(parts);
      const waiting = [...pieces];
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = waiting.shift();
          if (piece === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(piece));
        },
        cancel: () => void seen.push("cancelled"),
      }, { highWaterMark: 0 });
    };
    return { stream } as unknown as OpenFile;
  };
  return { seen, open, opened: () => opened };
}

test("A file's body is opened when it is read, from its beginning each time, and let go of", async () => {
  const { seen, open, opened } = fileOf(["ab", "c"]);
  const body = new FileBody(open, "/file", 3);
  assert.deepEqual([body.isThere, body.length], [true, 3]);
  const first = body.reader();
  assert.equal(opened(), 0);
  const text = async (reader = body.reader()): Promise<string> => {
    let all = "";
    for (let piece = await reader.read(); piece !== undefined; piece = await reader.read()) {
      all += new TextDecoder().decode(piece);
    }
    return all;
  };
  assert.deepEqual([await text(first), await text(), opened()], ["abc", "abc", 2]);
  assert.deepEqual(seen, [[{ start: 0, end: 3 }], [{ start: 0, end: 3 }]]);
  body.close();
  assert.equal(seen.length, 2, "they are over");
  const [second, third] = [body.reader(), body.reader()];
  await second.read();
  await third.read();
  third.cancel();
  body.close();
  assert.deepEqual(seen.slice(4), ["cancelled", "cancelled"]);
  const empty = fileOf([]);
  assert.equal(await new FileBody(empty.open, "/file", 0).reader().read(), undefined);
  assert.deepEqual(empty.seen, [[]]);
});

test("A file that cannot be read fails its request as something of our own", async () => {
  const body = new FileBody(
    () => {
      throw new Error("it is gone");
    },
    "/a file",
    3,
  );
  const error = await body.reader().read().then(() => undefined, (reason) => reason);
  assert.ok(error instanceof UpstreamError);
  assert.equal(error.message, 'Cannot read the file "/a file": it is gone');
  assert.deepEqual([error.code, error.fault, error.sent, error.phase], [
    ...["request_body_failed", "local", true, "first_byte"],
  ]);
});
