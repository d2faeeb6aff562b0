/**
 * Which servers of an upstream are offered a request, and in which order. Those that this request has
 * tried, those ejected after a failure, and backups are each left out while there are others.
 * With one server there is nothing to choose.
 *
 * Turns are smooth weighted round robin: each server has a credit that grows by its weight with
 * every request and falls when it gets one. Least requests falls back on it where servers are
 * equally busy, so that a quiet upstream does not send everything to the first one. With `hash` a
 * request that has a key is offered the one server it belongs to, and waits for it (see
 * `sticky_hash.ts`); one that has none takes its turn.
 */
import type { BalanceMode } from "./options.ts";
import type { Server } from "./server.ts";
import { draw } from "./sticky_hash.ts";

export class Balancer {
  #servers: readonly Server[];
  readonly #mode: BalanceMode;
  #credits = new Map<Server, number>();
  /** Those whose weight is still growing; see `slow_start`. */
  readonly #warming = new Set<Server>();

  constructor(servers: readonly Server[], mode: BalanceMode) {
    this.#servers = servers;
    this.#mode = mode;
  }

  /** Those that may get requests at all. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  /** From now on these may get requests, and no others. */
  use(servers: readonly Server[]): void {
    this.#servers = servers;
    const kept = servers.flatMap((server) => {
      const credit = this.#credits.get(server);
      return credit === undefined ? [] : [[server, credit] as const];
    });
    this.#credits = new Map(kept);
  }

  /** The server's weight grows: it is to be looked at before each choice. */
  warm(server: Server): void {
    this.#warming.add(server);
  }

  /**
   * The servers that should get the request, best first; at least one, unless there is none.
   *
   * @param keyHash of what the request is kept together by, where it has that
   */
  order(tried: ReadonlySet<Server>, keyHash?: number): readonly Server[] {
    if (this.#servers.length === 1) return this.#servers;
    if (this.#warming.size > 0) this.#warmUp();
    const candidates = this.candidates(tried);
    if (keyHash !== undefined) return this.#owner(candidates, keyHash);
    return candidates.toSorted(this.#mode === "least_requests" ? this.#leastRequests : this.#turns);
  }

  /** The servers that may get the request, in no order; at least one, unless there is none. */
  candidates(tried: ReadonlySet<Server>): readonly Server[] {
    const untried = unlessNone(this.#servers, (server) => !tried.has(server));
    const up = unlessNone(untried, (server) => !server.isEjected);
    return unlessNone(up, (server) => !server.isBackup);
  }

  /** One of those that were offered a request has got it. */
  chosen(server: Server, offered: readonly Server[]): void {
    if (offered.length === 1) return;
    let totalWeight = 0;
    for (const other of offered) {
      totalWeight += other.weight;
      this.#credits.set(other, this.#credit(other) + other.weight);
    }
    this.#credits.set(server, this.#credit(server) - totalWeight);
  }

  /** The server that the key belongs to, alone. */
  #owner(candidates: readonly Server[], keyHash: number): readonly Server[] {
    let best: Server | undefined;
    let highest = -Infinity;
    for (const server of candidates) {
      const drawn = draw(keyHash, server.hash, server.weight);
      if (drawn <= highest) continue;
      best = server;
      highest = drawn;
    }
    return best === undefined ? [] : [best];
  }

  #warmUp(): void {
    for (const server of this.#warming) if (!server.grow()) this.#warming.delete(server);
  }

  #credit(server: Server): number {
    return this.#credits.get(server) ?? 0;
  }

  readonly #turns = (a: Server, b: Server): number =>
    this.#credit(b) + b.weight - this.#credit(a) - a.weight;

  readonly #leastRequests = (a: Server, b: Server): number =>
    a.streams / a.weight - b.streams / b.weight || this.#turns(a, b);
}

function unlessNone(
  servers: readonly Server[],
  predicate: (server: Server) => boolean,
): readonly Server[] {
  const chosen = servers.filter(predicate);
  return chosen.length > 0 ? chosen : servers;
}
