/**
 * The addresses behind one server of the configuration that is a name: of a host, or of a service
 * (`_service._proto.name`, SRV), whose records also say ports, priorities and weights.
 *
 * It is looked up when a request needs it, and again by the first request after its time is over or
 * after a connect failed. That request does not wait: the old addresses are good as long again as
 * they were at first. Beyond that, and where there were none, requests wait for the response, but
 * not longer than `resolve.timeout`. A look-up that fails changes nothing but when the next one may
 * be. There is never more than one at a time: a response that comes late is still taken.
 *
 * It does not know servers, nor what becomes of requests.
 */
import type { TcpAddress } from "../runtime/address.ts";
import type { Resolver, ServiceRecord } from "../runtime/resolver.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import { errorText } from "./errors.ts";
import type { ResolveOptions, ServerOptions } from "./options.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Bounds of how long a response is good, whatever the name service says, in milliseconds. */
export const LOOKUP_TTL_MIN_MS = 1_000;
export const LOOKUP_TTL_MAX_MS = 3_600_000;

/** From a look-up that failed to the next, in milliseconds. */
export const FAILED_LOOKUP_PAUSE_MS = 2_000;

/** Most addresses that one name may have; a response with more is taken for an error. */
export const ADDRESSES_MAX = 256;

/** Most hosts that the records of one service may name. */
export const SERVICE_HOSTS_MAX = 64;

/** What came of a look-up. */
export interface Lookup {
  /** Undefined when it succeeded. */
  readonly failure: string | undefined;
  /** Whether it came out otherwise than the one before: not the same failure again. */
  readonly isNews: boolean;
}

export interface ServerNameDeps {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly resolve: ResolveOptions;
  readonly address: TcpAddress;
  /** Its weight and backup hold for every address. */
  readonly server: ServerOptions;
  /** After every look-up, and when one was waited for in vain. */
  readonly onLookup: (name: ServerName, lookup: Lookup) => void;
}

export class ServerName {
  readonly #deps: ServerNameDeps;
  #server: ServerOptions;
  #servers: readonly ServerOptions[] = [];
  /** What was found, with the weight and backup of an entry. */
  #serversFor: (server: ServerOptions) => readonly ServerOptions[] = () => [];
  /** The addresses of each host of a service, for when one of them cannot be looked up. */
  #hosts: ReadonlyMap<string, readonly string[]> = new Map();
  #dueMs = -Infinity;
  /** When the addresses are too old to be used while a look-up is under way. */
  #staleMs = -Infinity;
  #askedMs = -Infinity;
  #isAsking = false;
  /** Requests have waited long enough for the look-up that is under way. */
  #isOverdue = false;
  #timer: TimerId | undefined;
  #failure: string | undefined;
  #closed = false;

  constructor(deps: ServerNameDeps) {
    this.#deps = deps;
    this.#server = deps.server;
  }

  /** Another configuration names it, too. */
  configure(server: ServerOptions): void {
    this.#server = server;
    this.#servers = this.#serversFor(server);
  }

  get address(): TcpAddress {
    return this.#deps.address;
  }

  /** As it stands in the configuration. */
  get text(): string {
    return this.#deps.address.host;
  }

  /** What is known: the last response. */
  get servers(): readonly ServerOptions[] {
    return this.#servers;
  }

