/**
 * Which connection a request gets where each carries one at a time, with what the system tells of its
 * worker given by the test. The picture is at the header section of `single_connections.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerProgress } from "../../src/runtime/peer_progress.ts";
import { ConnectionLimit } from "../../src/upstream/connection_limit.ts";
import {
  BEHIND_MOMENT_MS,
  LATE_WORKER_MS,
  LOOK_AGAIN_MS,
  type SingleConnection,
  SingleConnections,
  UNACCEPTED_MAX_MS,
  UNACCEPTED_MIN_MS,
} from "../../src/upstream/single_connections.ts";

const GET = { repeatable: true, wantsFreshConnection: false, wantsAlone: false };
const POST = { ...GET, repeatable: false };

class Connection implements SingleConnection {
  canBegin = true;
  streams = 1;
  progress: PeerProgress = "caught_up";
  accepted: boolean | undefined = true;
  isClosed = false;
  readonly life = {
    peerProgress: () => this.progress,
    isAccepted: () => this.accepted,
  };
  close(): void {
    this.isClosed = true;
  }
}

class World {
  nowMs = 0;
  readonly open: Connection[] = [];
  lookAfterMs: number | undefined;
  lateWorkers = 0;
  readonly found: number[] = [];
  readonly limit: ConnectionLimit;
  readonly single: SingleConnections<Connection>;

  constructor({ max = 8, canWait = true } = {}) {
    this.limit = new ConnectionLimit(max);
    this.single = new SingleConnections({
      limit: this.limit,
      count: () => this.open.length,
      canWait,
      canTellAccepted: ({ accepted }) => accepted !== undefined,
      open: () => {
        const connection = new Connection();
        this.open.push(connection);
        return connection;
      },
      retire: (connection) => {
        this.open.splice(this.open.indexOf(connection), 1);
        this.single.forget(connection);
        connection.close();
      },
      nowMs: () => this.nowMs,
      lookAfter: (delayMs) => this.lookAfterMs = delayMs,
      onLateWorkers: () => this.lateWorkers++,
      onWorkersFound: (count) => this.found.push(count),
    });
  }

  /** A request that is answered after so long; its worker is as given then. */
  serve(progress: PeerProgress, tookMs = 5): Connection {
    const connection = this.single.place(GET)!;
    this.nowMs += tookMs;
    this.rest(connection, progress);
    return connection;
  }

  rest(connection: Connection, progress: PeerProgress): void {
    connection.streams = 0;
    connection.progress = progress;
    this.single.rest(connection);
  }

  /** So many connections at rest. */
  resting(count: number, progress: PeerProgress): Connection[] {
    const connections = Array.from({ length: count }, () => this.single.place(GET)!);
    this.nowMs += 5;
    for (const connection of connections) this.rest(connection, progress);
    return connections;
  }
}

test("A worker that is back gets the next request, of several the one used last, POST too", () => {
  const world = new World();
  const [first, second] = world.resting(2, "caught_up");
  assert.equal(world.single.place(POST), second);
  assert.equal(world.single.place(GET), first);
  assert.equal(world.open.length, 2);
});

test("A worker that is not back is passed over for one that is", () => {
  const world = new World();
  const [first, second] = world.resting(2, "caught_up");
  second!.progress = "behind";
  assert.equal(world.single.place(GET), first);
});

test("A connection that turns out to be closed is let go of, and never used", () => {
  const world = new World();
  const [first] = world.resting(1, "closed");
  assert.notEqual(world.single.place(POST), first);
  assert.equal(first!.isClosed, true);
  const world2 = new World();
  const [draining] = world2.resting(1, "caught_up");
  draining!.canBegin = false;
  assert.notEqual(world2.single.place(GET), draining);
});

test("Where nobody knows, a GET takes the one idle longest, a POST a new one in its place", () => {
  const world = new World();
  const [first, second] = world.resting(2, "unknown");
  const taken = world.single.place(GET);
  assert.equal(taken, first);
  const fresh = world.single.place(POST);
  assert.ok(fresh !== first && fresh !== second);
  assert.equal(second!.isClosed, true);
  assert.equal(world.open.length, 2);
});

