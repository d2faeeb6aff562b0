/**
 * The servers of an upstream: those of its configuration, and those behind names, which come and go.
 * One is known by its address, so it stays what it is while names are looked up again; one whose
 * address is gone finishes what it has. No address is there twice. The balancer gets those that
 * active checks have not found down. Where servers are supplied, whoever does that names them all;
 * another configuration may name others as well.
 *
 * Without names and checks it is a list that never changes, and costs a request nothing.
 */
import { formatAddress, isServerName, type TcpAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Balancer } from "./balancer.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import type { Deadlines } from "./deadlines.ts";
import { UpstreamError } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import type { UpstreamObserver } from "./observer.ts";
import type { ServerOptions, UpstreamOptions } from "./options.ts";
import { Server } from "./server.ts";
import type { ServerKeeper, ServerOwner } from "./server_deps.ts";
import { type Lookup, ServerName } from "./server_name.ts";
import type { ServerNews, SharingCall, UpstreamShare } from "./upstream_share.ts";

export interface ServerSetDeps {
  readonly runtime: Runtime;
  readonly memory?: BufferMemory;
  readonly deadlines: Deadlines;
  readonly observer: UpstreamObserver;
  readonly owner: ServerOwner<Server>;
  readonly share?: UpstreamShare | undefined;
  readonly options: UpstreamOptions;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Servers came, went, or went down, or a look-up is over: what waits should look again. */
  readonly onChange: () => void;
}

/** Threads do not all begin with the same server. */
function startOf(share: UpstreamShare | undefined): number {
  return share === undefined ? 0 : share.thread / share.threads;
}

/** Servers that are remembered to be down, beside those that are known. */
const DOWN_ELSEWHERE_MAX = 1_024;

export class ServerSet implements ServerKeeper<Server> {
  readonly balancer: Balancer;
  readonly #deps: ServerSetDeps;
  /** In the order of the configuration: servers, and names in their places. */
  #entries: readonly (ServerOptions | ServerName)[];
  #names: readonly ServerName[] = [];
  /** By address. */
  #servers: ReadonlyMap<string, Server> = new Map();
  readonly #leaving = new Map<string, Server>();
  /** Down by another thread's health checks, also where we have yet to look their names up. */
  readonly #downElsewhere = new Set<string>();
  /** Who waits until a server that left is gone, by its address. */
  readonly #onGone = new Map<string, () => void>();

  constructor(deps: ServerSetDeps) {
    this.#deps = deps;
    this.#entries = this.#entriesOf(deps.options.servers);
    this.balancer = new Balancer([], deps.options.balance, startOf(deps.share));
    this.#rebuild();
  }

