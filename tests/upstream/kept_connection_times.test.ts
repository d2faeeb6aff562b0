/**
 * The numbers behind which connection a request gets where each carries one at a time: how long one
 * may wait to be accepted, what a response counts for, how many workers are found. See
 * `kept_connections.test.ts` for the rules.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerProgress } from "../../src/runtime/peer_progress.ts";
import { ConnectionLimit } from "../../src/upstream/connection_limit.ts";
import {
  type SingleConnection,
  SingleConnections,
  type SingleConnectionsDeps,
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
    peerProgress: (mustBeOpen: boolean) => {
      assert.equal(mustBeOpen, true);
      return this.progress;
    },
    isAccepted: () => this.accepted,
  };
  close(): void {
    this.isClosed = true;
  }
}

class TakenLimit extends ConnectionLimit {
  readonly takenCounts: [count: number, nowMs: number][] = [];

  override taken(count: number, nowMs: number): void {
    this.takenCounts.push([count, nowMs]);
    super.taken(count, nowMs);
  }
}

class World {
  nowMs = 1_000;
  readonly open: Connection[] = [];
  readonly looks: number[] = [];
  readonly found: number[] = [];
  lateWorkers = 0;
  readonly limit: TakenLimit;
  readonly single: SingleConnections<Connection>;

  constructor(max = 8, deps: Partial<SingleConnectionsDeps<Connection>> = {}) {
    this.limit = new TakenLimit(max);
    this.single = new SingleConnections({
      limit: this.limit,
      count: () => this.open.length,
      canWait: true,
      canTellAccepted: ({ accepted }) => accepted !== undefined,
      open: () => this.opened(),
      retire: (connection) => this.retire(connection),
      nowMs: () => this.nowMs,
      lookAfter: (delayMs) => this.looks.push(delayMs),
      onLateWorkers: () => this.lateWorkers++,
      onWorkersFound: (count) => this.found.push(count),
      ...deps,
    });
  }

  opened(): Connection {
    const connection = new Connection();
    this.open.push(connection);
    return connection;
  }

  retire(connection: Connection): void {
    this.open.splice(this.open.indexOf(connection), 1);
    this.single.forget(connection);
    connection.close();
  }

  place(request = GET, accepted: boolean | "unknown" = true): Connection {
    const connection = this.single.place(request)!;
    connection.streams = 1;
    connection.accepted = accepted === "unknown" ? undefined : accepted;
    return connection;
  }

  rest(connection: Connection, progress: PeerProgress = "caught_up"): void {
    connection.streams = 0;
    connection.progress = progress;
    this.single.rest(connection);
  }

  /** So many at rest at once, each after a response that took so long. */
  resting(count: number, tookMs = 0, progress: PeerProgress = "caught_up"): Connection[] {
    const connections = Array.from({ length: count }, () => this.place());
    this.nowMs += tookMs;
    for (const connection of connections) this.rest(connection, progress);
    return connections;
  }
}

test("An idle connection is known by since when, and only while it is idle", () => {
  const world = new World();
  const connection = world.place();
  assert.equal(world.single.idleSinceMs(connection), undefined);
  assert.equal(world.single.idleCount, 0);
  world.nowMs += 7;
  world.single.rest(connection);
  assert.equal(world.single.idleCount, 0, "a request is open on it");
  world.rest(connection);
  world.nowMs += 7;
  world.rest(connection);
  assert.deepEqual([world.single.idleSinceMs(connection), world.single.idleCount], [1_007, 1]);
  assert.equal(world.place(), connection);
  assert.deepEqual([world.single.idleSinceMs(connection), world.single.idleCount], [undefined, 0]);
  connection.canBegin = false;
  world.rest(connection);
  assert.equal(world.single.idleCount, 0, "it takes no more requests");
});

test("The one that has been idle longest is retired first, and then none", () => {
  const world = new World();
  const resting = world.resting(3);
  for (let count = 1; count <= 3; count++) {
    world.single.retireIdle();
    assert.deepEqual(resting.map(({ isClosed }) => isClosed), [0, 1, 2].map((at) => at < count));
  }
  world.single.retireIdle();
  assert.equal(world.open.length, 0);
});

