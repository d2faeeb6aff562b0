/**
 * An upstream's share in shared memory (`src/shared/`): every operation of `upstream_share.ts`, done at
 * once, and whoever is to look then is rung.
 */
import { addBits, dropBits } from "../shared/bits.ts";
import { threadOf } from "../shared/owners.ts";
import { PermitSeat } from "../shared/permit_seat.ts";
import { countTaken, NOBODY } from "../shared/permits.ts";
import { QueueSeat } from "../shared/queue_seat.ts";
import { RequestSeat, requestsElsewhere } from "../shared/request_seat.ts";
import { run, type Steps } from "../shared/steps.ts";
import { enterTally, leaveTally, totalOf } from "../shared/tally.ts";
import {
  claimServer,
  joinUpstream,
  type ServerPlaces,
  type UpstreamMemory,
  upstreamPlaces,
} from "../shared/upstream_memory.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { ServerOptions } from "./options.ts";
import { OwnTurns, type ServerTurns } from "./server_turns.ts";
import type { NegotiationOutcome } from "./negotiation.ts";
import type {
  Manner,
  ServerNews,
  ServerPermits,
  ShareListener,
  UpstreamShare,
} from "./upstream_share.ts";

/** How long requests wait before threads that have connections are asked (again) to yield one. */
export const TURN_MS = 100;

export interface SharedUpstreamDeps {
  readonly memory: UpstreamMemory;
  readonly thread: number;
  readonly owner: number;
  readonly leads: boolean;
  readonly clock: Pick<Clock, "setTimer" | "clearTimer">;
  readonly ring: (thread: number) => void;
  readonly tell: (server: string, news: ServerNews) => void;
  /** Tells threads of their servers; left out for those that do not lead. */
  readonly supply?: ((servers: readonly ServerOptions[]) => Promise<void>) | undefined;
}

export class SharedUpstream implements UpstreamShare {
  readonly #deps: SharedUpstreamDeps;
  readonly #queue: QueueSeat;
  readonly #permits = new Map<string, ServerPermits>();
  #listener: ShareListener | undefined;
  #timer: TimerId | undefined;

  constructor(deps: SharedUpstreamDeps) {
    this.#deps = deps;
    const { memory, thread, owner } = deps;
    this.#run(joinUpstream(memory, thread, owner));
    this.#queue = new QueueSeat(upstreamPlaces(memory), thread);
  }

  get leads(): boolean {
    return this.#deps.leads;
  }

  get threads(): number {
    return this.#deps.memory.threads;
  }

  get thread(): number {
    return this.#deps.thread;
  }

  get queueLength(): number {
    const { memory: { threads }, memory } = this.#deps;
    return this.#run(totalOf({ at: upstreamPlaces(memory).waiting, threads }));
  }

  permitsOf(server: string): ServerPermits {
    const known = this.#permits.get(server);
    if (known !== undefined) return known;
    const { memory, owner, ring } = this.#deps;
    const places = this.#run(claimServer(memory, server));
    const permits = places === undefined
      ? new SplitPermits(memory.threads)
      : new SharedPermits(memory, places, owner, ring);
    this.#permits.set(server, permits);
    return permits;
  }

