/**
 * A name service in memory: hosts and services as a test sets them, and the ways in which a look-up
 * can fail. A host that nobody has set is its own address, for the network in memory takes any; a
 * service that nobody has set is unknown.
 */
import {
  type HostResult,
  NameError,
  type NameFailure,
  type Resolver,
  type ServiceRecord,
  type ServiceResult,
} from "../../../src/runtime/resolver.ts";

export class MemoryResolver implements Resolver {
  readonly #hosts = new Map<string, HostResult>();
  readonly #services = new Map<string, ServiceResult>();
  readonly #failures = new Map<string, NameFailure>();
  readonly #held = new Map<string, (() => void)[]>();
  readonly #lookUpCounts = new Map<string, number>();

  /** From now on the host has these addresses. */
  setHost(name: string, addresses: readonly string[], ttlMs?: number): void {
    this.#hosts.set(name, { addresses, ttlMs });
  }

  setService(name: string, records: readonly ServiceRecord[], ttlMs?: number): void {
    this.#services.set(name, { records, ttlMs });
  }

  /** From now on a look-up of the name fails so; without a failure it works again. */
  fail(name: string, failure?: NameFailure): void {
    if (failure === undefined) this.#failures.delete(name);
    else this.#failures.set(name, failure);
  }

  /** From now on a look-up of the name waits until {@link release}. */
  hold(name: string): void {
    this.#held.set(name, []);
  }

  /** Look-ups that waited get what is set now. */
  release(name: string): void {
    const waiting = this.#held.get(name) ?? [];
    this.#held.delete(name);
    for (const resume of waiting) resume();
  }

  /** How often the name was looked up. */
  lookUpCount(name: string): number {
    return this.#lookUpCounts.get(name) ?? 0;
  }

  host(name: string): Promise<HostResult> {
    const itself: HostResult = { addresses: [name], ttlMs: undefined };
    return this.#result(name, () => this.#hosts.get(name) ?? itself);
  }

  service(name: string): Promise<ServiceResult> {
    return this.#result(name, () => this.#services.get(name));
  }

  async #result<Result>(name: string, find: () => Result | undefined): Promise<Result> {
    this.#lookUpCounts.set(name, this.lookUpCount(name) + 1);
    const held = this.#held.get(name);
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    const result = find();
    const failure = this.#failures.get(name) ?? (result === undefined ? "unknown" : undefined);
    if (failure !== undefined || result === undefined) {
      throw new NameError(failure ?? "unknown", `Cannot look up "${name}": ${failure}`);
    }
    return result;
  }
}
