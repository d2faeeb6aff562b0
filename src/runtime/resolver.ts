/**
 * Names of hosts and services, looked up. `node_resolver.ts` asks the system or name servers,
 * `tests/support/memory/` has one for tests; what is remembered, and for how long, is not known here.
 */

/** What the name service says of a host. */
export interface HostResult {
  /** IPv4 and IPv6 addresses; at least one. */
  readonly addresses: readonly string[];
  /** How long it is good; undefined where the name service does not tell. */
  readonly ttlMs: number | undefined;
}

/** One record of a service (SRV, RFC 2782). */
export interface ServiceRecord {
  readonly host: string;
  readonly port: number;
  /** The lowest first. */
  readonly priority: number;
  readonly weight: number;
}

export interface ServiceResult {
  /** At least one. */
  readonly records: readonly ServiceRecord[];
  readonly ttlMs: number | undefined;
}

/**
 * From names to addresses. `nameServers` are addresses with or without a port; with none the system
 * is asked, for hosts as every program asks it (getaddrinfo: hosts file, then DNS). A question ends
 * by itself; it cannot be called off.
 */
export interface Resolver {
  /** @throws {NameError} */
  host(name: string, nameServers: readonly string[]): Promise<HostResult>;
  /** @throws {NameError} */
  service(name: string, nameServers: readonly string[]): Promise<ServiceResult>;
}

/** A name that has no address: `unknown` is a response, `unavailable` is none. */
export type NameFailure = "unknown" | "unavailable";

/** A name that could not be looked up. */
export class NameError extends Error {
  override readonly name = "NameError";
  readonly failure: NameFailure;

  constructor(failure: NameFailure, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.failure = failure;
  }
}