test("One from the middle is taken without another's being lost", () => {
  const world = new World();
  const [first, second, third] = world.resting(3);
  first!.progress = third!.progress = "behind";
  assert.equal(world.place(), second);
  second!.progress = first!.progress = third!.progress = "caught_up";
  assert.deepEqual([world.place(), world.place(), world.single.idleCount], [third, first, 0]);
});

test("How long one may wait is what a response takes here, at least 20 ms and at most 250 ms", () => {
  // The first response counts for an eighth.
  for (
    const [accepted, tookMs, patienceMs] of [
      [false, 8, 20],
      [false, 800, 100],
      [false, 1_992, 249],
      [false, 2_400, 250],
      ["unknown", 8, 20],
      ["unknown", 80, 30],
      ["unknown", 2_400, 900],
    ] as const
  ) {
    const world = new World();
    const [resting] = world.resting(1, tookMs, "behind");
    const waiting = world.place(GET, accepted);
    assert.deepEqual(world.looks, [20], "somebody may give way");
    assert.notEqual(waiting, resting);
    world.nowMs += patienceMs - 0.5;
    world.single.giveWay();
    assert.equal(resting!.isClosed, false, `${accepted} ${tookMs}`);
    assert.equal(
      world.looks.at(-1),
      1,
      `${accepted} ${tookMs}: not more often than each millisecond`,
    );
    world.nowMs += 0.5;
    world.single.giveWay();
    assert.equal(resting!.isClosed, true, `${accepted} ${tookMs}`);
    assert.deepEqual(world.found, accepted === false ? [1] : []);
  }
});

test("What a response takes is an average in which each counts for an eighth", () => {
  const world = new World();
  const [connection] = world.resting(1, 800);
  for (const tookMs of [800, 0]) {
    world.place();
    world.nowMs += tookMs;
    world.rest(connection!, tookMs === 0 ? "behind" : "caught_up");
  }
  // 100, then 187.5, then 164.0625.
  world.place(GET, false);
  world.nowMs += 164;
  world.single.giveWay();
  assert.equal(connection!.isClosed, false);
  world.nowMs += 1;
  world.single.giveWay();
  assert.equal(connection!.isClosed, true);
});

test("Who waits is looked at when the first of them has waited for long enough", () => {
  const world = new World();
  world.resting(2, 0, "behind");
  world.nowMs += 2;
  world.place(GET, false);
  world.nowMs += 5;
  world.place(GET, false);
  world.nowMs += 2;
  world.looks.length = 0;
  world.single.giveWay();
  assert.deepEqual(world.looks, [13]);
  world.nowMs += 13;
  world.looks.length = 0;
  world.single.giveWay();
  assert.deepEqual([world.open.length, world.looks], [3, [5]]);
  world.nowMs += 5;
  world.looks.length = 0;
  world.single.giveWay();
  assert.deepEqual([world.open.length, world.looks], [2, []], "nobody is left that could give way");
});

test("Nobody is looked after where nobody waits, or all that waited were accepted", () => {
  const world = new World();
  world.resting(1, 0, "behind");
  world.looks.length = 0;
  world.single.giveWay();
  world.place();
  world.looks.length = 0;
  world.nowMs += 1_000;
  world.single.giveWay();
  world.single.giveWay();
  assert.deepEqual([world.looks, world.open.length, world.found], [[], 2, []]);
});

test("Workers are those that have accepted a connection, and are counted at the first that waits", () => {
  const world = new World();
  const resting = world.resting(2, 0, "behind");
  world.nowMs += 2;
  const [first, second] = [world.place(GET, false), world.place(GET, false)];
  world.place();
  assert.equal(world.open.length, 5);
  world.nowMs += 20;
  world.single.giveWay();
  assert.deepEqual(world.found, [3]);
  assert.deepEqual(resting.map(({ isClosed }) => isClosed), [true, true]);
  assert.deepEqual([first.isClosed, second.isClosed], [false, false]);
  // The second saw one fewer: the first is about to be accepted.
  assert.equal(world.limit.single, 3);
});