  /** All that have or may get requests, those that are leaving last. */
  get all(): readonly Server[] {
    return [...this.#servers.values(), ...this.#leaving.values()];
  }

  /** Looks up names whose time is over, and says whether requests should wait for a response. */
  mustWait(): boolean {
    if (this.#names.length === 0) return false;
    let mustWait = false;
    const isEmpty = this.balancer.servers.length === 0;
    for (const name of this.#names) {
      // One that has never been found holds nobody up while there are other servers.
      if (name.refresh() && (isEmpty || name.servers.length > 0)) mustWait = true;
    }
    return mustWait;
  }

  /** Why there is nobody to wait for; undefined when there is. */
  whyNone(): UpstreamError | undefined {
    if (this.balancer.servers.length > 0 || this.mustWait()) return undefined;
    const { name, supplied } = this.#deps.options;
    if (supplied && this.#servers.size === 0) return undefined;
    const failing = this.#names.find(({ failure }) => failure !== undefined);
    if (this.#servers.size > 0 || failing === undefined) {
      const message = `Every server of upstream "${name}" fails its health checks`;
      return new UpstreamError("servers_down", message, { phase: "queue" });
    }
    const message = `Cannot look up server "${failing.text}" of upstream "${name}": ` +
      failing.failure!;
    return new UpstreamError("lookup_failed", message, { phase: "queue" });
  }

  /** These and no others, from now on; resolves when those that left are gone, or back. */
  async use(servers: readonly ServerOptions[]): Promise<void> {
    this.#entries = servers;
    const before = this.#servers;
    this.#rebuild();
    const left = [...before.keys()].filter((address) => this.#leaving.has(address));
    const gone = left.map((address) =>
      new Promise<void>((resolve) => this.#onGone.set(address, resolve))
    );
    this.#deps.onChange();
    await Promise.all(gone);
  }

  /** Another configuration has these, and is the same but for them. */
  configure(servers: readonly ServerOptions[]): void {
    const before = this.#names;
    this.#entries = this.#entriesOf(servers);
    for (const name of before) if (!this.#names.includes(name)) name.close();
    this.#rebuild();
    this.#deps.onChange();
  }

  onConnectFailed(server: Server): void {
    this.#lookAgain(server);
  }

  /** As that of {@link Server}, of all. */
  share(what: SharingCall): void {
    if (this.#deps.share === undefined) return;
    for (const server of this.all) server.share(what);
    const { leads } = this.#deps.share;
    // Who asks servers how they are has to know them, though it may have no requests.
    if (what === "follow" && leads && this.#deps.options.health.intervalMs > 0) this.mustWait();
  }

  /** Another thread has given us something, or wants something; `place` places what waits. */
  rung(place: () => void): void {
    this.share("wake");
    place();
    this.share("settle");
  }

  /** Another thread knows more of a server than we do. */
  hear(address: string, news: ServerNews): void {
    if (news === "up") this.#downElsewhere.delete(address);
    else if (news === "down" && this.#downElsewhere.size < DOWN_ELSEWHERE_MAX) {
      this.#downElsewhere.add(address);
    }
    const server = this.#servers.get(address);
    if (server === undefined || !server.hear(news)) return;
    this.#useThoseThatAreUp();
    this.#deps.onChange();
  }

  async close(): Promise<void> {
    for (const name of this.#names) name.close();
    await Promise.all(this.all.map((server) => server.close()));
  }

  // What servers tell.

  onHealth(server: Server, result: HealthResult, changed: boolean): void {
    const { observer, options, onChange } = this.#deps;
    observer.onHealthCheck(options.name, server.address, result, changed);
    // It may have moved, and without requests nobody else would find out.
    if (result.kind === "failed") this.#lookAgain(server);
    if (!changed) return;
    this.#useThoseThatAreUp();
    onChange();
  }

  onWarming(server: Server): void {
    this.balancer.warm(server);
  }

  onGone(server: Server): void {
    this.#forgetLeaving(server.address);
  }

  /** The names that the server's address came from are looked up again. */
  #lookAgain(server: Server): void {
    for (const name of this.#names) {
      const isIts = name.servers.some(({ address }) => formatAddress(address) === server.address);
      if (isIts) name.lookAgain();
    }
  }

  /** A name that is there already stays, with the addresses that were found behind it. */
  #entriesOf(servers: readonly ServerOptions[]): readonly (ServerOptions | ServerName)[] {
    const known = new Map(this.#names.map((name) => [formatAddress(name.address), name]));
    const entries = servers.map((server) => {
      const { address } = server;
      if (!isServerName(address)) return server;
      const text = formatAddress(address);
      const name = known.get(text) ?? this.#createName(address, server);
      known.delete(text);
      name.configure(server);
      return name;
    });
    this.#names = entries.filter((entry) => entry instanceof ServerName);
    return entries;
  }

  #createName(address: TcpAddress, server: ServerOptions): ServerName {
    const { runtime, options } = this.#deps;
    return new ServerName({
      resolver: runtime.resolver,
      clock: runtime.clock,
      resolve: options.resolve,
      address,
      server,
      onLookup: (name, lookup) => this.#onLookup(name, lookup),
    });
  }

  #onLookup(name: ServerName, lookup: Lookup): void {
    const { observer, options, onChange } = this.#deps;
    observer.onLookup(options.name, name.text, lookup);
    const before = this.#servers;
    this.#rebuild();
    const joined = [...this.#servers.keys()].filter((address) => !before.has(address));
    const left = [...before.keys()].filter((address) => !this.#servers.has(address));
    if (joined.length + left.length > 0) {
      const servers = [...this.#servers.keys()];
      observer.onServersChanged(options.name, name.text, joined, left, servers);
    }
    onChange();
  }

  #rebuild(): void {
    const before = this.#servers;
    const servers = new Map<string, Server>();
    for (const entry of this.#entries) {
      for (const options of entry instanceof ServerName ? entry.servers : [entry]) {
        const address = formatAddress(options.address);
        if (!servers.has(address)) servers.set(address, this.#keep(address, options));
      }
    }
    this.#servers = servers;
    for (const [address, server] of before) {
      if (servers.has(address)) continue;
      this.#leaving.set(address, server);
      server.leave();
    }
    this.#useThoseThatAreUp();
  }

  /** The server at the address: the one that there is, or a new one. */
  #keep(address: string, options: ServerOptions): Server {
    const leaving = this.#leaving.get(address);
    const known = this.#servers.get(address) ?? leaving;
    if (known !== undefined) {
      known.configure(options);
      if (leaving !== undefined) leaving.rejoin();
      this.#forgetLeaving(address);
      return known;
    }
    const server = new Server({ ...this.#deps, keeper: this, server: options });
    // The first ones have nobody to spare them.
    if (this.#servers.size > 0) server.standing.startSlowly();
    if (this.#downElsewhere.has(address)) server.hear("down");
    return server;
  }

  #forgetLeaving(address: string): void {
    this.#leaving.delete(address);
    this.#onGone.get(address)?.();
    this.#onGone.delete(address);
  }

  #useThoseThatAreUp(): void {
    this.balancer.use([...this.#servers.values()].filter(({ isUp }) => isUp));
  }
}
