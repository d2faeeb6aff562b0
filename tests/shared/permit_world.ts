/**
 * Threads with connections to one server, as an upstream has them: requests come, wait, end; idle
 * connections close; threads ring each other, die in the middle of anything and come again. All of
 * them work on the same memory, an access at a time.
 */
import assert from "node:assert/strict";
import { ownerOf } from "../../src/shared/owners.ts";
import { PermitSeat } from "../../src/shared/permit_seat.ts";
import { countTaken, NOBODY } from "../../src/shared/permits.ts";
import { QueueSeat } from "../../src/shared/queue_seat.ts";
import { access, run, type Steps } from "../../src/shared/steps.ts";
import {
  claimServer,
  createUpstreamMemory,
  joinUpstream,
  leavePermits,
  type ServerPlaces,
  type UpstreamMemory,
} from "../../src/shared/upstream_memory.ts";

export const SERVER = "tcp://127.0.0.1:9000";

export interface WorldOptions {
  readonly threads: number;
  readonly connectionsMax: number;
  readonly queueMax: number;
}

export class PermitWorld {
  readonly memory: UpstreamMemory;
  readonly places: ServerPlaces;
  readonly options: WorldOptions;
  readonly threads: WorldThread[];
  /** Those that were rung and have not looked. */
  readonly rung = new Set<number>();

  constructor(options: WorldOptions) {
    const { threads, connectionsMax } = options;
    this.options = options;
    this.memory = createUpstreamMemory(threads, 1, connectionsMax, 0);
    this.places = run(this.memory.words, claimServer(this.memory, SERVER))!;
    this.threads = Array.from({ length: threads }, (_, index) => new WorldThread(this, index, 0));
    for (const { index, owner } of this.threads) {
      run(this.memory.words, joinUpstream(this.memory, index, owner));
    }
  }

  get words(): Int32Array {
    return this.memory.words;
  }

  /** What must hold after every access. */
  check(): void {
    let connections = 0;
    let waiting = 0;
    for (const thread of this.threads) {
      if (!thread.isAlive) continue;
      connections += thread.seat.inUse;
      waiting += thread.queue.length;
    }
    const { connectionsMax, queueMax } = this.options;
    assert.ok(connections <= connectionsMax, `${connections} connections of ${connectionsMax}`);
    assert.ok(waiting <= queueMax, `${waiting} wait, of ${queueMax}`);
  }

  /** What must hold when everybody has looked and nobody does anything. */
  checkQuiet(): void {
    const waiting = this.threads.filter(({ isAlive, waits }) => isAlive && waits > 0);
    const taken = run(this.words, countTaken(this.places));
    const used = this.threads.reduce((sum, one) => sum + (one.isAlive ? one.seat.inUse : 0), 0);
    assert.equal(taken, used, "permits are held without a connection");
    for (const one of this.threads) {
      if (one.isAlive) assert.equal(one.seat.inUse, one.idle + one.busy);
    }
    if (waiting.length === 0) return;
    assert.equal(taken, this.options.connectionsMax, "a request waits beside a free permit");
    const idle = this.threads.filter((one) => one.isAlive && one.idle > 0);
    assert.equal(idle.length, 0, "a request waits beside an idle connection");
  }

  ring(thread: number): void {
    if (thread !== NOBODY) this.rung.add(thread);
  }

  /** What the main thread does when a thread has died. */
  *bury(index: number): Steps<void> {
    yield* leavePermits(this.memory, index);
    for (const { index: other } of this.threads) this.ring(other);
  }

  /** Comes again, with nothing. */
  *revive(index: number): Steps<void> {
    const { life } = this.threads[index]!;
    const thread = new WorldThread(this, index, life + 1);
    yield* joinUpstream(this.memory, index, thread.owner);
    this.threads[index] = thread;
  }

  /** Lets everybody look until nobody is rung. */
  settle(): void {
    for (let turns = 0; this.rung.size > 0; turns++) {
      assert.ok(turns < 10_000, "threads ring each other without end");
      const [index] = this.rung as unknown as [number];
      this.rung.delete(index);
      const thread = this.threads[index]!;
      if (thread.isAlive) run(this.words, this.#checked(thread.look()));
    }
  }

  *#checked(steps: Steps<void>): Steps<void> {
    let next = steps.next();
    while (!next.done) {
      const value: number = yield next.value;
      this.check();
      next = steps.next(value);
    }
  }
}

