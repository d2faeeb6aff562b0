/**
 * Which servers of an upstream are offered a request, and in which order. Those that this request has
 * tried, those that rest after a failure, and backups are each left out while there are others.
 * With one server there is nothing to choose.
 *
 * Turns are smooth weighted round robin: each server has a credit that grows by its weight with
 * every request and falls when it gets one. Least requests falls back on it where servers are
 * equally busy, so that a quiet upstream does not send everything to the first one.
 */
import type { BalanceMode } from "./options.ts";
import type { Server } from "./server.ts";

export class Balancer {
  readonly #servers: readonly Server[];
  readonly #mode: BalanceMode;
  readonly #credits = new Map<Server, number>();

  constructor(servers: readonly Server[], mode: BalanceMode) {
    this.#servers = servers;
    this.#mode = mode;
  }

  /** The servers that should get the request, best first; at least one. */
  order(tried: ReadonlySet<Server>): readonly Server[] {
    if (this.#servers.length === 1) return this.#servers;
    return this.candidates(tried).toSorted(
      this.#mode === "least_requests" ? this.#leastRequests : this.#turns,
    );
  }

  /** The servers that may get the request, in no order; at least one. */
  candidates(tried: ReadonlySet<Server>): readonly Server[] {
    const untried = unlessNone(this.#servers, (server) => !tried.has(server));
    const up = unlessNone(untried, (server) => !server.isResting);
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
