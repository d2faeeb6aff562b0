/**
 * The admin address, and the one for probes, which shows less and changes nothing. Both are opened
 * once and stay: who watches and steers must not lose them by what he steers.
 */
import { type HttpListener, serveHttp1 } from "../http1/server.ts";
import type { Address } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { adminAdmission } from "./admin_limits.ts";
import type { AdminCalls, Generation } from "./generation.ts";
import type { InheritedSockets } from "./inherited_sockets.ts";

/** By the keys of their sockets. */
const KINDS = ["admin", "health"] as const;
export type AdminKind = (typeof KINDS)[number];

export class AdminListeners {
  readonly #listeners = new Map<AdminKind, HttpListener>();
  readonly #calls: AdminCalls;

  constructor(calls: AdminCalls) {
    this.#calls = calls;
  }

  addressOf(kind: AdminKind): Address | undefined {
    return this.#listeners.get(kind)?.address;
  }

  /** `owned` says whose a unix socket is. @throws {ListenError} */
  async open(
    generation: Generation,
    { runtime, inherited, owned }: {
      readonly runtime: Runtime;
      readonly inherited: InheritedSockets;
      readonly owned: (address: Address) => Address;
    },
  ): Promise<void> {
    for (const kind of KINDS) {
      const address = generation.options[kind];
      if (address === undefined) continue;
      const given = inherited.open({ key: kind, address });
      const listener = await serveHttp1(runtime, {
        ...generation.adminChanges(kind, this.#calls),
        address: given?.address ?? owned(address),
        descriptor: given?.descriptor,
        admission: adminAdmission(),
      });
      this.#listeners.set(kind, listener);
    }
  }

  /** They speak of this generation from now on. */
  configure(generation: Generation): void {
    for (const [kind, listener] of this.#listeners) {
      listener.configure(generation.adminChanges(kind, this.#calls));
    }
  }

  /** Their sockets by key; undefined where one cannot be handed over. */
  descriptors(): ReadonlyMap<string, number> | undefined {
    const found = new Map<string, number>();
    for (const [kind, { descriptor }] of this.#listeners) {
      if (descriptor === undefined) return undefined;
      found.set(kind, descriptor);
    }
    return found;
  }

  /** Another process serves at the same places. */
  leave(): void {
    for (const listener of this.#listeners.values()) listener.keepFile();
    this.destroy();
  }

  destroy(): void {
    for (const listener of this.#listeners.values()) listener.destroy();
  }
}
