/**
 * The connections of one server, by seed and against a small model: no more than the limit serve
 * requests at once, tunnels beside them; a request gets one wherever there is room; and when the last
 * one has gone nobody looks after them any more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../simulation/random.ts";
import type { UpstreamConnection } from "../../src/upstream/connection.ts";
import { ConnectionLimit } from "../../src/upstream/connection_limit.ts";
import { ServerConnections } from "../../src/upstream/server_connections.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const LIMIT = 3;
const SEEDS = 100;
const STEPS = 300;

const REQUEST = { repeatable: true, wantsFreshConnection: false, wantsAlone: false } as const;

/** A connection that a test moves. */
class FakeConnection {
  streams = 0;
  isTunnel = false;
  isClosed = false;
  progress: "caught_up" | "behind" = "caught_up";
  isAccepted = false;
  requestsBegun = 0;
  readonly multiplexed = false;
  readonly life = {
    canTellAccepted: true,
    peerProgress: () => this.isClosed ? "closed" as const : this.progress,
    isAccepted: () => this.isAccepted,
  };
  readonly #onClosed: (connection: FakeConnection) => void;

  constructor(onClosed: (connection: FakeConnection) => void) {
    this.#onClosed = onClosed;
  }

  get canBegin(): boolean {
    return !this.isClosed && !this.isTunnel && this.streams === 0;
  }

  get state(): "open" | "draining" {
    return "open";
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onClosed(this);
  }

  drain(): void {
    this.close();
  }
}

function run(seed: number): void {
  const random = new Random(seed);
  const clock = new ManualClock();
  const open = new Set<FakeConnection>();
  // The pool hears of the end later, as of a socket's.
  const closing: FakeConnection[] = [];
  const asked = (fake: FakeConnection) => fake as unknown as UpstreamConnection;
  const limit = new ConnectionLimit(LIMIT);
  const connections = new ServerConnections({
    clock,
    limit,
    connect() {
      const fake = new FakeConnection((one) => {
        open.delete(one);
        closing.push(one);
      });
      open.add(fake);
      return asked(fake);
    },
    canWait: random.chance(0.5),
    onRoom() {},
    isWanted: () => false,
    onLateWorkers() {},
    onWorkersFound() {},
  });
  const tellEnds = (): void => {
    for (const fake of closing.splice(0)) connections.remove(asked(fake));
  };
  const pick = (suits: (one: FakeConnection) => boolean): FakeConnection | undefined => {
    const suitable = [...open].filter(suits);
    return suitable.length > 0 ? random.pick(suitable) : undefined;
  };
  const act = (): void => {
    switch (random.pick(["place", "place", "end", "end", "switch", "lose", "time", "accept"])) {
      case "place": {
        // What was found out may be less than what was configured.
        const mayOpen = [...open].filter(({ isTunnel }) => !isTunnel).length < limit.single;
        const hasBehind = [...open].some((one) => one.canBegin && one.progress === "behind");
        const placed = connections.placeAlone(REQUEST) as unknown as FakeConnection | undefined;
        if (placed !== undefined) {
          assert.ok(placed.canBegin, "it is taken");
          placed.streams = 1;
          placed.requestsBegun++;
        } else assert.ok(!mayOpen || hasBehind, "there is room, and nobody gets it");
        break;
      }
      case "end": {
        const one = pick(({ streams, isTunnel }) => streams > 0 && !isTunnel);
        if (one === undefined) break;
        one.streams = 0;
        one.isAccepted = true;
        one.progress = random.pick(["caught_up", "behind"]);
        connections.rest(asked(one), false);
        break;
      }
      case "switch": {
        const one = pick(({ streams, isTunnel }) => streams > 0 && !isTunnel);
        if (one === undefined) break;
        one.isTunnel = true;
        connections.switched(asked(one));
        break;
      }
      case "lose":
        pick(() => true)?.close();
        break;
      case "time":
        clock.advance(random.pick([1, 5, 30, 1_000]));
        break;
      case "accept": {
        const one = pick(({ isAccepted }) => !isAccepted);
        if (one !== undefined) one.isAccepted = true;
      }
    }
  };
  for (let step = 1; step <= STEPS; step++) {
    act();
    tellEnds();
    const serving = [...open].filter(({ isTunnel }) => !isTunnel).length;
    assert.ok(serving <= LIMIT, `step ${step}: ${serving} connections serve`);
    assert.equal(connections.all.size, open.size, `step ${step}`);
    if (open.size === 0) assert.equal(clock.timerCount, 0, `step ${step}: somebody looks`);
  }
  for (const one of [...open]) one.close();
  tellEnds();
  assert.deepEqual([connections.all.size, clock.timerCount], [0, 0]);
}

test("Connections of a server keep their bound beside tunnels, and no timer is left (100 seeds)", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`Seed ${seed}: ${error}`, { cause: error });
    }
  }
});
