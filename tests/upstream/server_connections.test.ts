/**
 * The connections of one server with each of them in the test's hand: which one a shared request gets,
 * what is counted, what goes to other threads, and when it is looked again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { UpstreamConnection } from "../../src/upstream/connection.ts";
import { ConnectionLimit } from "../../src/upstream/connection_limit.ts";
import {
  ServerConnections,
  type ServerConnectionsDeps,
} from "../../src/upstream/server_connections.ts";
import type { ServerPermits } from "../../src/upstream/upstream_share.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const GET = { repeatable: true, wantsFreshConnection: false, wantsAlone: false };
const ALONE = { ...GET, wantsAlone: true };

class Connection {
  canBegin = true;
  streams = 0;
  requestsBegun = 0;
  state = "open";
  isTunnel = false;
  readonly flow = { isFree: true, isStalled: false };
  accepted: boolean | undefined = true;
  progress = "caught_up";
  readonly life = {
    peerProgress: () => this.progress,
    isAccepted: () => this.accepted,
    canTellAccepted: true,
  };
  readonly multiplexed: boolean;
  isClosed = false;
  drains = 0;
  streamsCounted = 0;

  constructor(multiplexed: boolean) {
    this.multiplexed = multiplexed;
  }

  close(): void {
    this.isClosed = true;
  }

  drain(): void {
    this.drains++;
    this.state = "draining";
    this.canBegin = false;
  }
}

function world(max = 4, permits?: Partial<ServerPermits>) {
  const clock = new ManualClock();
  let rooms = 0;
  let late = 0;
  const found: number[] = [];
  const made: Connection[] = [];
  const limit = new ConnectionLimit(max);
  const deps: ServerConnectionsDeps = {
    clock,
    limit,
    permits: permits as ServerPermits | undefined,
    connect: (multiplexed) => {
      const connection = new Connection(multiplexed);
      made.push(connection);
      return connection as unknown as UpstreamConnection;
    },
    canWait: true,
    onRoom: () => rooms++,
    isWanted: () => false,
    onLateWorkers: () => late++,
    onWorkersFound: (count) => found.push(count),
  };
  const all = new ServerConnections(deps);
  const real = (connection: Connection) => connection as unknown as UpstreamConnection;
  return {
    ...{ clock, made, limit, all, found },
    rooms: () => rooms,
    late: () => late,
    shared: (request = GET): Connection | undefined => {
      const connection = all.placeShared(request) as unknown as Connection | undefined;
      if (connection !== undefined) {
        connection.streams++;
        connection.requestsBegun++;
      }
      return connection;
    },
    alone: (request = GET): Connection | undefined => {
      const connection = all.placeAlone(request) as unknown as Connection | undefined;
      if (connection !== undefined) connection.streams = 1;
      return connection;
    },
    rest: (connection: Connection, isWanted = false) => {
      connection.streams = 0;
      all.rest(real(connection), isWanted);
    },
    remove: (connection: Connection) => all.remove(real(connection)),
    switched: (connection: Connection) => {
      connection.isTunnel = true;
      all.switched(real(connection));
    },
    idleMs: (connection: Connection) => all.idleMs(real(connection)),
  };
}

test("A shared request fills the first connection that is read, and opens another only beside them", () => {
  const { shared, made, all } = world(3);
  const first = shared()!;
  assert.deepEqual([shared(), made.length, all.streams], [first, 1, 2]);
  first.canBegin = false;
  const second = shared()!;
  assert.deepEqual([second === first, made.length], [false, 2]);
  assert.equal(shared(), second);
  second.flow.isFree = false;
  const third = shared()!;
  assert.equal(made.length, 3);
  third.flow.isFree = false;
  // At the limit: of those that are read at all the one with the fewest requests.
  assert.deepEqual([second.streams, third.streams], [2, 1]);
  assert.equal(shared(), third);
  assert.equal(shared(), second, "of two alike the first");
  second.flow.isStalled = true;
  assert.equal(shared(), third);
  third.flow.isStalled = true;
  assert.equal(shared(), undefined);
  assert.deepEqual([all.streams, all.requestsBegun, made.length], [8, 8, 3]);
});

test("An application that takes so many requests gets no more of them, over all connections", () => {
  const { shared, all } = world(3);
  all.limitStreams(2);
  shared();
  assert.ok(shared());
  assert.equal(shared(), undefined);
  all.limitStreams(3);
  assert.ok(shared());
  assert.equal(shared(), undefined);
  all.limitStreams(Infinity);
  assert.ok(shared());
});

test("A request that may break a connection has an empty one, or waits for one to be drained", () => {
  const { shared, made } = world(2);
  const first = shared()!;
  const second = shared(ALONE)!;
  assert.notEqual(second, first);
  second.streams = 0;
  assert.equal(shared(ALONE), second);
  first.streams = 2;
  assert.deepEqual([shared(ALONE), first.drains, second.drains], [undefined, 0, 1]);
  assert.deepEqual(
    [shared(ALONE), first.drains, second.drains],
    [undefined, 0, 1],
    "one is enough",
  );
  assert.equal(made.length, 2);
  second.state = "open";
  second.streams = 2;
  assert.equal(shared(ALONE), undefined);
  assert.deepEqual([first.drains, second.drains], [1, 1], "of two alike the first");
});

test("Requests are counted beyond the end of their connections, and each end once", () => {
  const { shared, all, remove, made } = world(2);
  const first = shared()!;
  first.requestsBegun = 5;
  remove(first);
  assert.deepEqual([all.requestsBegun, all.streams, all.all.size], [5, 0, 0]);
  const second = shared()!;
  assert.deepEqual([all.requestsBegun, made.length], [6, 2]);
  second.requestsBegun = 2;
  assert.equal(all.requestsBegun, 7);
});

test("A tunnel is nobody's place, neither while it is open nor when it is gone", () => {
  const { alone, switched, remove, all } = world(2);
  const [first, second] = [alone()!, alone()!];
  assert.equal(alone(), undefined);
  switched(first);
  const third = alone()!;
  assert.deepEqual([third === second, alone()], [false, undefined]);
  remove(first);
  assert.deepEqual([alone(), all.all.size], [undefined, 2]);
  remove(second);
  assert.ok(alone());
  assert.equal(alone(), undefined);
});

test("How long one is idle counts from its last response, and only where it is not shared", () => {
  const { alone, rest, idleMs, clock } = world(3);
  const one = alone()!;
  assert.equal(idleMs(one), undefined);
  rest(one);
  clock.advance(70);
  const other = world().shared()!;
  assert.deepEqual([idleMs(one), idleMs(other)], [70, undefined]);
  assert.equal(alone(), one);
  assert.equal(idleMs(one), undefined);
});

test("Those that are meant drain, all are closed, and nothing is looked at any more", () => {
  const { alone, shared, rest, all, made, clock } = world(4);
  shared();
  shared()!.canBegin = false;
  const [first, second] = [alone()!, alone()!];
  rest(first);
  rest(second);
  first.progress = second.progress = "behind";
  assert.equal(alone(), undefined, "two are behind for a moment");
  assert.equal(clock.timerCount, 1);
  all.drain(({ multiplexed }) => multiplexed);
  assert.deepEqual(made.map(({ drains }) => drains), [1, 0, 0]);
  all.drain();
  assert.deepEqual(made.map(({ drains }) => drains), [2, 1, 1]);
  all.close();
  assert.deepEqual([made.every(({ isClosed }) => isClosed), clock.timerCount], [true, 0]);
});

test("It is looked again at the earliest time that was asked for, and who waits is told", () => {
  const { alone, rest, clock, rooms, remove } = world(4);
  const [first, second] = [alone()!, alone()!];
  rest(first);
  first.progress = "behind";
  clock.advance(3);
  // Another is opened beside it: whether it is accepted is looked at after 20 ms.
  const third = alone()!;
  third.accepted = false;
  assert.equal(clock.timerCount, 1);
  clock.advance(5);
  rest(second);
  second.progress = "behind";
  assert.deepEqual([clock.timerCount, rooms()], [1, 0]);
  assert.equal(alone() !== undefined, true, "the first has been behind for long enough");
  clock.advance(14);
  assert.deepEqual([rooms(), first.isClosed], [0, false]);
  clock.advance(1);
  assert.deepEqual([rooms(), first.isClosed], [1, true]);
  for (const one of [second, third]) remove(one);
  clock.advance(1_000);
  assert.ok(rooms() >= 2);
});

test("The last connection that goes stops the looks", () => {
  const { alone, rest, clock, remove, made } = world(4);
  const first = alone()!;
  rest(first);
  first.progress = "behind";
  alone();
  assert.equal(clock.timerCount, 1);
  remove(made[0]!);
  assert.equal(clock.timerCount, 1);
  remove(made[1]!);
  assert.equal(clock.timerCount, 0);
});

/** Permits that let so many through and write down what they are told. */
function permitsOf(max: number) {
  const state = {
    taken: 0,
    rests: [] as number[],
    yields: false,
    spare: 0,
    wanted: 0,
    limits: [] as number[],
    streams: 0,
  };
  const permits: Partial<ServerPermits> = {
    take: (limit) => {
      state.limits.push(limit);
      return state.taken < max && ++state.taken > 0;
    },
    give: () => void state.taken--,
    rest: (idle) => {
      state.rests.push(idle);
      return state.wanted > 0 && idle > 0 && state.wanted-- > 0;
    },
    mustYield: () => state.yields,
    giveSpare: () => void state.spare++,
    count: (change) => void (state.streams += change),
    wake() {},
    get total() {
      return state.taken;
    },
  };
  return { state, permits };
}

