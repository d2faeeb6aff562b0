/**
 * The shared memory of each upstream: one that does not change keeps it over configurations, and those
 * of the configuration before are kept as well, for its requests may not have ended.
 */
import type { AppOptions } from "../app/options.ts";
import { fingerprint } from "../app/fingerprint.ts";
import { run } from "../shared/steps.ts";
import {
  changingCells,
  createUpstreamMemory,
  leaveUpstream,
  type UpstreamMemory,
} from "../shared/upstream_memory.ts";
import { AUTO_HTTP_MAX, AUTO_SINGLE_MAX } from "../upstream/connection_limit.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

type Upstreams = AppOptions["upstreams"];

export class UpstreamMemories {
  readonly #threads: number;
  /** By what was configured, the name among it. */
  readonly #memories = new Map<string, UpstreamMemory>();
  #current: Upstreams = [];
  #before: Upstreams = [];

  constructor(threads: number) {
    this.#threads = threads;
  }

  get all(): readonly UpstreamMemory[] {
    return [...this.#memories.values()];
  }

  of(options: UpstreamOptions): UpstreamMemory {
    const key = keyOf(options);
    const known = this.#memories.get(key);
    if (known !== undefined) return known;
    const { servers, protocol, connections: { max } } = options;
    const auto = protocol === "http" ? AUTO_HTTP_MAX : AUTO_SINGLE_MAX;
    const slots = max === "auto" ? auto : max;
    // Servers come and go with names, workers and reloads.
    const spare = changingCells(this.#threads, slots);
    const memory = createUpstreamMemory(this.#threads, servers.length, slots, spare);
    this.#memories.set(key, memory);
    return memory;
  }

  /** These are at work from now on. */
  use(upstreams: Upstreams): void {
    this.#before = this.#current;
    this.#current = upstreams;
    this.discard();
  }

  /** Forgets what was only prepared. */
  discard(): void {
    const kept = new Set([...this.#before, ...this.#current].map(keyOf));
    for (const key of this.#memories.keys()) if (!kept.has(key)) this.#memories.delete(key);
  }

  /** The thread is dead. */
  bury(thread: number): void {
    for (const memory of this.all) run(memory.words, leaveUpstream(memory, thread));
  }
}

/** Servers come and go, each with a cell of its own. */
function keyOf(options: UpstreamOptions): string {
  return fingerprint({ ...options, servers: undefined });
}
