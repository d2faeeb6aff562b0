/**
 * Which servers of an upstream are offered a request, and in which order. Those that this request has
 * tried, those ejected after a failure, and backups are each left out while there are others.
 * With one server there is nothing to choose.
 *
 * Turns are smooth weighted round robin: what a server is owed grows by its share with every request
 * and falls by one when it gets it. Least requests falls back on it where servers are equally busy, so
 * that a quiet upstream does not send everything to the first one. Turns and how busy servers are count
 * for all threads; of many servers each thread counts its own, and begins at another one. With `hash` a
 * request that has a key is offered the one server it belongs to, and waits for it (see
 * `sticky_hash.ts`); one that has none takes its turn.
 *
 * All of them are looked at only where they are few, or where the best of many has no room: of many
 * the best is on top of a heap (`server_heap.ts`), and who owns a key is remembered.
 */
import type { Attempts } from "./attempts.ts";
import type { UpstreamConnection } from "./connection.ts";
import type { BalanceMode } from "./options.ts";
import type { Server } from "./server.ts";
import { ServerHeap } from "./server_heap.ts";
import { TURN_PARTS } from "./server_turns.ts";
import { draw } from "./sticky_hash.ts";

/** Fewer servers are looked through. */
export const MANY_SERVERS = 16;

/** Keys whose owners are remembered; with one more it begins anew. */
export const OWNERS_MAX = 4096;

export class Balancer {
  #servers: readonly Server[] = [];
  readonly #mode: BalanceMode;
  /** Those whose weight is still growing; see `slow_start`. */
  readonly #warming = new Set<Server>();
  /** Undefined while there are few. */
  #many: ServerHeap | undefined;
  /** By the hash of a key, while there are many. */
  readonly #owners = new Map<number, Server>();

  /** Where turns of many begin, as a part of them all. */
  readonly #start: number;

  constructor(servers: readonly Server[], mode: BalanceMode, start = 0) {
    this.#mode = mode;
    this.#start = start;
    this.use(servers);
  }

  /** Those that may get requests at all. */
  get servers(): readonly Server[] {
    return this.#servers;
  }

  /** From now on these may get requests, and no others. */
  use(servers: readonly Server[]): void {
    const stay = new Set(servers);
    for (const server of this.#servers) if (!stay.has(server)) server.standing.turns.forget();
    this.#servers = servers;
    this.#owners.clear();
    if (servers.length < MANY_SERVERS) this.#many = undefined;
    else this.#many ??= new ServerHeap(this.#mode === "least_requests", this.#start);
    this.#many?.use(servers);
  }

  /** The server's weight grows: it is to be looked at before each choice. */
  warm(server: Server): void {
    this.#warming.add(server);
  }

  /** The server has fewer requests than before. */
  changed(server: Server): void {
    this.#many?.changed(server);
  }

  /** A connection for the request, of the best server that has room; undefined where none has. */
  place(attempts: Attempts): UpstreamConnection | undefined {
    const { tried, keyHash } = attempts;
    const best = this.#best(tried, keyHash);
    if (best !== undefined) {
      const connection = best.place(attempts);
      if (connection !== undefined) {
        this.#many!.took(best);
        attempts.server = best;
        return connection;
      }
    }
    const offered = this.order(tried, keyHash);
    for (const server of offered) {
      if (server === best) continue;
      const connection = server.place(attempts);
      if (connection === undefined) continue;
      this.chosen(server, offered);
      attempts.server = server;
      return connection;
    }
    return undefined;
  }

  /**
   * The servers that should get the request, best first; at least one, unless there is none.
   *
   * @param keyHash of what the request is kept together by, where it has that
   */
  order(tried: ReadonlySet<Server>, keyHash?: number): readonly Server[] {
    if (this.#servers.length === 1) return this.#servers;
    this.#warmUp();
    const candidates = this.candidates(tried);
    if (keyHash !== undefined) return this.#owner(candidates, keyHash);
    if (this.#many !== undefined) return candidates.toSorted(this.#many.compare);
    const share = shareOf(candidates);
    return candidates.toSorted((a, b) =>
      this.#loadOf(a) - this.#loadOf(b) ||
      b.standing.turns.owed + share(b) - a.standing.turns.owed - share(a)
    );
  }

  /** The servers that may get the request, in no order; at least one, unless there is none. */
  candidates(tried: ReadonlySet<Server>): readonly Server[] {
    const untried = unlessNone(this.#servers, (server) => !tried.has(server));
    const up = unlessNone(untried, (server) => !server.isEjected);
    return unlessNone(up, (server) => !server.isBackup);
  }

  /**
   * One of those that were offered a request has got it. It was a turn of those alone that could have
   * had it as well: who was before it had no room, and who is busier was not asked, and one that was
   * passed over for long is not owed what it has missed.
   */
  chosen(server: Server, offered: readonly Server[]): void {
    if (this.#many !== undefined) return this.#many.took(server);
    if (offered.length === 1) return;
    const load = this.#loadOf(server);
    const equals = offered.slice(offered.indexOf(server))
      .filter((other) => this.#loadOf(other) === load);
    const share = shareOf(equals);
    let given = 0;
    for (const other of equals) {
      given += share(other);
      other.standing.turns.owe(share(other));
    }
    server.standing.turns.owe(-given);
  }

  /** Of many the one that should get the request; undefined where all are to be looked at. */
  #best(tried: ReadonlySet<Server>, keyHash: number | undefined): Server | undefined {
    if (this.#many === undefined) return undefined;
    this.#warmUp();
    const best = keyHash === undefined ? this.#many.top() : this.#owners.get(keyHash);
    return best === undefined || tried.has(best) || best.isEjected ? undefined : best;
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
    if (best === undefined) return [];
    this.#remember(keyHash, best, candidates);
    return [best];
  }

  /** Who owns a key among all is its owner whoever else is away. */
  #remember(keyHash: number, owner: Server, candidates: readonly Server[]): void {
    if (this.#many === undefined) return;
    const firsts = this.#servers.filter(({ isBackup }) => !isBackup);
    if (owner.isBackup || candidates.length < firsts.length) return;
    if (this.#owners.size >= OWNERS_MAX) this.#owners.clear();
    this.#owners.set(keyHash, owner);
  }

  #warmUp(): void {
    if (this.#warming.size === 0) return;
    this.#owners.clear();
    for (const server of this.#warming) {
      if (!server.standing.grow()) this.#warming.delete(server);
      this.#many?.changed(server);
    }
  }

  #loadOf({ requestsUnderWay, weight }: Server): number {
    return this.#mode === "least_requests" ? requestsUnderWay / weight : 0;
  }
}

/** What each is owed of one request, in {@link TURN_PARTS}; whole, so that sums stay exact. */
function shareOf(servers: readonly Server[]): (server: Server) => number {
  let totalWeight = 0;
  for (const { weight } of servers) totalWeight += weight;
  return ({ weight }) => Math.max(1, Math.round(weight / totalWeight * TURN_PARTS));
}

function unlessNone(
  servers: readonly Server[],
  predicate: (server: Server) => boolean,
): readonly Server[] {
  const chosen = servers.filter(predicate);
  return chosen.length > 0 ? chosen : servers;
}