test("Of an application whose workers are late nothing is counted", () => {
  const world = new World();
  world.resting(1, 0, "behind");
  world.nowMs += 24;
  world.rest(world.place(), "behind");
  assert.deepEqual([world.lateWorkers, world.single.hasLateWorkers], [0, false]);
  world.nowMs += 1;
  world.place(GET, false);
  assert.deepEqual([world.lateWorkers, world.single.hasLateWorkers], [1, true]);
  world.nowMs += 20;
  world.single.giveWay();
  assert.deepEqual([world.found, world.open.length], [[], 2]);
});

test("What was taken is told when a response shows it, and when the system does", () => {
  const world = new World();
  const [first] = [world.place(), world.place(GET, false)];
  world.nowMs += 3;
  world.rest(first!);
  assert.deepEqual(world.limit.takenCounts, [[1, 1_003]]);
  assert.equal(world.limit.canTell, true);
  world.place();
  world.rest(first!);
  assert.equal(world.limit.takenCounts.length, 1, "it had been taken before");
  world.open[1]!.accepted = true;
  world.nowMs += 1;
  world.single.giveWay();
  assert.deepEqual(world.limit.takenCounts[1], [2, 1_004]);
});

test("Whether it can be told who was accepted is asked of the first response alone", () => {
  let asked = 0;
  const world = new World(8, {
    canTellAccepted: () => {
      asked++;
      return false;
    },
  });
  world.resting(2);
  assert.deepEqual([asked, world.limit.canTell], [1, false]);
});

test("At the limit a request waits, until one more may be tried", () => {
  const world = new World(3);
  const [resting] = world.resting(1, 0, "behind");
  world.place(GET, false);
  world.nowMs += 20;
  world.single.giveWay();
  assert.deepEqual([resting!.isClosed, world.found], [true, [1]]);
  assert.equal(world.single.place(GET), undefined);
  world.nowMs += 999;
  assert.equal(world.single.place(GET), undefined);
  world.nowMs += 1;
  assert.ok(world.single.place(GET));
  assert.equal(world.single.place(GET), undefined);
  assert.equal(world.open.length, 2);
});

test("Who shares its places with other threads asks for each, and replaces one without asking", () => {
  const asked: number[] = [];
  let hasRoom = true;
  const world: World = new World(5, {
    take: (limit) => {
      asked.push(limit);
      return hasRoom;
    },
    replace: (connection) => {
      world.retire(connection);
      return world.opened();
    },
    open: () => {
      assert.ok(hasRoom);
      return world.opened();
    },
  });
  const [first] = world.resting(1);
  assert.deepEqual(asked, [5]);
  hasRoom = false;
  assert.equal(world.place(), first);
  assert.equal(world.single.place(GET), undefined);
  world.rest(first!, "unknown");
  const count = asked.length;
  const fresh = world.place(POST);
  assert.deepEqual([first!.isClosed, asked.length, fresh.isClosed], [true, count, false]);
  world.rest(fresh, "unknown");
  assert.notEqual(world.place({ ...GET, wantsFreshConnection: true }), fresh);
});

test("One that is forgotten is neither waited for nor given out", () => {
  const world = new World();
  const [first, second] = world.resting(2);
  world.single.forget(second!);
  world.single.forget(second!);
  assert.deepEqual([world.single.idleCount, world.place()], [1, first]);
  const waiting = world.place(GET, false);
  world.rest(first!, "behind");
  world.retire(waiting);
  world.looks.length = 0;
  world.nowMs += 1_000;
  world.single.giveWay();
  assert.deepEqual([first!.isClosed, world.looks], [false, []]);
  world.rest(waiting);
  assert.equal(world.single.idleCount, 1, "its request is forgotten, too");
});

test("One that waits with others behind for a moment is looked for again each millisecond", () => {
  for (const [behindMs, opens] of [[1.5, false], [2, true]] as const) {
    const world = new World();
    world.resting(2, 0, "behind");
    world.nowMs += behindMs;
    world.looks.length = 0;
    assert.equal(world.single.place(GET) !== undefined, opens);
    assert.deepEqual(world.looks, [opens ? 20 : 1]);
  }
});