  enterQueue(max: number): boolean {
    if (!this.#run(this.#queue.enter(max))) return false;
    this.#timer ??= this.#deps.clock.setTimer(this.#onTurn, TURN_MS);
    return true;
  }

  leaveQueue(): void {
    this.#run(this.#queue.leave());
  }

  enterTunnel(max: number): boolean {
    const { memory: { threads }, memory, thread } = this.#deps;
    const places = { at: upstreamPlaces(memory).tunnels, threads };
    return this.#run(enterTally(places, thread, 1, max));
  }

  leaveTunnel(): void {
    const { memory: { threads }, memory, thread } = this.#deps;
    this.#run(leaveTally({ at: upstreamPlaces(memory).tunnels, threads }, thread, 1));
  }

  async supply(servers: readonly ServerOptions[]): Promise<void> {
    await this.#deps.supply?.(servers);
  }

  /** A few times a second. */
  beat(): void {
    this.#listener?.onBeat();
  }

  tell(server: string, news: ServerNews): void {
    this.#deps.tell(server, news);
  }

  attach(listener: ShareListener): void {
    this.#listener = listener;
  }

  detach(listener: ShareListener): void {
    if (this.#listener !== listener) return;
    this.#listener = undefined;
    if (this.#timer !== undefined) this.#deps.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** This thread was rung. */
  look(): void {
    this.#listener?.onRung();
  }

  hear(server: string, news: ServerNews): void {
    this.#listener?.onNews(server, news);
  }

  readonly #onTurn = (): void => {
    this.#timer = undefined;
    if (this.#queue.length === 0) return;
    this.#timer = this.#deps.clock.setTimer(this.#onTurn, TURN_MS);
    this.#run(this.#queue.becomeUrgent());
    this.#listener?.onTurn();
  };

  #run<Result>(steps: Steps<Result>): Result {
    return run(this.#deps.memory.words, steps);
  }
}

/** Outcomes in their order in shared memory; their places must stay. */
const OUTCOMES: readonly NegotiationOutcome[] = [
  "answered",
  "closed",
  "refused",
  "silent",
  "unread",
];

/** Threads change it at the same time, and the sum is the same in whichever order they do. */
class SharedTurns implements ServerTurns {
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  get owed(): number {
    return Atomics.load(this.#words, this.#at);
  }

  owe(parts: number): void {
    Atomics.add(this.#words, this.#at, parts);
  }

  forget(): void {
    Atomics.store(this.#words, this.#at, 0);
  }
}

class SharedPermits implements ServerPermits {
  readonly turns: ServerTurns;
  readonly #words: Int32Array;
  readonly #places: ServerPlaces;
  readonly #seat: PermitSeat;
  readonly #requests: RequestSeat;
  readonly #ring: (thread: number) => void;
  readonly #thread: number;
  #streams = 0;

  constructor(
    { words }: UpstreamMemory,
    places: ServerPlaces,
    owner: number,
    ring: (thread: number) => void,
  ) {
    this.#words = words;
    this.#places = places;
    this.#seat = new PermitSeat(places, owner);
    this.#ring = ring;
    this.#thread = threadOf(owner);
    this.turns = new SharedTurns(words, places.turns);
    this.#requests = new RequestSeat(places, this.#thread);
  }

  take(limit: number): boolean {
    return run(this.#words, this.#seat.take(limit));
  }

  give(limit?: number): void {
    this.#ringOne(run(this.#words, this.#seat.give(limit)));
  }

  rest(idle: number, limit?: number): boolean {
    return run(this.#words, this.#seat.rest(idle, limit));
  }

  mustYield(): boolean {
    return run(this.#words, this.#seat.mustYield());
  }

  wake(): void {
    run(this.#words, this.#seat.wake());
  }

  giveSpare(): void {
    while (this.#seat.spare > 0) this.#ringOne(run(this.#words, this.#seat.giveSpare()));
  }

  ask(): void {
    for (const thread of run(this.#words, this.#seat.ask())) this.#ring(thread);
  }

  get total(): number {
    return run(this.#words, countTaken(this.#places));
  }

  get begunElsewhere(): number {
    const { begun, threads } = this.#places;
    return run(this.#words, totalOf({ at: begun, threads })) -
      this.#load(begun + this.#thread);
  }

  begin(): void {
    Atomics.add(this.#words, this.#places.begun + this.#thread, 1);
  }

  get streamsElsewhere(): number {
    return requestsElsewhere(this.#words, this.#places, this.#thread);
  }

  count(change: number, max: number, isWanted: boolean): void {
    this.#streams += change;
    if (max === Infinity) return this.#requests.recount(this.#words, this.#streams);
    run(this.#words, this.#requests.change(this.#streams, isWanted)).forEach(this.#ring);
  }

  enterRequest(max: number, isPatient: boolean): boolean {
    if (run(this.#words, this.#requests.enter(max, isPatient))) return true;
    // Another one may have been refused for ours that counted for a moment.
    this.#ringOne(run(this.#words, this.#requests.offer(max, isPatient)));
    return false;
  }

  offerRequests(max: number, isWanted: boolean): void {
    run(this.#words, this.#requests.settle(isWanted)).forEach(this.#ring);
    this.#ringOne(run(this.#words, this.#requests.offer(max, isWanted)));
  }

  get manner(): Manner | undefined {
    const word = this.#load(this.#places.manner);
    if (word === 0) return undefined;
    return {
      outcome: OUTCOMES[(word >> 1) - 1]!,
      multiplexes: (word & 1) === 1,
      connections: this.#load(this.#places.connections) || Infinity,
      requests: this.#load(this.#places.requests) || Infinity,
    };
  }

  /** The manner's own word comes last: who sees it sees the others. */
  set manner(manner: Manner | undefined) {
    const { manner: word, connections, requests } = this.#places;
    this.#store(word, 0);
    if (manner === undefined) return;
    this.#store(connections, manner.connections === Infinity ? 0 : manner.connections);
    this.#store(requests, manner.requests === Infinity ? 0 : manner.requests);
    const outcome = OUTCOMES.indexOf(manner.outcome) + 1;
    this.#store(word, (outcome << 1) | (manner.multiplexes ? 1 : 0));
  }

  get workers(): number {
    return this.#load(this.#places.workers) || Infinity;
  }

  set workers(count: number) {
    this.#store(this.#places.workers, count === Infinity ? 0 : count);
  }

  hasTrait(trait: number): boolean {
    return (this.#load(this.#places.traits) & (1 << trait)) !== 0;
  }

  addTrait(trait: number): boolean {
    return run(this.#words, addBits(this.#places.traits, 1 << trait));
  }

  dropTrait(trait: number): void {
    run(this.#words, dropBits(this.#places.traits, 1 << trait));
  }

  #load(at: number): number {
    return Atomics.load(this.#words, at);
  }

  #store(at: number, value: number): void {
    Atomics.store(this.#words, at, value);
  }

  #ringOne(thread: number): void {
    if (thread !== NOBODY) this.#ring(thread);
  }
}

/** For servers beyond those that there is memory for: each thread has its part, and one at least. */
class SplitPermits implements ServerPermits {
  readonly #threads: number;
  readonly begunElsewhere = 0;
  readonly streamsElsewhere = 0;
  readonly turns = new OwnTurns();
  readonly #traits = new Set<number>();
  #inUse = 0;
  #streams = 0;
  manner: Manner | undefined;
  workers = Infinity;

  constructor(threads: number) {
    this.#threads = threads;
  }

  get total(): number {
    return this.#inUse;
  }

  take(limit: number): boolean {
    if (this.#inUse >= Math.max(1, Math.floor(limit / this.#threads))) return false;
    this.#inUse++;
    return true;
  }

  give(): void {
    this.#inUse--;
  }

  rest(): boolean {
    return false;
  }

  mustYield(): boolean {
    return false;
  }

  hasTrait(trait: number): boolean {
    return this.#traits.has(trait);
  }

  addTrait(trait: number): boolean {
    const isNew = !this.#traits.has(trait);
    this.#traits.add(trait);
    return isNew;
  }

  dropTrait(trait: number): void {
    this.#traits.delete(trait);
  }

  begin(): void {}
  count(change: number): void {
    this.#streams += change;
  }

  enterRequest(max: number): boolean {
    return this.#streams < Math.max(1, Math.floor(max / this.#threads));
  }

  offerRequests(): void {}
  wake(): void {}
  giveSpare(): void {}
  ask(): void {}
}
