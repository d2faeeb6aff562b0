/**
 * How many connections clients may have, over all listeners of HTTP and Gemini: in all, so that
 * descriptors are left for files and applications, and of one address (of IPv6: a /64). A proxy that a
 * site trusts stands for many clients, so only the whole bounds its address; so does it clients of
 * unix sockets, which have none. The TCP peer counts: what a proxy says of its client is known only
 * when a request has come.
 *
 * At the bound a client is refused, or waits in the system's queue where listeners can pause.
 */
import { addressGroup } from "../routing/address_group.ts";
import type { ByteListener } from "../runtime/listener.ts";

/** What happens to clients at the bound. */
export const WHEN_FULL = ["refuse", "wait"] as const;
export type WhenFull = (typeof WHEN_FULL)[number];

/** Why a client was refused: there are too many, or too many of its address. */
export type ConnectionRefusal = "full" | "address";

/** Connections that other threads have, too; in one sum, and of each address. */
export interface ClientShare {
  /** The main thread and those that serve. */
  readonly threads: number;
  /**
   * Of all threads. For the one that accepts those that threads have not taken yet count, too, or it
   * would accept more than they may serve.
   */
  readonly total: number;
  /** Whether this thread accepts for all: then it lets clients wait, and no other one does. */
  readonly accepts: boolean;
  /** Calls when others may have more, or fewer. */
  listen(look: () => void): void;
  /** Nobody is accepted from now on, or somebody is again. */
  wait(isWaiting: boolean): void;
  /** Counts one more, unless there would be too many. */
  enter(max: number): boolean;
  leave(): void;
  /** The same of an address, or a /64. */
  enterAddress(group: string, max: number): boolean;
  leaveAddress(group: string): void;
}

export interface ClientConnectionOptions {
  /** Left out: there are no other threads. */
  readonly share?: ClientShare | undefined;
  readonly max: number;
  readonly perAddressMax: number;
  readonly whenFull: WhenFull;
  /** Whether an address has no bound of its own. */
  readonly isExempt: (host: string) => boolean;
  readonly onRefused: (refusal: ConnectionRefusal, host: string) => void;
  readonly onWaiting: (isWaiting: boolean) => void;
}

export type Pausable = Pick<ByteListener, "pause" | "resume">;

export class ClientConnections {
  #options: ClientConnectionOptions;
  readonly #listeners = new Set<Pausable>();
  /** Connections of each address that has some, and is not exempt. */
  readonly #byAddress = new Map<string, number>();
  /** Those of hosts that were exempt when they came: others of their /64 may not be. */
  readonly #exempt = new Map<string, number>();
  #open = 0;
  #isWaiting = false;

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    options.share?.listen(() => this.look());
  }

  /** These bounds from now on; connections that are open stay. */
  configure(options: Omit<ClientConnectionOptions, "onRefused" | "onWaiting">): void {
    this.#options = { ...this.#options, ...options };
    this.look();
  }

  get max(): number {
    return this.#options.max;
  }

  get perAddressMax(): number {
    return this.#options.perAddressMax;
  }

  get open(): number {
    return this.#open;
  }

  /** Addresses that are remembered, for tests of the bound. */
  get addresses(): number {
    return this.#byAddress.size + this.#exempt.size;
  }

  add(listener: Pausable): void {
    this.#listeners.add(listener);
    if (this.#isWaiting) listener.pause?.("full");
  }

  remove(listener: Pausable): void {
    this.#listeners.delete(listener);
  }

  /** Counts a connection, unless it is one too many. */
  admit(host: string): boolean {
    const { max, perAddressMax, isExempt, share } = this.#options;
    if (this.#open >= max || share?.enter(max) === false) return this.#refuse("full", host);
    if (host === "" || isExempt(host)) add(this.#exempt, host, 1);
    else {
      const group = addressGroup(host);
      const count = this.#byAddress.get(group) ?? 0;
      const isFull = count >= perAddressMax || share?.enterAddress(group, perAddressMax) === false;
      if (isFull) {
        share?.leave();
        return this.#refuse("address", host);
      }
      add(this.#byAddress, group, 1);
    }
    this.#open++;
    this.look();
    return true;
  }

  /**
   * A connection that was admitted has gone. Of a host whose bound has changed meanwhile those go
   * first that have none, so no address ever has one too many.
   */
  leave(host: string): void {
    const { share } = this.#options;
    this.#open--;
    share?.leave();
    if (this.#exempt.has(host)) add(this.#exempt, host, -1);
    else {
      const group = addressGroup(host);
      add(this.#byAddress, group, -1);
      share?.leaveAddress(group);
    }
    this.look();
  }

  /** Whether clients are to wait, or to wait no longer. */
  look(): void {
    const { whenFull, max, share } = this.#options;
    const mayWait = whenFull === "wait" && share?.accepts !== false;
    if (!mayWait && !this.#isWaiting) return;
    const waits = mayWait && this.#total >= max;
    if (waits !== this.#isWaiting) this.#wait(waits);
  }

  get #total(): number {
    return this.#options.share?.total ?? this.#open;
  }

  #refuse(refusal: ConnectionRefusal, host: string): false {
    this.#options.onRefused(refusal, host);
    return false;
  }

  #wait(isWaiting: boolean): void {
    this.#isWaiting = isWaiting;
    this.#options.share?.wait(isWaiting);
    for (const listener of this.#listeners) {
      if (isWaiting) listener.pause?.("full");
      else listener.resume?.("full");
    }
    this.#options.onWaiting(isWaiting);
    // One may have left before others knew that this is waited for.
    if (isWaiting && this.#options.share !== undefined) this.look();
  }
}

/** Counts so many more of it; what has none is forgotten. */
function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
