/**
 * Threads with requests at one server that takes only so many at once, as an upstream has them: they
 * begin, wait, end; threads ring each other, die in the middle of anything and come again. All of them
 * work on the same memory, an access at a time.
 */
import assert from "node:assert/strict";
import { ownerOf } from "../../src/shared/owners.ts";
import { NOBODY } from "../../src/shared/permits.ts";
import { RequestSeat } from "../../src/shared/request_seat.ts";
import { run, type Steps, store } from "../../src/shared/steps.ts";
import {
  claimServer,
  createUpstreamMemory,
  joinUpstream,
  leaveRequests,
  type ServerPlaces,
  sweepUpstream,
  type UpstreamMemory,
  upstreamPlaces,
} from "../../src/shared/upstream_memory.ts";

export interface RequestWorldOptions {
  readonly threads: number;
  readonly requestsMax: number;
}

export class RequestWorld {
  readonly memory: UpstreamMemory;
  readonly places: ServerPlaces;
  readonly options: RequestWorldOptions;
  readonly threads: RequestThread[];
  /** Those that were rung and have not looked. */
  readonly rung = new Set<number>();

  constructor(options: RequestWorldOptions) {
    this.options = options;
    this.memory = createUpstreamMemory(options.threads, 1, 1, 0);
    this.places = run(this.memory.words, claimServer(this.memory, "unix:/run/app.sock"))!;
    this.threads = Array.from(
      { length: options.threads },
      (_, index) => new RequestThread(this, index, 0),
    );
    for (const { index, life } of this.threads) {
      run(this.words, joinUpstream(this.memory, index, ownerOf(index, life)));
    }
  }

  get words(): Int32Array {
    return this.memory.words;
  }

  /** What must hold after every access: the application has no more than it takes. */
  check(): void {
    let open = 0;
    for (const { isAlive, busy } of this.threads) if (isAlive) open += busy;
    const { requestsMax } = this.options;
    assert.ok(open <= requestsMax, `${open} requests of ${requestsMax}`);
  }

  /** What must hold when everybody has looked and nobody does anything. */
  checkQuiet(): void {
    const { held } = this.places;
    const alive = this.threads.filter(({ isAlive }) => isAlive);
    let busy = 0;
    for (const thread of alive) {
      busy += thread.busy;
      // Neither more than it has, nor places that it was given and does not use.
      assert.equal(this.words[held + thread.index], thread.busy);
    }
    if (alive.every(({ waits }) => waits === 0)) return;
    assert.equal(busy, this.options.requestsMax, "a request waits beside a free place");
  }

  ring(thread: number): void {
    if (thread !== NOBODY) this.rung.add(thread);
  }

  /** What the main thread does when a thread has died. */
  *bury(index: number): Steps<void> {
    yield store(upstreamPlaces(this.memory).owners + index, 0);
    yield* leaveRequests(this.memory, index);
    this.ringAll();
  }

  /** What it does once a second. */
  *sweep(): Steps<void> {
    if (yield* sweepUpstream(this.memory)) this.ringAll();
  }

  /** Comes again, with nothing. */
  *revive(index: number): Steps<void> {
    const thread = new RequestThread(this, index, this.threads[index]!.life + 1);
    yield* joinUpstream(this.memory, index, ownerOf(index, thread.life));
    this.threads[index] = thread;
  }

  ringAll(): void {
    for (const { index } of this.threads) this.ring(index);
  }

  /** Lets everybody look until nobody is rung. */
  settle(): void {
    for (let turns = 0; this.rung.size > 0; turns++) {
      assert.ok(turns < 10_000, "threads ring each other without end");
      const [index] = this.rung as unknown as [number];
      this.rung.delete(index);
      const thread = this.threads[index]!;
      if (thread.isAlive) run(this.words, thread.look());
      this.check();
    }
  }
}

export class RequestThread {
  readonly world: RequestWorld;
  readonly index: number;
  readonly life: number;
  readonly seat: RequestSeat;
  isAlive = true;
  waits = 0;
  busy = 0;
  served = 0;

  constructor(world: RequestWorld, index: number, life: number) {
    this.world = world;
    this.index = index;
    this.life = life;
    this.seat = new RequestSeat(world.places, index);
  }

  /** A request comes. */
  *arrive(): Steps<void> {
    this.waits++;
    yield* this.#place();
  }

  /** A request comes that does not wait. */
  *tryOnce(): Steps<void> {
    const { requestsMax } = this.world.options;
    if (yield* this.seat.enter(requestsMax, false)) this.busy++;
    else this.world.ring(yield* this.seat.offer(requestsMax, false));
  }

  /** A request ends. */
  *finish(): Steps<void> {
    if (this.busy === 0) return;
    this.busy--;
    this.served++;
    yield* this.#changed();
    yield* this.#place();
    yield* this.#offer();
  }

  /** All of them end with one read. */
  *finishAll(): Steps<void> {
    this.served += this.busy;
    this.busy = 0;
    yield* this.#changed();
    yield* this.#place();
    yield* this.#offer();
  }

  /** A client that waits leaves. */
  *abandon(): Steps<void> {
    if (this.waits > 0) this.waits--;
    yield* this.#offer();
  }

  /** A place was found, and then there is no connection for it. */
  *failToBegin(): Steps<void> {
    const { requestsMax } = this.world.options;
    if (yield* this.seat.enter(requestsMax, false)) yield* this.#changed();
    yield* this.#offer();
  }

  /** It was rung. */
  *look(): Steps<void> {
    yield* this.#place();
    yield* this.#offer();
  }

  *#place(): Steps<void> {
    const { world, world: { options: { requestsMax } } } = this;
    while (this.waits > 0) {
      if (yield* this.seat.enter(requestsMax, true)) {
        this.waits--;
        this.busy++;
        continue;
      }
      return world.ring(yield* this.seat.offer(requestsMax, true));
    }
  }

  *#changed(): Steps<void> {
    const { world } = this;
    const rung = yield* this.seat.change(this.busy, this.waits > 0);
    for (const thread of rung) world.ring(thread);
  }

  *#offer(): Steps<void> {
    const { world } = this;
    for (const thread of yield* this.seat.settle(this.waits > 0)) world.ring(thread);
    world.ring(yield* this.seat.offer(world.options.requestsMax, this.waits > 0));
  }
}
