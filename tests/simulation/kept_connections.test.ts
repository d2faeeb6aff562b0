/**
 * Connections that carry one request at a time, in seeded worlds whose system knows what a worker has
 * read: workers accept, respond, go on after their responses for a while, and come back; clients come
 * at random. After each step:
 *
 * - no request is given to a connection whose worker is not back;
 * - there are never more connections than the limit;
 *
 * and in the end every request has been answered, and where there were always more workers than
 * requests, connections were kept.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerProgress } from "../../src/runtime/peer_progress.ts";
import { ConnectionLimit } from "../../src/upstream/connection_limit.ts";
import { type SingleConnection, SingleConnections } from "../../src/upstream/single_connections.ts";
import { Random } from "./random.ts";

const SEEDS = 60;
const STEPS = 2_000;
const SETTLE_STEPS = 20_000;

/** A connection, and the worker at its other end once one has accepted it. */
class Connection implements SingleConnection {
  streams = 1;
  isOpen = true;
  isAccepted = false;
  /** When its worker responds, and when it is back. */
  respondsAtMs = Infinity;
  backAtMs = Infinity;
  readonly #world: KeptWorld;

  constructor(world: KeptWorld) {
    this.#world = world;
  }

  get canBegin(): boolean {
    return this.isOpen;
  }

  get progress(): PeerProgress {
    return this.backAtMs <= this.#world.nowMs ? "caught_up" : "behind";
  }

  readonly life = {
    peerProgress: (): PeerProgress => this.progress,
    isAccepted: (): boolean => this.isAccepted,
  };

  close(): void {
    this.isOpen = false;
  }
}

class KeptWorld {
  nowMs = 0;
  readonly #random: Random;
  readonly #workers: number;
  readonly #clients: number;
  readonly #limit: ConnectionLimit;
  readonly #max: number;
  readonly #lateMs: number;
  readonly #single: SingleConnections<Connection>;
  readonly #open = new Set<Connection>();
  /** In the order in which they were made; those that nobody has accepted yet. */
  readonly #backlog: Connection[] = [];
  /** Those that hold a worker, closed ones until it is back. */
  readonly #held = new Set<Connection>();
  #queued = 0;
  #sent = 0;
  #lookAtMs = Infinity;
  answered = 0;
  opened = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#workers = this.#random.between(1, 12);
    this.#clients = this.#random.between(1, 16);
    this.#max = this.#random.between(1, 20);
    this.#lateMs = this.#random.pick([0, 0, 1, 10, 100]);
    this.#limit = new ConnectionLimit(this.#max);
    this.#single = new SingleConnections({
      limit: this.#limit,
      count: () => this.#open.size,
      canWait: true,
      canTellAccepted: () => true,
      open: () => this.#connect(),
      retire: (connection) => this.#retire(connection),
      nowMs: () => this.nowMs,
      lookAfter: (delayMs) => this.#lookAtMs = Math.min(this.#lookAtMs, this.nowMs + delayMs),
      onLateWorkers: () => {},
      onWorkersFound: (count) => assert.ok(count <= Math.max(this.#workers, 1), "too many found"),
    });
  }

  get hasRoomForAll(): boolean {
    return this.#lateMs === 0 && this.#clients <= Math.min(this.#workers, this.#max);
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) this.#step(true);
    for (let step = 0; step < SETTLE_STEPS && this.answered < this.#sent; step++) this.#step(false);
    assert.equal(this.answered, this.#sent, "somebody waits for ever");
  }

  #step(isOpen: boolean): void {
    this.nowMs++;
    const free = this.#clients - (this.#sent - this.answered);
    if (isOpen && free > 0 && this.#random.chance(0.5)) {
      this.#sent++;
      this.#queued++;
    }
    for (const connection of [...this.#held]) this.#work(connection);
    while (this.#held.size < this.#workers && this.#backlog.length > 0) {
      const connection = this.#backlog.shift()!;
      connection.isAccepted = true;
      this.#held.add(connection);
      if (connection.isOpen) this.#begin(connection);
      else this.#held.delete(connection);
    }
    if (this.nowMs >= this.#lookAtMs) {
      this.#lookAtMs = Infinity;
      this.#single.giveWay();
    }
    this.#place();
    assert.ok(this.#open.size <= this.#max, `${this.#open.size} connections of ${this.#max}`);
  }

  #place(): void {
    while (this.#queued > 0) {
      const repeatable = this.#random.chance(0.7);
      const request = { repeatable, wantsFreshConnection: false, wantsAlone: false };
      const connection = this.#single.place(request);
      if (connection === undefined) return;
      this.#queued--;
      connection.streams = 1;
      if (!connection.isAccepted) continue;
      assert.equal(connection.progress, "caught_up", "its worker is not back");
      this.#begin(connection);
    }
  }

  #begin(connection: Connection): void {
    connection.respondsAtMs = this.nowMs + this.#random.between(1, 8);
    connection.backAtMs = Infinity;
  }

  #work(connection: Connection): void {
    if (connection.respondsAtMs <= this.nowMs) {
      connection.respondsAtMs = Infinity;
      connection.backAtMs = this.nowMs + (this.#random.chance(0.5) ? this.#lateMs : 0);
      connection.streams = 0;
      this.answered++;
      this.#single.rest(connection);
      this.#single.giveWay();
    }
    // A worker sees that its connection has closed when it is back.
    if (!connection.isOpen && connection.progress === "caught_up") this.#held.delete(connection);
  }

  #connect(): Connection {
    const connection = new Connection(this);
    this.opened++;
    this.#open.add(connection);
    this.#backlog.push(connection);
    return connection;
  }

  #retire(connection: Connection): void {
    assert.equal(connection.streams, 0, "a request is on it");
    this.#open.delete(connection);
    this.#single.forget(connection);
    connection.close();
  }
}

test(`Of ${SEEDS} worlds of workers that come back late none loses or forgets a request`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new KeptWorld(seed);
    try {
      world.run();
    } catch (error) {
      throw new Error(`Seed ${seed} at ${world.nowMs} ms`, { cause: error });
    }
    if (!world.hasRoomForAll) continue;
    const share = world.opened / world.answered;
    assert.ok(share <= 0.02, `seed ${seed}: ${world.opened} of ${world.answered} opened one`);
  }
});
