/** One thread's seat at what the process shares: clients, temporary files, upstreams, its bell. */
import type { ClientShare } from "../app/client_connections.ts";
import type { ProcessShare } from "../app/process_share.ts";
import type { Clock } from "../runtime/clock.ts";
import { bucketsOf, enterAddress, leaveAddress } from "../shared/address_counts.ts";
import { type ProcessMemory, processPlaces, SPILL_UNIT } from "../shared/process_memory.ts";
import { run, type Steps } from "../shared/steps.ts";
import { enterTally, leaveTally, setTally, totalOf } from "../shared/tally.ts";
import type { UpstreamMemory } from "../shared/upstream_memory.ts";
import type { MemoryShare } from "../upstream/buffer_memory.ts";
import type { ServerOptions, UpstreamOptions } from "../upstream/options.ts";
import { SharedUpstream } from "../upstream/shared_upstream.ts";
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
  /** Tells threads which servers an upstream has; left out for those that are told. */
  readonly supply?: (upstream: string, servers: readonly ServerOptions[]) => Promise<void>;
}

export const MAIN_THREAD = 0;

export class SharedProcess implements ProcessShare {
  readonly clients: ClientShare;
  readonly space: SpaceShare;
  readonly memory: MemoryShare;
  readonly #deps: SharedProcessDeps;
  /** By the numbers of their memories. */
  readonly #upstreams = new Map<number, SharedUpstream>();
  readonly #names = new Map<SharedUpstream, string>();
  readonly #heartbeat: Heartbeat;
  #lookAtMemory: () => void = () => {};
  readonly #endBell: () => void;

  /** `onBeat` is called a few times a second. */
  constructor(deps: SharedProcessDeps, onBeat: () => void = () => {}) {
    this.#deps = deps;
    const { memory, memory: { words }, thread, clock } = deps;
    const places = processPlaces(memory);
    this.clients = this.#shareClients();
    this.space = this.#shareSpace();
    this.memory = this.#shareMemory();
    this.#endBell = listenToBell(words, places.bell + thread, () => this.#look());
    const own = { beat: places.beat + thread, delay: places.delay + thread };
    this.#heartbeat = new Heartbeat(words, own, clock, () => {
      for (const shared of this.#upstreams.values()) shared.beat();
      this.#lookAtMemory();
      onBeat();
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
      tell: (server, news) => tell({ upstream: name, server, news }),
    });
    this.#upstreams.set(memory.id, shared);
    this.#names.set(shared, name);
    return shared;
  }

  /** Another thread has found out something. */
  hear({ upstream, server, news }: News): void {
    for (const [shared, name] of this.#names) if (name === upstream) shared.hear(server, news);
  }

  /** Forgets upstreams that no configuration has any more; these are left. */
  keep(memories: readonly UpstreamMemory[]): void {
    const ids = new Set(memories.map(({ id }) => id));
    for (const [id, shared] of this.#upstreams) {
      if (ids.has(id)) continue;
      this.#upstreams.delete(id);
      this.#names.delete(shared);
    }
  }

  ring(thread: number): void {
    const { memory } = this.#deps;
    ringBell(memory.words, processPlaces(memory).bell + thread);
  }

  close(): void {
    this.#heartbeat.stop();
    this.#endBell();
  }

  #look(): void {
    for (const shared of this.#upstreams.values()) shared.look();
  }

  #shareClients(): ClientShare {
    const { memory, thread } = this.#deps;
    const { clients, addresses } = processPlaces(memory);
    const bucketsFor = (group: string) => bucketsOf(group, memory.key, addresses);
    const runAll = <Result>(steps: Steps<Result>): Result => run(memory.words, steps);
    return {
      get total() {
        return runAll(totalOf(clients));
      },
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
