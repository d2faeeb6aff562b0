/**
 * Addresses in memory: who listens, who is connected, and the ways in which a connect can fail. What
 * nobody listens on refuses. Listeners get their connection before `connect` resolves, as an
 * application that is already waiting would.
 */
import { type Address, formatAddress } from "../../../src/runtime/address.ts";
import { connectAborted } from "../../../src/runtime/failures.ts";
import { type MemoryConnection, memoryPair, type MemoryPairOptions } from "./memory_connection.ts";
import type { ByteConnection } from "../../../src/runtime/connection.ts";
import type { ByteListener } from "../../../src/runtime/listener.ts";
import { ConnectError, type ConnectFailure, ListenError } from "../../../src/runtime/network.ts";

type Accept = (connection: MemoryConnection) => void;

/** The port that stands in for port 0; each listener gets the next one. */
const FIRST_PORT = 49_152;

/** Listeners and connections without an operating system. */
export class MemoryNetwork {
  readonly #options: MemoryPairOptions;
  readonly #listeners = new Map<string, Accept>();
  readonly #failures = new Map<string, ConnectFailure>();
  readonly #silent = new Set<string>();
  readonly #connectCounts = new Map<string, number>();
  #nextPort = FIRST_PORT;

  /** The options hold for every connection. */
  constructor(options: MemoryPairOptions = {}) {
    this.#options = options;
  }

  /** @throws {ConnectError} */
  async connect(
    address: Address,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<MemoryConnection> {
    const name = formatAddress(address);
    this.#connectCounts.set(name, this.connectCount(address) + 1);
    if (signal?.aborted) throw connectAborted(address, signal);
    if (this.#silent.has(name)) await waitForAbort(address, signal);
    const accept = this.#listeners.get(name);
    const failure = this.#failures.get(name) ?? (accept ? undefined : "refused");
    if (failure !== undefined || accept === undefined) {
      throw new ConnectError(failure ?? "refused", `Cannot connect to ${name}: ${failure}`);
    }
    const [ours, theirs] = memoryPair({ ...this.#options, names: ["memory:client", name] });
    accept(theirs);
    return ours;
  }

  /** @throws {ListenError} */
  async listen(
    address: Address,
    onConnection: (connection: ByteConnection) => void,
  ): Promise<ByteListener> {
    const inForce = this.#withPort(address);
    const name = formatAddress(inForce);
    if (this.#listeners.has(name)) {
      throw new ListenError(`Cannot listen on ${name}: the address is in use`);
    }
    this.#listeners.set(name, onConnection);
    return { address: inForce, close: () => void this.#listeners.delete(name) };
  }

  /** How often a connect to the address was tried. */
  connectCount(address: Address): number {
    return this.#connectCounts.get(formatAddress(address)) ?? 0;
  }

  /** From now on a connect fails so; without a failure it works again. */
  fail(address: Address, failure?: ConnectFailure): void {
    if (failure === undefined) this.#failures.delete(formatAddress(address));
    else this.#failures.set(formatAddress(address), failure);
  }

  /** From now on a connect is never answered and ends only when its caller gives up. */
  silence(address: Address): void {
    this.#silent.add(formatAddress(address));
  }

  #withPort(address: Address): Address {
    if (address.transport === "unix" || address.port !== 0) return address;
    return { ...address, port: this.#nextPort++ };
  }
}

function waitForAbort(address: Address, signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(connectAborted(address, signal)));
  });
}
