/** One thread's seat at what the process shares: clients, temporary files, upstreams, its bell. */
import type { ClientShare } from "../app/client_connections.ts";
import type { ProcessShare } from "../app/process_share.ts";
import type { Clock } from "../runtime/clock.ts";
import { bucketsOf, enterAddress, leaveAddress } from "../shared/address_counts.ts";
import { halfSipHash } from "../shared/half_sip_hash.ts";
import {
  type ProcessMemory,
  processPlaces,
  SPILL_UNIT,
  STDERR_WORDS,
} from "../shared/process_memory.ts";
import { isSpent, spend } from "../shared/spent_time.ts";
import { run, type Steps } from "../shared/steps.ts";
import { enterTally, leaveTally, setTally, totalOf } from "../shared/tally.ts";
import type { UpstreamMemory } from "../shared/upstream_memory.ts";
import type { MemoryShare } from "../upstream/buffer_memory.ts";
import type { ServerOptions, UpstreamOptions } from "../upstream/options.ts";
import { SharedUpstream } from "../upstream/shared_upstream.ts";
import { type BudgetShare, STDERR_BURST, STDERR_RATE } from "../upstream/stderr_budget.ts";
import type { SpaceShare } from "../upstream/spill_space.ts";
import type { UpstreamShare } from "../upstream/upstream_share.ts";
import { listenToBell, ringBell } from "./bell.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { News } from "./messages.ts";

export interface SharedProcessDeps {
  readonly memory: ProcessMemory;
  readonly thread: number;
  readonly owner: number;
  readonly clock: Clock;
  readonly memoryOf: (options: UpstreamOptions) => UpstreamMemory;
  readonly tell: (news: News) => void;
  /** For digests of passwords, the same in every thread. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** A password was right in this thread. */
  readonly tellPassword: (digest: string) => void;
  /** Tells threads which servers an upstream has; left out for those that are told. */
  readonly supply?: (upstream: string, servers: readonly ServerOptions[]) => Promise<void>;
}

export const MAIN_THREAD = 0;

/** Finer than what a line costs. */
const TICKS_PER_MS = 16;

export class SharedProcess implements ProcessShare {
  readonly clients: ClientShare;
  readonly space: SpaceShare;
  readonly memory: MemoryShare;
  readonly passwords: ProcessShare["passwords"];
  readonly stderr: BudgetShare;
  readonly #deps: SharedProcessDeps;
  /** By the numbers of their memories. */
  readonly #upstreams = new Map<number, SharedUpstream>();
  readonly #heartbeat: Heartbeat;
  #lookAtMemory: () => void = () => {};
  #lookAtClients: () => void = () => {};
  #rememberPassword: (digest: string) => void = () => {};
  readonly #endBell: () => void;

  constructor(deps: SharedProcessDeps) {
    this.#deps = deps;
    const { memory, memory: { words }, thread, clock } = deps;
    const places = processPlaces(memory);
    this.clients = this.#shareClients();
    this.space = this.#shareSpace();
    this.memory = this.#shareMemory();
    this.stderr = this.#shareStderr();
    this.passwords = {
      secret: deps.secret,
      tell: deps.tellPassword,
      listen: (heard) => void (this.#rememberPassword = heard),
    };
    this.#endBell = listenToBell(words, places.bell + thread, () => this.#look());
    const own = { beat: places.beat + thread, delay: places.delay + thread };
    this.#heartbeat = new Heartbeat(words, own, clock, () => {
      for (const shared of this.#upstreams.values()) shared.beat();
      this.#lookAtMemory();
      this.#lookAtClients();
    });
    this.#heartbeat.start();
  }

  upstreamOf(options: UpstreamOptions): UpstreamShare {
    const { memoryOf, thread, owner, clock, tell } = this.#deps;
    const memory = memoryOf(options);
    const known = this.#upstreams.get(memory.id);
    if (known !== undefined) return known;
    const { name } = options;
    const shared = new SharedUpstream({
      memory,
      thread,
      owner,
      leads: thread === MAIN_THREAD,
      clock,
      ring: (other) => this.ring(other),
      supply: this.#deps.supply && ((servers) => this.#deps.supply!(name, servers)),
      tell: (server, news) => tell({ upstream: memory.id, server, news }),
    });
    this.#upstreams.set(memory.id, shared);
    return shared;
  }

  /** Another thread has found out something. */
  hear({ upstream, server, news }: News): void {
    this.#upstreams.get(upstream)?.hear(server, news);
  }

  /** A password was right in another thread. */
  hearPassword(digest: string): void {
    this.#rememberPassword(digest);
  }

