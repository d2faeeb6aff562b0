/**
 * Which servers of an upstream are offered a request, and in which order. Those that this request has
 * tried, those that rest after a failure, and backups are each left out while there are others.
 * With one server there is nothing to choose.
 */
import type { BalanceMode } from "./options.ts";
import type { Server } from "./server.ts";

export class Balancer {
  readonly #servers: readonly Server[];
  readonly #mode: BalanceMode;
  /** Smooth weighted round robin: each server's credit. */
  readonly #credits = new Map<Server, number>();

  constructor(servers: readonly Server[], mode: BalanceMode) {
    this.#servers = servers;
    this.#mode = mode;
  }

  /** The servers that should get the request, best first; at least one. */
  order(tried: ReadonlySet<Server>): readonly Server[] {
    if (this.#servers.length === 1) return this.#servers;
    const preference = this.#mode === "least_requests" ? leastRequests : this.#roundRobin();
    const untried = unlessNone(this.#servers, (server) => !tried.has(server));
    const up = unlessNone(untried, (server) => !server.isResting);
    return unlessNone(up, (server) => !server.isBackup).toSorted(preference);
  }

  #roundRobin(): (a: Server, b: Server) => number {
    let totalWeight = 0;
    let best: Server | undefined;
    const credit = (server: Server): number => this.#credits.get(server) ?? 0;
    for (const server of this.#servers) {
      totalWeight += server.weight;
      this.#credits.set(server, credit(server) + server.weight);
      if (best === undefined || credit(server) > credit(best)) best = server;
    }
    const order = (a: Server, b: Server): number => credit(b) - credit(a);
    const sorted = new Map([...this.#servers].sort(order).map((server, index) => [server, index]));
    this.#credits.set(best!, credit(best!) - totalWeight);
    return (a, b) => sorted.get(a)! - sorted.get(b)!;
  }
}

function leastRequests(a: Server, b: Server): number {
  return a.streams / a.weight - b.streams / b.weight;
}

function unlessNone(
  servers: readonly Server[],
  predicate: (server: Server) => boolean,
): readonly Server[] {
  const chosen = servers.filter(predicate);
  return chosen.length > 0 ? chosen : servers;
}
