/** The shared memory of each upstream: one that does not change keeps it over configurations. */
import { run } from "../shared/steps.ts";
import {
  createUpstreamMemory,
  leaveUpstream,
  type UpstreamMemory,
} from "../shared/upstream_memory.ts";
import { AUTO_SINGLE_MAX } from "../upstream/connection_limit.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

export class UpstreamMemories {
  readonly #threads: number;
  /** By name, and by what was configured. */
  readonly #memories = new Map<
    string,
    { readonly text: string; readonly memory: UpstreamMemory }
  >();

  constructor(threads: number) {
    this.#threads = threads;
  }

  get all(): readonly UpstreamMemory[] {
    return [...this.#memories.values()].map(({ memory }) => memory);
  }

  of(options: UpstreamOptions): UpstreamMemory {
    // Servers come and go, each with a cell of its own.
    const text = JSON.stringify({ ...options, servers: undefined });
    const known = this.#memories.get(options.name);
    if (known?.text === text) return known.memory;
    const { servers, connections: { max } } = options;
    const slots = max === "auto" ? AUTO_SINGLE_MAX : max;
    const memory = createUpstreamMemory(this.#threads, servers.length, slots);
    this.#memories.set(options.name, { text, memory });
    return memory;
  }

  /** The thread is dead. */
  bury(thread: number): void {
    for (const memory of this.all) run(memory.words, leaveUpstream(memory, thread));
  }
}