  /** Why the last look-up gave nothing; undefined when it did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Looks the name up when its time is over; whether a request should wait for that. */
  refresh(): boolean {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs < this.#dueMs || this.#closed) return false;
    if (!this.#isAsking) void this.#lookUp(nowMs);
    return !this.#isOverdue && nowMs >= this.#staleMs;
  }

  /** A connect failed: the address may have moved. */
  lookAgain(): void {
    this.#dueMs = Math.min(this.#dueMs, this.#askedMs + LOOKUP_TTL_MIN_MS);
    this.refresh();
  }

  close(): void {
    this.#closed = true;
    this.#stopWaiting();
  }

  async #lookUp(nowMs: number): Promise<void> {
    const { clock, resolve } = this.#deps;
    this.#isAsking = true;
    this.#askedMs = nowMs;
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined;
      this.#isOverdue = true;
      this.#fail(`no response in ${resolve.timeoutMs} ms`);
    }, resolve.timeoutMs);
    let failure: string | undefined;
    let ttlMs: number | undefined;
    try {
      ttlMs = await this.#ask();
    } catch (error) {
      reportIfOurs(error, "looking up a name");
      failure = errorText(error);
    }
    this.#isAsking = false;
    this.#isOverdue = false;
    this.#stopWaiting();
    if (this.#closed) return;
    if (failure === undefined) this.#succeed(ttlMs);
    else this.#fail(failure);
  }

  #succeed(ttlMs: number | undefined): void {
    const { clock, resolve, onLookup } = this.#deps;
    const goodMs = Math.min(LOOKUP_TTL_MAX_MS, Math.max(LOOKUP_TTL_MIN_MS, ttlMs ?? resolve.ttlMs));
    this.#dueMs = clock.nowMs() + goodMs;
    this.#staleMs = this.#dueMs + goodMs;
    const isNews = this.#failure !== undefined;
    this.#failure = undefined;
    onLookup(this, { failure: undefined, isNews });
  }

  #fail(failure: string): void {
    this.#dueMs = this.#deps.clock.nowMs() + FAILED_LOOKUP_PAUSE_MS;
    // There is nothing better than the old addresses.
    if (this.#servers.length > 0) this.#staleMs = Infinity;
    const isNews = this.#failure !== failure;
    this.#failure = failure;
    this.#deps.onLookup(this, { failure, isNews });
  }

  #stopWaiting(): void {
    if (this.#timer !== undefined) this.#deps.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** How long what was found is good; undefined where nobody says. */
  async #ask(): Promise<number | undefined> {
    const { address } = this.#deps;
    if (address.port === 0) return await this.#askService();
    const { addresses, ttlMs } = await this.#askHost(address.host);
    this.#found((server) =>
      addresses.map((host) => ({ ...server, address: { ...address, host } }))
    );
    return ttlMs;
  }

  #found(serversFor: (server: ServerOptions) => readonly ServerOptions[]): void {
    this.#serversFor = serversFor;
    this.#servers = serversFor(this.#server);
  }

  async #askHost(
    host: string,
  ): Promise<{ addresses: readonly string[]; ttlMs: number | undefined }> {
    const { resolver, resolve: { family, servers } } = this.#deps;
    const { addresses, ttlMs } = await resolver.host(host, servers);
    const suitable = addresses.filter((address) =>
      family === "any" || (family === "ipv6") === address.includes(":")
    );
    if (suitable.length === 0) throw new Error(`"${host}" has no ${family} address`);
    if (suitable.length > ADDRESSES_MAX) {
      const count = suitable.length;
      throw new Error(`"${host}" has ${count} addresses, ${ADDRESSES_MAX} are the most`);
    }
    // Name servers turn the order round; metrics and hashes should stay.
    return { addresses: suitable.toSorted(), ttlMs };
  }

  async #askService(): Promise<number | undefined> {
    const { resolver, resolve, address } = this.#deps;
    const { records, ttlMs } = await resolver.service(address.host, resolve.servers);
    const hosts = [...new Set(records.map(({ host }) => host))];
    if (hosts.length > SERVICE_HOSTS_MAX) {
      const count = hosts.length;
      throw new Error(`"${this.text}" names ${count} hosts, ${SERVICE_HOSTS_MAX} are the most`);
    }
    const found = new Map<string, readonly string[]>();
    let goodMs = ttlMs;
    let failure: unknown;
    await Promise.all(hosts.map(async (host) => {
      try {
        const result = await this.#askHost(host);
        found.set(host, result.addresses);
        if (result.ttlMs !== undefined) goodMs = Math.min(goodMs ?? Infinity, result.ttlMs);
      } catch (error) {
        failure = error;
        const known = this.#hosts.get(host);
        if (known !== undefined) found.set(host, known);
      }
    }));
    if (found.size === 0) throw failure;
    this.#hosts = found;
    this.#found((server) => serversOf(records, found, server));
    // What is missing is looked for again soon.
    return failure === undefined ? goodMs : LOOKUP_TTL_MIN_MS;
  }
}

/** The lowest priority first; the others are its backups (RFC 2782 has no more to say of them). */
function serversOf(
  records: readonly ServiceRecord[],
  addresses: ReadonlyMap<string, readonly string[]>,
  server: ServerOptions,
): ServerOptions[] {
  const usable = records.filter(({ host }) => addresses.has(host));
  const first = Math.min(...usable.map(({ priority }) => priority));
  return usable.toSorted((a, b) => a.priority - b.priority).flatMap((record) =>
    addresses.get(record.host)!.map((host): ServerOptions => ({
      address: { transport: "tcp", host, port: record.port },
      // A weight of 0 is a share next to nothing beside others, and equal among its kind.
      weight: Math.max(1, record.weight) * server.weight,
      backup: server.backup || record.priority > first,
    }))
  );
}
