/**
 * Certificates for names that nobody has written down: at a client's first handshake an address of
 * the operator's is asked whether the name may have one. Everything that strangers can set in motion
 * by making up names is bounded: questions at a time, orders in a time, names that are remembered.
 */
import type { LimitedLog } from "../observe/limited_log.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import { OutgoingError, type SendRequest } from "../runtime/https_client.ts";
import { ManagedCertificate, type ManagedDeps } from "./managed_certificate.ts";
import type { OnDemandOptions } from "./options.ts";
import { sleep } from "./sleep.ts";

/** Names whose certificates are held in memory; the rest lies in the store. */
export const ON_DEMAND_NAMES_MAX = 10_000;
/** Names that are remembered as not allowed. */
export const REFUSED_NAMES_MAX = 10_000;
/** New names that are asked for, or ordered, at a time. */
export const NEW_NAMES_AT_ONCE_MAX = 32;
/** How long a handshake waits for its certificate. */
export const ON_DEMAND_WAIT_MS = 30_000;
/** How long a name that was refused, or could not be had, is not asked for again. */
export const REFUSED_MS = 60_000;
const ASK_TIMEOUT_MS = 5_000;
const ASK_LENGTH_MAX = 64 * 1024;

/** Labels of letters, digits and hyphens, two at least, the last one not a number. */
const NAME = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9-]{2,63}$/;

export interface OnDemandDeps extends ManagedDeps {
  readonly sendRequest: SendRequest;
  readonly limited: LimitedLog;
  readonly signal: AbortSignal;
  /** Names whose certificates are held in memory; left out: {@link ON_DEMAND_NAMES_MAX}. */
  readonly namesMax?: number | undefined;
}

interface Entry {
  readonly certificate: ManagedCertificate;
  readonly stop: AbortController;
}

export class OnDemand {
  readonly #options: OnDemandOptions;
  readonly #deps: OnDemandDeps;
  /** The one that was used last stands last. */
  readonly #entries = new Map<string, Entry>();
  readonly #new = new Map<string, Promise<TlsIdentity | undefined>>();
  /** Until when, by the clock. */
  readonly #refused = new Map<string, number>();
  /** Orders that may begin now. */
  #tokens: number;
  #filledMs: number;

  constructor(options: OnDemandOptions, deps: OnDemandDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#tokens = options.rateCount;
    this.#filledMs = deps.clock.nowMs();
  }

  /** Undefined where there is none, now or at all. */
  find(name: string): TlsIdentity | undefined | Promise<TlsIdentity | undefined> {
    const entry = this.#entries.get(name);
    if (entry !== undefined) {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
      return entry.certificate.identity;
    }
    const underWay = this.#new.get(name);
    if (underWay !== undefined) return underWay;
    if (!NAME.test(name) || this.#isRefused(name)) return undefined;
    if (this.#new.size >= NEW_NAMES_AT_ONCE_MAX) {
      this.#warn("Too many new names at once: a handshake was refused", name);
      return undefined;
    }
    const made = this.#begin(name);
    this.#new.set(name, made);
    return made;
  }

  held(): readonly ManagedCertificate[] {
    return [...this.#entries.values()].map(({ certificate }) => certificate);
  }

  /** Never rejects. */
  async #begin(name: string): Promise<TlsIdentity | undefined> {
    const done = this.#make(name).catch((error: unknown) => {
      this.#warn(error instanceof Error ? error.message : String(error), name);
      this.#refuse(name);
      return undefined;
    }).finally(() => this.#new.delete(name));
    // The order goes on; who comes later finds what became of it.
    const late = new AbortController();
    const limit = sleep(this.#deps.clock, ON_DEMAND_WAIT_MS, late.signal).catch(() => {});
    return await Promise.race([done, limit.then(() => undefined)]).finally(() => late.abort());
  }

  async #make(name: string): Promise<TlsIdentity | undefined> {
    const { clock } = this.#deps;
    const certificate = await ManagedCertificate.open([name], this.#deps, false);
    const { notAfterMs } = certificate;
    let isAsked = notAfterMs === undefined || notAfterMs <= clock.wallMs();
    if (isAsked) {
      if (!await this.#isAllowed(name)) {
        this.#refuse(name);
        return undefined;
      }
      if (!this.#takeToken()) {
        this.#warn("No more new names for now (acme.on_demand.rate)", name);
        return undefined;
      }
    }
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#deps.signal]);
    const attempted = certificate.attempted;
    const mayRenew = async (): Promise<boolean> => {
      const wasAsked = isAsked;
      isAsked = false;
      return wasAsked || await this.#isAllowed(name);
    };
    const end = certificate.run(signal, mayRenew).catch(() => {}).finally(() => {
      if (this.#entries.get(name)?.certificate === certificate) this.#entries.delete(name);
    });
    if (certificate.identity === undefined) await Promise.race([attempted, end]);
    if (certificate.identity === undefined) {
      // Nobody may have asked twice: it is tried again when somebody does.
      stop.abort();
      this.#refuse(name);
      return undefined;
    }
    this.#keep(name, { certificate, stop });
    return certificate.identity;
  }

  #keep(name: string, entry: Entry): void {
    this.#entries.set(name, entry);
    if (this.#entries.size <= (this.#deps.namesMax ?? ON_DEMAND_NAMES_MAX)) return;
    const [oldest, { stop }] = this.#entries.entries().next().value!;
    this.#entries.delete(oldest);
    stop.abort();
  }

  async #isAllowed(name: string): Promise<boolean> {
    const { ask } = this.#options;
    const url = `${ask}${ask.includes("?") ? "&" : "?"}domain=${encodeURIComponent(name)}`;
    try {
      const { status } = await this.#deps.sendRequest({
        method: "GET",
        url,
        headers: {},
        timeoutMs: ASK_TIMEOUT_MS,
        bodyLengthMax: ASK_LENGTH_MAX,
        signal: this.#deps.signal,
      });
      return status === 200;
    } catch (error) {
      if (!(error instanceof OutgoingError)) throw error;
      this.#warn(`Cannot ask whether a name may have a certificate: ${error.message}`, name);
      return false;
    }
  }

  #isRefused(name: string): boolean {
    const untilMs = this.#refused.get(name);
    if (untilMs === undefined) return false;
    if (untilMs > this.#deps.clock.nowMs()) return true;
    this.#refused.delete(name);
    return false;
  }

  #refuse(name: string): void {
    this.#refused.delete(name);
    this.#refused.set(name, this.#deps.clock.nowMs() + REFUSED_MS);
    if (this.#refused.size <= REFUSED_NAMES_MAX) return;
    this.#refused.delete(this.#refused.keys().next().value!);
  }

  #takeToken(): boolean {
    const { rateCount, ratePeriodMs } = this.#options;
    const nowMs = this.#deps.clock.nowMs();
    const filled = (nowMs - this.#filledMs) * rateCount / ratePeriodMs;
    this.#tokens = Math.min(rateCount, this.#tokens + filled);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #warn(message: string, name: string): void {
    this.#deps.limited.log(`on_demand ${message.slice(0, 40)}`, "warn", message, { name });
  }
}