test("Other threads know how many requests are under way, and none of a connection that is gone", () => {
  const { state, permits } = permitsOf(2);
  const { all, shared, alone } = world(7, permits);
  const [first, second] = [shared()!, alone()!];
  shared();
  for (const one of [first, second, second]) all.count(one as unknown as UpstreamConnection);
  assert.equal(state.streams, 3);
  first.streams = 1;
  all.count(first as unknown as UpstreamConnection);
  assert.equal(state.streams, 2);
  for (const one of [first, second]) all.remove(one as unknown as UpstreamConnection);
  assert.equal(state.streams, 0);
});

test("Each connection takes a place of all threads', and gives it back once", () => {
  const { state, permits } = permitsOf(2);
  const { shared, alone, remove, switched, made } = world(7, permits);
  const [first, second] = [shared()!, alone()!];
  assert.deepEqual([state.taken, state.limits], [2, [7, 7]]);
  first.canBegin = second.canBegin = false;
  assert.deepEqual([shared(), alone(), made.length], [undefined, undefined, 2]);
  remove(first);
  remove(first);
  assert.equal(state.taken, 1);
  switched(second);
  assert.equal(state.taken, 0);
  remove(second);
  assert.equal(state.taken, 0);
});

test("Late workers and how many there are are told on", () => {
  const { alone, rest, clock, late, found } = world(4);
  const first = alone()!;
  rest(first);
  first.progress = "behind";
  clock.advance(3);
  const second = alone()!;
  second.accepted = false;
  clock.advance(20);
  assert.deepEqual([late(), found], [0, [1]]);
  second.accepted = true;
  rest(second);
  second.progress = "behind";
  clock.advance(25);
  alone();
  assert.equal(late(), 1);
});