test("With one worker behind another connection opens at once; with more it waits a moment", () => {
  const world = new World();
  const [first] = world.resting(1, "behind");
  assert.notEqual(world.single.place(GET), first);
  assert.equal(world.open.length, 2);
  const other = new World();
  other.resting(2, "behind");
  assert.equal(other.single.place(GET), undefined);
  assert.equal(other.lookAfterMs, LOOK_AGAIN_MS);
  other.nowMs += BEHIND_MOMENT_MS;
  assert.ok(other.single.place(GET));
  assert.equal(other.open.length, 3);
  assert.equal(other.lateWorkers, 0);
});

test("A request that may not wait does not", () => {
  const world = new World({ canWait: false });
  world.resting(2, "behind");
  assert.ok(world.single.place(GET));
});

test("A worker that is behind for long is late, which is told once, and nobody waits any more", () => {
  const world = new World();
  world.resting(3, "behind");
  world.nowMs += LATE_WORKER_MS;
  assert.ok(world.single.place(GET));
  assert.ok(world.single.place(GET));
  assert.equal(world.lateWorkers, 1);
  assert.equal(world.single.hasLateWorkers, true);
});

test("At the limit the oldest late one is closed for a new one; one not yet late is waited for", () => {
  const world = new World({ max: 2 });
  const [first] = world.resting(2, "behind");
  assert.equal(world.single.place(GET), undefined);
  assert.equal(first!.isClosed, false);
  world.nowMs += LATE_WORKER_MS;
  assert.ok(world.single.place(GET));
  assert.equal(first!.isClosed, true);
  assert.equal(world.open.length, 2);
});

test("Less than all busy opens nothing but for growth, and gives way to nobody", () => {
  const world = new World();
  for (let count = 0; count < 50; count++) {
    const pair = [world.single.place(GET)!, world.single.place(GET)!];
    for (const connection of pair) connection.streams = 1;
    world.single.giveWay();
    world.nowMs += 3;
    for (const connection of pair) world.rest(connection, "caught_up");
  }
  assert.equal(world.open.length, 2);
});

test("One gives way for a connection that nobody accepts for longer than a response takes", () => {
  const world = new World();
  const resting = world.resting(2, "caught_up");
  for (const connection of resting) connection.progress = "behind";
  const waiting = world.single.place({ ...GET, wantsFreshConnection: true }) ??
    (world.nowMs += BEHIND_MOMENT_MS, world.single.place(GET)!);
  waiting.accepted = false;
  world.nowMs += UNACCEPTED_MIN_MS - 1;
  world.single.giveWay();
  assert.equal(world.open.length, 3);
  world.nowMs += 1;
  world.single.giveWay();
  assert.equal(resting[0]!.isClosed, true);
  assert.deepEqual(world.found, [2]);
  // The worker may have gone to somebody else: twice as long, and then the next.
  world.nowMs += UNACCEPTED_MIN_MS;
  world.single.giveWay();
  assert.equal(resting[1]!.isClosed, false);
  world.nowMs += UNACCEPTED_MIN_MS;
  world.single.giveWay();
  assert.equal(resting[1]!.isClosed, true);
});

test("Nothing gives way for one that was accepted and works for long", () => {
  const world = new World();
  const [resting] = world.resting(1, "behind");
  const busy = world.single.place(GET)!;
  busy.accepted = true;
  world.nowMs += 10 * UNACCEPTED_MAX_MS;
  world.single.giveWay();
  assert.equal(resting!.isClosed, false);
});

test("Where nobody can tell who was accepted, three times a response is waited for", () => {
  const world = new World();
  for (let count = 0; count < 100; count++) world.serve("unknown", 40).accepted = undefined;
  const [resting] = world.open;
  const busy = world.single.place({ ...POST })!;
  assert.equal(resting!.isClosed, true, "a POST takes its place where nobody knows");
  busy.accepted = undefined;
  world.rest(busy, "behind");
  const waiting = world.single.place(GET)!;
  waiting.accepted = undefined;
  world.nowMs += 100;
  world.single.giveWay();
  assert.equal(busy.isClosed, false);
  world.nowMs += 30;
  world.single.giveWay();
  assert.equal(busy.isClosed, true);
});
