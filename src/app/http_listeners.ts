/**
 * The listeners of HTTP, over all configurations. One is known by its place and by whether it speaks
 * TLS; it stays, with its socket and its connections, as long as a configuration names it. What
 * another configuration makes of them is prepared first: new ones are opened, and nothing else
 * changes before the commit.
 */
import type { HttpListener, ServerChanges } from "../http1/server.ts";
import type { Address } from "../runtime/address.ts";
import { ListenError } from "../runtime/network.ts";
import type { ClientBounds } from "./client_bounds.ts";
import type { InheritedSockets, ListenPlace } from "./inherited_sockets.ts";

/** What a generation serves at its places. */
export interface Served {
  readonly places: readonly (ListenPlace & { readonly isTls: boolean })[];
  /** By the place's index. Requests to what is not committed yet wait. */
  changesFor(index: number): Promise<ServerChanges>;
  /** Opens a new one. @throws {ListenError} */
  open(changes: ServerChanges, at: Address, descriptor: number | undefined): Promise<HttpListener>;
  /** Where its listeners are, in the order of the places; told before any request. */
  readonly addresses: (Address | undefined)[];
}

export interface HttpPlan {
  /** Resolves when those that go have ended. */
  commit(): Promise<void>;
  discard(): void;
}

interface Slot {
  readonly place: ListenPlace;
  readonly listener: HttpListener;
}

export class HttpListeners {
  readonly #clients: Pick<ClientBounds, "add" | "remove" | "forget">;
  readonly #inherited: InheritedSockets;
  #slots: ReadonlyMap<string, Slot> = new Map();
  /** Those that have stopped accepting, and not ended yet. */
  readonly #leaving = new Set<HttpListener>();
  /** Whether no configuration has been committed yet. */
  #isFirst = true;

  constructor(
    clients: Pick<ClientBounds, "add" | "remove" | "forget">,
    inherited: InheritedSockets,
  ) {
    this.#clients = clients;
    this.#inherited = inherited;
  }

  /** @throws {ListenError} */
  async prepare(served: Served): Promise<HttpPlan> {
    const fresh: HttpListener[] = [];
    const isFirst = this.#isFirst;
    const slots = new Map<string, Slot>();
    const changes = new Map<string, ServerChanges>();
    try {
      for (const [index, place] of served.places.entries()) {
        const key = keyOf(place);
        const made = await served.changesFor(index);
        const known = this.#slots.get(key);
        const listener = known?.listener ?? await this.#open(place, made, served);
        if (known === undefined) {
          fresh.push(listener);
          // The socket may be another listener's, which serves until the commit, or for good.
          if (!isFirst) listener.pause("preparing");
          this.#clients.add(listener);
        }
        served.addresses[index] = listener.address;
        changes.set(key, made);
        slots.set(key, { place, listener });
      }
    } catch (error) {
      this.#discard(fresh);
      throw error;
    }
    const commit = () => {
      for (const [key, { listener }] of slots) listener.configure(changes.get(key)!);
      const gone = this.#use(slots);
      if (!isFirst) { for (const listener of fresh) listener.resume("preparing"); }
      this.#isFirst = false;
      return gone;
    };
    return { commit, discard: () => this.#discard(fresh) };
  }

  /** Every socket by the key of its place; undefined where one has no descriptor to hand over. */
  descriptors(): ReadonlyMap<string, number> | undefined {
    const found = new Map<string, number>();
    for (const { place, listener: { descriptor } } of this.#slots.values()) {
      if (descriptor === undefined) return undefined;
      found.set(place.key, descriptor);
    }
    return found;
  }

  /** Another process listens at the same places: files of unix sockets stay. */
  keepFiles(): void {
    for (const { listener } of this.#slots.values()) listener.keepFile();
  }

  async stop(lingerMs: number): Promise<void> {
    await Promise.all(this.#all().map((listener) => listener.stop(lingerMs)));
  }

  destroy(): void {
    for (const listener of this.#all()) listener.destroy();
  }

  #all(): HttpListener[] {
    return [...[...this.#slots.values()].map(({ listener }) => listener), ...this.#leaving];
  }

  /** One that was given to us, or that has the socket already and changes its TLS, or a new one. */
  async #open(
    place: Served["places"][number],
    changes: ServerChanges,
    served: Served,
  ): Promise<HttpListener> {
    const { key, isTls } = place;
    const other = this.#slots.get(keyOf({ key, isTls: !isTls }))?.listener;
    if (other !== undefined) {
      const descriptor = other.duplicate();
      if (descriptor !== undefined) return await served.open(changes, other.address, descriptor);
      const name = key.replace(/#\d+$/, "");
      throw new ListenError(`Cannot change the TLS of ${name} while it listens (restart)`);
    }
    const given = this.#inherited.open(place);
    const address = given?.address ?? place.address!;
    const listener = await served.open(changes, address, given?.descriptor);
    // Who has opened it keeps it for the next one.
    if (place.address === undefined) listener.keepFile();
    return listener;
  }

  async #use(slots: ReadonlyMap<string, Slot>): Promise<void> {
    const gone = [...this.#slots].filter(([key]) => !slots.has(key)).map(([, slot]) => slot);
    this.#slots = slots;
    const places = new Set([...slots.values()].map(({ place }) => place.key));
    await Promise.all(gone.map(async ({ place, listener }) => {
      this.#clients.remove(listener);
      this.#leaving.add(listener);
      // The same socket, with or without TLS.
      if (places.has(place.key)) listener.keepFile();
      await listener.stop(GONE_LINGER_MS);
      this.#leaving.delete(listener);
      this.#clients.forget(listener);
    }));
  }

  #discard(fresh: readonly HttpListener[]): void {
    for (const listener of fresh) {
      this.#clients.remove(listener);
      this.#clients.forget(listener);
      listener.destroy();
    }
  }
}

/** How long an idle connection of a listener that is gone may begin one more request. */
export const GONE_LINGER_MS = 1_000;

function keyOf({ key, isTls }: { readonly key: string; readonly isTls: boolean }): string {
  return `${key} ${isTls ? "tls" : "plain"}`;
}
