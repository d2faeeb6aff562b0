/**
 * Certificates in a thread: the main thread holds them all, and is asked at a handshake. What it has
 * said is good for a second, and no longer than no certificate has changed, for the same name and a
 * client that can verify the same; a certificate that was sent once is known by its number. Handshakes
 * that are for an authority's challenge are always asked.
 */
import type { Clock } from "../runtime/clock.ts";
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { FromThread, IdentityMessage, IdentityQuestion } from "./messages.ts";

/** How long what the main thread said is used again. */
export const KEPT_MS = 1_000;
/** Names and clients that are remembered. */
export const KEPT_MAX = 1_000;
/** Handshakes that wait for the main thread. */
export const ASKED_MAX = 10_000;

interface Kept {
  readonly identity: TlsIdentity | undefined;
  readonly untilMs: number;
}

export class RemoteCertificates {
  readonly #send: (message: FromThread) => void;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #kept = new Map<string, Kept>();
  /** By number: the same object for the same certificate, for its sessions' sake. */
  readonly #identities = new Map<number, TlsIdentity>();
  readonly #asked = new Map<number, (response: IdentityMessage) => void>();
  #lastId = 0;
  #configuration = 0;
  /** Grows when a certificate has changed. */
  readonly #version: () => number;
  #seenVersion: number;

  constructor(
    send: (message: FromThread) => void,
    clock: Pick<Clock, "nowMs">,
    version: () => number = () => 0,
  ) {
    this.#send = send;
    this.#clock = clock;
    this.#version = version;
    this.#seenVersion = version();
  }

  identify(
    listener: string,
    serverName: string,
    hello: ClientHello,
    localHost: string,
  ): TlsIdentity | undefined | Promise<TlsIdentity | undefined> {
    const version = this.#version();
    if (version !== this.#seenVersion) {
      this.#seenVersion = version;
      this.forget();
    }
    const key = JSON.stringify([listener, serverName, hello, localHost]);
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#clock.nowMs() < kept.untilMs) return kept.identity;
    return this.#ask(key, { listener, serverName, hello, localHost });
  }

  /** Another configuration serves: the next handshake of each name asks again. */
  forget(): void {
    this.#configuration++;
    this.#kept.clear();
  }

  /** The main thread has said something. */
  hear(message: IdentityMessage): void {
    this.#asked.get(message.id)?.(message);
    this.#asked.delete(message.id);
  }

  async #ask(key: string, question: IdentityQuestion): Promise<TlsIdentity | undefined> {
    if (this.#asked.size >= ASKED_MAX) throw new Error("Too many handshakes wait for certificates");
    const id = ++this.#lastId;
    const configuration = this.#configuration;
    const version = this.#version();
    const { promise, resolve } = Promise.withResolvers<IdentityMessage>();
    this.#asked.set(id, resolve);
    this.#send({ kind: "identify", id, ...question });
    const { number, identity: sent, error } = await promise;
    if (error !== undefined) throw new Error(error);
    const identity = this.#identities.get(number) ?? sent;
    if (identity?.protocols !== undefined) return identity;
    if (identity !== undefined) this.#keep(this.#identities, number, identity);
    const untilMs = this.#clock.nowMs() + KEPT_MS;
    // What was asked before something changed is not kept for what is now.
    if (configuration === this.#configuration && version === this.#version()) {
      this.#keep(this.#kept, key, { identity, untilMs });
    }
    return identity;
  }

  #keep<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
    if (map.size >= KEPT_MAX && !map.has(key)) map.delete(map.keys().next().value!);
    map.set(key, value);
  }
}
