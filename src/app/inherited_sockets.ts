/**
 * Where listeners are: what an address of the configuration stands for, and the listening sockets
 * that the process was given, by systemd (sd_listen_fds(3)) or by the afcgi in whose place it was
 * started (`AFCGI_LISTENERS`). A place is known by its key, for as long as configurations name it.
 */
import { type Address, formatAddress, type ServeAddress } from "../runtime/address.ts";
import { inheritedAddress } from "../runtime/inherited_socket.ts";
import { ListenError } from "../runtime/network.ts";
import type { Process } from "../runtime/process.ts";

/** Tells the new process which descriptor is whose: a JSON object. */
export const LISTENERS_VARIABLE = "AFCGI_LISTENERS";

/** The first descriptor that systemd hands over. */
const FIRST_DESCRIPTOR = 3;

/** Where a listener is, or is to be. */
export interface ListenPlace {
  readonly key: string;
  /** Undefined for a socket that is inherited by its nature: it says itself where it is. */
  readonly address: Address | undefined;
}

/** A socket that listens already. */
export interface OpenSocket {
  readonly descriptor: number;
  readonly address: Address;
}

export class InheritedSockets {
  /** By the key of the place. */
  readonly #sockets: Map<string, number>;
  /** Names that systemd gave, with the number of sockets of each. */
  readonly #names = new Map<string, number>();
  /** Sockets that are inherited by their nature and were given out: there is no other. */
  readonly #taken = new Set<string>();

  constructor(process: Pick<Process, "env" | "pid">) {
    this.#sockets = readListeners(process.env(LISTENERS_VARIABLE));
    const given = readSystemd(process);
    for (const [name, descriptor] of given) {
      this.#sockets.set(keyOf(name, this.#names.get(name) ?? 0), descriptor);
      this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
    }
    if (given.length > 0) return;
    for (const key of this.#sockets.keys()) {
      const name = /^systemd:([^#]*)#\d+$/.exec(key)?.[1];
      if (name === undefined) continue;
      this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
    }
  }

  /**
   * What an address stands for; several sockets may have one name. `number`: how many of the same
   * address are before it.
   *
   * @throws {ListenError} when there is no socket of that name
   */
  placesOf(address: ServeAddress, number: number): readonly ListenPlace[] {
    if (address.transport !== "systemd") {
      const key = `${formatAddress(address)}#${number}`;
      return [{ key, address: address.transport === "inherited" ? undefined : address }];
    }
    const { name } = address;
    const count = this.#names.get(name);
    if (count === undefined) throw new ListenError(this.#noSuchName(name));
    return Array.from({ length: count }, (_, index) => ({
      key: keyOf(name, index),
      address: undefined,
    }));
  }

  /**
   * The socket of a place that is opened, with its address: one that was given to us, and is the
   * listener's from now on. Undefined where one is to be made.
   *
   * @throws {ListenError} when it is none that listens
   */
  open({ key, address }: ListenPlace): OpenSocket | undefined {
    const own = /^fd:(\d+)#0$/.exec(key)?.[1];
    const descriptor = this.#sockets.get(key) ?? (own === undefined ? undefined : Number(own));
    if (address === undefined && (descriptor === undefined || this.#taken.has(key))) {
      const name = key.replace(/#\d+$/, "");
      throw new ListenError(
        `Cannot listen on ${name}: its socket was closed when it was taken out (restart)`,
      );
    }
    if (descriptor === undefined) return undefined;
    if (address === undefined) this.#taken.add(key);
    this.#sockets.delete(key);
    return { descriptor, address: inheritedAddress(descriptor) };
  }

  /** Those that an afcgi has handed over and nobody wants; they are the caller's to close. */
  takeRest(): readonly number[] {
    const rest = [...this.#sockets].filter(([key]) => !key.startsWith("systemd:"));
    for (const [key] of rest) this.#sockets.delete(key);
    return rest.map(([, descriptor]) => descriptor);
  }

  #noSuchName(name: string): string {
    const known = [...this.#names.keys()].map((one) => `"${one}"`).join(", ");
    return `Cannot listen on systemd:${name}: systemd has handed over ` +
      (known === "" ? "no sockets" : `${known}, but no socket of that name`) +
      ` (set FileDescriptorName=${name} in the .socket unit)`;
  }
}

function keyOf(name: string, index: number): string {
  return `systemd:${name}#${index}`;
}

function readListeners(text: string | undefined): Map<string, number> {
  if (!text) return new Map();
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return new Map();
    const isSocket = (entry: [string, unknown]): entry is [string, number] =>
      Number.isSafeInteger(entry[1]) && Number(entry[1]) >= FIRST_DESCRIPTOR;
    return new Map(Object.entries(value).filter(isSocket));
  } catch {
    return new Map();
  }
}

/** Nothing where it is meant for another process. */
function readSystemd(process: Pick<Process, "env" | "pid">): [name: string, descriptor: number][] {
  if (Number(process.env("LISTEN_PID")) !== process.pid) return [];
  const count = Number(process.env("LISTEN_FDS") ?? "0");
  if (!Number.isSafeInteger(count) || count < 1 || count > 65_536) return [];
  const names = (process.env("LISTEN_FDNAMES") ?? "").split(":");
  return Array.from({ length: count }, (_, index) => [
    names[index] || "unknown",
    FIRST_DESCRIPTOR + index,
  ]);
}