  /** Forgets upstreams that no configuration has any more; these are left. */
  keep(memories: readonly UpstreamMemory[]): void {
    const ids = new Set(memories.map(({ id }) => id));
    for (const id of this.#upstreams.keys()) if (!ids.has(id)) this.#upstreams.delete(id);
  }

  ring(thread: number): void {
    const { memory } = this.#deps;
    ringBell(memory.words, processPlaces(memory).bell + thread);
  }

  certificatesChanged(): void {
    const { memory } = this.#deps;
    Atomics.add(memory.words, processPlaces(memory).certificates, 1);
  }

  /** Grows with each of those changes. */
  get certificatesVersion(): number {
    const { memory } = this.#deps;
    return Atomics.load(memory.words, processPlaces(memory).certificates);
  }

  /** This thread has given a client to another one. */
  placed(): void {
    this.#lookAtClients();
  }

  /** A client that this thread was given has gone. */
  gone(): void {
    const { memory: { words }, memory, thread } = this.#deps;
    const { placed, waits } = processPlaces(memory);
    Atomics.sub(words, placed + thread, 1);
    if (Atomics.load(words, waits) !== 0) this.ring(MAIN_THREAD);
  }

  close(): void {
    this.#heartbeat.stop();
    this.#endBell();
  }

  #look(): void {
    this.#lookAtClients();
    for (const shared of this.#upstreams.values()) shared.look();
  }

  #shareClients(): ClientShare {
    const { memory, thread } = this.#deps;
    const { clients, addresses, placed, waits } = processPlaces(memory);
    const accepts = thread === MAIN_THREAD;
    const own = () => Atomics.load(memory.words, clients.at + thread);
    const given = { at: placed, threads: memory.threads };
    const bucketsFor = (group: string) => bucketsOf(group, memory.key, addresses);
    const runAll = <Result>(steps: Steps<Result>): Result => run(memory.words, steps);
    return {
      threads: memory.threads,
      accepts,
      get total() {
        return accepts ? own() + runAll(totalOf(given)) : runAll(totalOf(clients));
      },
      listen: (look) => void (this.#lookAtClients = look),
      wait: (isWaiting) => void Atomics.store(memory.words, waits, isWaiting ? 1 : 0),
      enter: (max) => runAll(enterTally(clients, thread, 1, max)),
      leave: () => runAll(leaveTally(clients, thread, 1)),
      enterAddress: (group, max) => runAll(enterAddress(addresses, thread, bucketsFor(group), max)),
      leaveAddress: (group) => runAll(leaveAddress(addresses, thread, bucketsFor(group))),
    };
  }

  #shareMemory(): MemoryShare {
    const { memory, thread } = this.#deps;
    const { buffers } = processPlaces(memory);
    let own = 0;
    return {
      get elsewhere() {
        return (run(memory.words, totalOf(buffers)) - own) * SPILL_UNIT;
      },
      tell(used) {
        own = Math.ceil(used / SPILL_UNIT);
        run(memory.words, setTally(buffers, thread, own));
      },
      listen: (look) => void (this.#lookAtMemory = look),
    };
  }

  #shareStderr(): BudgetShare {
    const { memory: { words, key }, memory, clock } = this.#deps;
    const { stderr } = processPlaces(memory);
    const places = new Map<string, number>();
    const placeOf = (upstream: string): number => {
      const known = places.get(upstream);
      if (known !== undefined) return known;
      const at = stderr + (halfSipHash(upstream, key)[0] & (STDERR_WORDS - 1));
      places.set(upstream, at);
      return at;
    };
    // Of the clocks that there are only this one is the same in every thread.
    const now = () => (clock.wallMs() * TICKS_PER_MS) | 0;
    const ticks = (bytes: number) => Math.ceil(bytes * 1_000 * TICKS_PER_MS / STDERR_RATE);
    const burst = ticks(STDERR_BURST);
    return {
      isSpent: (upstream) => run(words, isSpent(placeOf(upstream), now(), burst)),
      spend: (upstream, cost) => run(words, spend(placeOf(upstream), now(), burst, ticks(cost))),
    };
  }

  #shareSpace(): SpaceShare {
    const { memory, thread } = this.#deps;
    const { spill } = processPlaces(memory);
    const units = (bytes: number) => Math.ceil(bytes / SPILL_UNIT);
    return {
      get used() {
        return run(memory.words, totalOf(spill)) * SPILL_UNIT;
      },
      change(before, after, max) {
        const amount = units(after) - units(before);
        if (amount === 0) return true;
        if (amount < 0) {
          run(memory.words, leaveTally(spill, thread, -amount));
          return true;
        }
        return run(memory.words, enterTally(spill, thread, amount, Math.floor(max / SPILL_UNIT)));
      },
    };
  }
}