test("One that takes the place of another counts in its stead, from the first moment", () => {
  const { state, permits } = permitsOf(1);
  const { alone, rest, remove, all } = world(1, permits);
  const first = alone()!;
  rest(first);
  first.progress = "unknown";
  const second = alone({ ...GET, repeatable: false })!;
  assert.deepEqual([first.isClosed, second.isClosed, all.all.size], [true, false, 1]);
  assert.deepEqual([state.taken, state.limits.length], [1, 1]);
  first.requestsBegun = 3;
  remove(first);
  assert.deepEqual([state.taken, all.all.size, all.requestsBegun], [1, 1, 3]);
  remove(second);
  assert.deepEqual([state.taken, all.all.size], [0, 0]);
});

test("A thread that has more than its part makes room though requests wait here", () => {
  for (const [streams, drained] of [[[2, 1], 1], [[1, 2], 0], [[1, 1], 0]] as const) {
    const { state, permits } = permitsOf(9);
    const { shared, all, made } = world(9, permits);
    shared()!.flow.isFree = false;
    shared();
    made.forEach((one, at) => one.streams = streams[at]!);
    const drains = (): number[] => made.map((one) => one.drains);
    all.share(true);
    assert.deepEqual(drains(), [0, 0]);
    state.yields = true;
    all.share(true);
    const expected = [0, 1].map((at) => at === drained ? 1 : 0);
    assert.deepEqual(drains(), expected, "the least busy one");
    all.share(true);
    assert.deepEqual(drains(), expected, "that one is what the other thread gets");
  }
});
