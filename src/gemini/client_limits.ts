/**
 * How much one client address may do: connections at once, and requests a second by a bucket that
 * fills up again. An IPv6 address counts by its /64, for a client has all of that. An address is
 * forgotten when it has no connection and its bucket is full, at the latest when there are too many.
 */
import { addressGroup } from "../routing/address_group.ts";
import type { Clock } from "../runtime/clock.ts";

/** Most addresses that are remembered beside those that have a connection. */
export const ADDRESSES_MAX = 65_536;

const SECOND_MS = 1000;

interface Client {
  connections: number;
  /** Requests that may come at once, as of `filledMs`. */
  tokens: number;
  filledMs: number;
}

export interface ClientLimitOptions {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly requestsPerSecondMax: number;
}

export class ClientLimits {
  #options: ClientLimitOptions;
  readonly #clock: Clock;
  readonly #clients = new Map<string, Client>();
  #connections = 0;

  constructor(options: ClientLimitOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** These limits from now on. */
  configure(options: ClientLimitOptions): void {
    this.#options = options;
  }

  /** Addresses remembered, for tests of the bound. */
  get size(): number {
    return this.#clients.size;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Counts a connection, unless there are far too many. */
  connect(host: string): boolean {
    const client = this.#client(host);
    const perAddressMax = this.#options.connectionsPerAddressMax * 2;
    if (this.#connections >= this.#options.connectionsMax) return false;
    if (client.connections >= perAddressMax) return false;
    client.connections++;
    this.#connections++;
    return true;
  }

  disconnect(host: string): void {
    this.#client(host).connections--;
    this.#connections--;
  }

  /** Seconds after which the address may ask again; 0: it may now, and has. */
  request(host: string): number {
    const { connectionsPerAddressMax, requestsPerSecondMax } = this.#options;
    const client = this.#client(host);
    if (client.connections > connectionsPerAddressMax) return 1;
    if (requestsPerSecondMax === 0) return 0;
    const nowMs = this.#clock.nowMs();
    const refill = (nowMs - client.filledMs) * requestsPerSecondMax / SECOND_MS;
    client.tokens = Math.min(requestsPerSecondMax, client.tokens + refill);
    client.filledMs = nowMs;
    if (client.tokens < 1) return Math.ceil((1 - client.tokens) / requestsPerSecondMax);
    client.tokens--;
    return 0;
  }

  #client(host: string): Client {
    const key = addressGroup(host);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    if (this.#clients.size >= ADDRESSES_MAX) this.#forgetIdle();
    const client = {
      connections: 0,
      tokens: this.#options.requestsPerSecondMax,
      filledMs: this.#clock.nowMs(),
    };
    this.#clients.set(key, client);
    return client;
  }

  /** An address that comes again finds its bucket full, a second early at the most. */
  #forgetIdle(): void {
    for (const [key, client] of this.#clients) {
      if (client.connections === 0) this.#clients.delete(key);
    }
  }
}