export class WorldThread {
  readonly world: PermitWorld;
  readonly index: number;
  readonly life: number;
  readonly owner: number;
  readonly seat: PermitSeat;
  readonly queue: QueueSeat;
  isAlive = true;
  waits = 0;
  idle = 0;
  busy = 0;
  served = 0;
  refused = 0;

  constructor(world: PermitWorld, index: number, life: number) {
    this.world = world;
    this.index = index;
    this.life = life;
    this.owner = ownerOf(index, life);
    this.seat = new PermitSeat(world.places, this.owner);
    this.queue = new QueueSeat(world.places, index);
  }

  /** A request comes. */
  *arrive(): Steps<void> {
    if (this.waits === 0 && (yield* this.#begin())) return;
    if (!(yield* this.queue.enter(this.world.options.queueMax))) {
      this.refused++;
      return;
    }
    this.waits++;
    yield* this.#placeWaiting();
    if (this.waits > 0) yield* this.#ask();
  }

  /** A request ends. */
  *finish(): Steps<void> {
    if (this.busy === 0) return;
    this.busy--;
    this.served++;
    if (this.waits > 0 && (yield* this.seat.mustYield())) return yield* this.#close();
    if (this.waits > 0) {
      this.busy++;
      this.waits--;
      return yield* this.queue.leave();
    }
    this.idle++;
    yield* this.#giveIdle();
  }

  /** An idle connection is closed, by either side. */
  *expire(): Steps<void> {
    if (this.idle === 0) return;
    this.idle--;
    yield* this.#close();
    yield* this.seat.rest(this.idle);
  }

  /** A client that waits leaves. */
  *abandon(): Steps<void> {
    if (this.waits === 0) return;
    this.waits--;
    yield* this.queue.leave();
    yield* this.#giveSpare();
  }

  /** What waits has waited for a while. */
  *turn(): Steps<void> {
    if (this.waits === 0) return;
    if (this.seat.inUse === 0) yield* this.queue.becomeUrgent();
    yield* this.#ask();
  }

  /** It was rung. */
  *look(): Steps<void> {
    yield* this.seat.wake();
    yield* this.#placeWaiting();
    yield* this.#giveSpare();
    yield* this.#giveIdle();
  }

  *#begin(): Steps<boolean> {
    if (this.idle > 0) {
      this.idle--;
      this.busy++;
      yield* this.seat.rest(this.idle);
      return true;
    }
    if (!(yield* this.seat.take(this.world.options.connectionsMax))) return false;
    this.busy++;
    return true;
  }

  *#placeWaiting(): Steps<void> {
    while (this.waits > 0 && (yield* this.#begin())) {
      this.waits--;
      yield* this.queue.leave();
    }
  }

  *#giveSpare(): Steps<void> {
    while (this.waits === 0 && this.seat.spare > 0) this.world.ring(yield* this.seat.giveSpare());
  }

  *#giveIdle(): Steps<void> {
    while (yield* this.seat.rest(this.idle)) {
      this.idle--;
      yield* this.#close();
    }
  }

  *#close(): Steps<void> {
    this.world.ring(yield* this.seat.give());
  }

  *#ask(): Steps<void> {
    for (const thread of yield* this.seat.ask()) this.world.ring(thread);
  }
}

/** One thread's operation under way. */
export class Operation {
  readonly thread: number;
  readonly #steps: Steps<void>;
  #next: IteratorResult<Parameters<typeof access>[1], void>;

  constructor(thread: number, steps: Steps<void>) {
    this.thread = thread;
    this.#steps = steps;
    this.#next = steps.next();
  }

  get isDone(): boolean {
    return this.#next.done === true;
  }

  step(words: Int32Array): void {
    if (this.#next.done) return;
    this.#next = this.#steps.next(access(words, this.#next.value));
  }
}
