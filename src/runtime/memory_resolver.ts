/**
 * A name service in memory: hosts and services as a test sets them, and the ways in which a look-up
 * can fail. A host that nobody has set is its own address, for the network in memory takes any; a
 * service that nobody has set is unknown.
 */
import {
  type HostAnswer,
  NameError,
  type NameFailure,
  type Resolver,
  type ServiceAnswer,
  type ServiceRecord,
} from "./resolver.ts";

export class MemoryResolver implements Resolver {
  readonly #hosts = new Map<string, HostAnswer>();
  readonly #services = new Map<string, ServiceAnswer>();
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

  host(name: string): Promise<HostAnswer> {
    const itself: HostAnswer = { addresses: [name], ttlMs: undefined };
    return this.#answer(name, () => this.#hosts.get(name) ?? itself);
  }

  service(name: string): Promise<ServiceAnswer> {
    return this.#answer(name, () => this.#services.get(name));
  }

  async #answer<Answer>(name: string, find: () => Answer | undefined): Promise<Answer> {
    this.#lookUpCounts.set(name, this.lookUpCount(name) + 1);
    const held = this.#held.get(name);
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    const answer = find();
    const failure = this.#failures.get(name) ?? (answer === undefined ? "unknown" : undefined);
    if (failure !== undefined || answer === undefined) {
      throw new NameError(failure ?? "unknown", `Cannot look up "${name}": ${failure}`);
    }
    return answer;
  }
}
