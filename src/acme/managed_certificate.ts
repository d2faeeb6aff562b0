/**
 * One certificate and everything that becomes of it: read from the store, ordered, renewed in time,
 * tried again. The one that is there is served until the next one is; of all processes that share the
 * store one orders at a time, and the others take what it has got.
 *
 *     (none) ──order──► held ──renewal time──► order ──► held …
 *        ▲                 ▲                     │
 *        └──── back-off ───┴───── back-off ◄─────┘ failed
 */
import { joinPem } from "../certificates/pem.ts";
import { type CertificateStore, PrivateDirectoryError, storeName } from "../certificates/store.ts";
import { LockLostError } from "../certificates/store_lock.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { TlsNetwork } from "../runtime/tls.ts";
import type { Authority } from "./authority.ts";
import { FailureMemory, notBefore } from "./failure_memory.ts";
import { type IssuedCertificate, parseIssued, readIssued } from "./issued_certificate.ts";
import type { RenewalWindow } from "./messages.ts";
import type { AcmeOptions } from "./options.ts";
import { AcmeError } from "./problem.ts";
import { backOffMs, renewalMs } from "./schedule.ts";
import { sleepUntil } from "./sleep.ts";
import type { Turns } from "./turns.ts";

/** After so many failures in a row an order is tried out elsewhere first, where there is a place. */
const TRIED_OUT_AFTER = 2;
/** How soon an authority is asked again that did not say when to renew. */
const ADVICE_RETRY_MS = 3_600_000;
/** Shortest time between two renewals, whatever an authority advises, unless lives are short. */
const RENEWAL_INTERVAL_MIN_MS = 3_600_000;

/** How often it is tried again to store a certificate. */
const STORE_RETRY_MS = 60_000;

export type OrderResult = "issued" | "failed";

export interface ManagedDeps {
  readonly store: CertificateStore;
  readonly clock: Clock;
  readonly tls: Pick<TlsNetwork, "readCertificates">;
  readonly log: Logger;
  readonly authority: Authority;
  /** Where an order is tried out that keeps failing. */
  readonly staging: Authority | undefined;
  readonly options: Pick<AcmeOptions, "directory" | "challenges" | "profile">;
  /** A digest of what the authority is told of us, by which failures are remembered. */
  readonly settings: string;
  /** How many orders run at a time. */
  readonly turns: Turns;
  readonly onOrder: (result: OrderResult) => void;
  /** Another certificate serves from the next handshake on. */
  readonly onHeld?: (() => void) | undefined;
  /** From 0 to 1. */
  readonly random: () => number;
}

export class ManagedCertificate {
  /** In lower case; the first one names it. */
  readonly names: readonly string[];
  readonly #deps: ManagedDeps;
  readonly #spread: number;
  readonly #file: string;
  readonly #failures: FailureMemory;
  #held: IssuedCertificate | undefined;
  /** What the store has not taken. */
  #unstored: string | undefined;
  #advice: RenewalWindow | undefined;
  #adviceUntilMs = 0;
  /** Whether this process has not tried yet. */
  #isRestarted: boolean;
  #attempt = Promise.withResolvers<void>();

  /**
   * With what the store holds. With `isRestarted` it is tried soon, however often it
   * failed before: who starts a process may have mended what was wrong.
   *
   * @throws {PrivateDirectoryError}
   */
  static async open(
    names: readonly string[],
    deps: ManagedDeps,
    isRestarted = true,
  ): Promise<ManagedCertificate> {
    const { host, pathname } = new URL(deps.options.directory);
    const name = `${await storeName(names.join(","))}@${await storeName(host + pathname)}`;
    const certificate = new ManagedCertificate(names, name, deps, isRestarted);
    certificate.#load();
    return certificate;
  }

  private constructor(
    names: readonly string[],
    name: string,
    deps: ManagedDeps,
    isRestarted: boolean,
  ) {
    this.names = names;
    this.#deps = deps;
    this.#spread = deps.random();
    this.#file = name;
    this.#failures = new FailureMemory(deps.store, name);
    this.#isRestarted = isRestarted;
  }

  /** Undefined: there is none yet. */
  get identity(): TlsIdentity | undefined {
    return this.#held?.identity;
  }

  /** Milliseconds since 1970; undefined: there is none yet. */
  get notAfterMs(): number | undefined {
    return this.#held?.notAfterMs;
  }

  /** Resolves when the attempt that is under way, or the next one, has come to an end. */
  get attempted(): Promise<void> {
    return this.#attempt.promise;
  }

  /** Sees to it until the signal fires. `mayRenew` is asked before each order. */
  async run(signal: AbortSignal, mayRenew?: () => Promise<boolean>): Promise<void> {
    try {
      for (;;) {
        await this.#untilDue(signal);
        if (mayRenew !== undefined && !await mayRenew()) return;
        await this.#orderOrBackOff(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #orderOrBackOff(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let retryMs: number;
    try {
      retryMs = await this.#deps.turns.take(() => this.#orderOnce(signal), signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // The store itself, or the lock: nothing of it can be remembered there.
      retryMs = clock.wallMs() + backOffMs(1, this.#deps.random());
      this.#logFailure(error, 1, retryMs);
    }
    this.#attempt.resolve();
    this.#attempt = Promise.withResolvers();
    await sleepUntil(clock, retryMs, signal);
  }

  /** Holds the lock meanwhile; until when to wait then. */
  async #orderOnce(signal: AbortSignal): Promise<number> {
    const { store, clock } = this.#deps;
    return await store.withLock(`order-${this.#file}`, async (lost) => {
      // Another process may have been here meanwhile.
      this.#load();
      if (this.#held !== undefined && this.#dueMs() > clock.wallMs()) return 0;
      const remembered = this.#failures.read();
      const failure = remembered?.settings === this.#deps.settings ? remembered : undefined;
      const untilMs = failure && notBefore(failure, this.#isRestarted, clock.wallMs());
      if (untilMs !== undefined && untilMs > clock.wallMs()) return this.#wait(untilMs);
      this.#isRestarted = false;
      const count = failure?.count ?? 0;
      try {
        await this.#order(count, AbortSignal.any([signal, lost]));
      } catch (error) {
        if (signal.aborted || error instanceof LockLostError) throw error;
        return await this.#failed(error, count + 1);
      }
      if (remembered !== undefined) this.#failures.clear();
      const waitMs = this.#unstored === undefined ? RENEWAL_INTERVAL_MIN_MS : STORE_RETRY_MS;
      return Math.min(clock.wallMs() + waitMs, this.#thirdOfLifeMs());
    }, signal);
  }

  async #order(failures: number, signal: AbortSignal): Promise<void> {
    const { authority, staging, options, log, tls, clock } = this.#deps;
    const challenges = rotated(options.challenges, failures);
    const request = { names: this.names, challenges };
    if (staging !== undefined && failures >= TRIED_OUT_AFTER) {
      await staging.order({ ...request, profile: undefined, replaces: undefined }, signal);
    }
    const files = await authority.order({
      ...request,
      profile: options.profile,
      replaces: this.#held?.id,
    }, signal);
    const issued = readIssued(files, this.names, tls);
    if (issued.notAfterMs <= clock.wallMs()) {
      throw new AcmeError(
        "Cannot use the certificate: it has expired (is this machine's clock right?)",
      );
    }
    // What another process may do by now is its own.
    signal.throwIfAborted();
    await this.#store(joinPem(issued.identity));
    const isFirst = this.#held === undefined;
    this.#hold(issued);
    this.#deps.onOrder("issued");
    log.info(isFirst ? "Certificate issued" : "Certificate renewed", {
      code: "certificate_renewed",
      names: this.names.join(" "),
      authority: authority.name,
      not_after: new Date(issued.notAfterMs).toISOString(),
    });
  }

  /** One that cannot be stored is served all the same: an authority does not give it twice. */
  async #store(text: string): Promise<void> {
    const { store, log } = this.#deps;
    const wasTold = this.#unstored !== undefined;
    try {
      await store.write("certificates", `${this.#file}.pem`, text);
      this.#unstored = undefined;
    } catch (error) {
      this.#unstored = text;
      if (wasTold) return;
      const why = error instanceof Error ? error.message : String(error);
      log.error(`A certificate is served, but cannot be kept: ${why}`, {
        code: "certificate_not_stored",
        names: this.names.join(" "),
      });
    }
  }

  async #storeAgain(): Promise<void> {
    if (this.#unstored === undefined) return;
    const before = this.#held;
    try {
      this.#load();
    } catch (error) {
      if (!(error instanceof PrivateDirectoryError)) throw error;
      // That the store does not work was told: it is tried again.
      return;
    }
    // Another process has had a newer one.
    if (this.#held !== before) this.#unstored = undefined;
    else await this.#store(this.#unstored);
  }

  async #failed(error: unknown, count: number): Promise<number> {
    const { clock, random, onOrder } = this.#deps;
    onOrder("failed");
    const failedMs = clock.wallMs();
    const orderedMs = error instanceof AcmeError ? error.retryAfterMs ?? 0 : 0;
    const retryMs = failedMs + Math.max(backOffMs(count, random()), orderedMs);
    this.#logFailure(error, count, retryMs);
    const { settings } = this.#deps;
    await this.#failures.write({ count, failedMs, retryMs, isOrdered: orderedMs > 0, settings });
    return retryMs;
  }

  #wait(untilMs: number): number {
    const { log, clock } = this.#deps;
    log.info("An order failed not long ago: the next one waits", {
      names: this.names.join(" "),
      retry_in_s: Math.round((untilMs - clock.wallMs()) / 1000),
    });
    return untilMs;
  }

  #logFailure(error: unknown, count: number, retryMs: number): void {
    const { log, authority, clock } = this.#deps;
    log.error(error instanceof Error ? error.message : String(error), {
      code: "certificate_failed",
      names: this.names.join(" "),
      authority: authority.name,
      problem: error instanceof AcmeError && error.type !== "" ? error.type : undefined,
      failures: count,
      retry_in_s: Math.round((retryMs - clock.wallMs()) / 1000),
      expires: this.#held && new Date(this.#held.notAfterMs).toISOString(),
    });
  }

  /** At once where there is no certificate. */
  async #untilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (this.#held !== undefined) {
      await this.#storeAgain();
      await this.#askAdvice(this.#held);
      const dueMs = this.#dueMs();
      if (dueMs <= clock.wallMs()) return;
      const storeMs = this.#unstored === undefined ? Infinity : clock.wallMs() + STORE_RETRY_MS;
      await sleepUntil(clock, Math.min(dueMs, this.#adviceUntilMs, storeMs), signal);
    }
  }

  #dueMs(): number {
    return this.#held === undefined ? 0 : renewalMs(this.#held, this.#spread, this.#advice);
  }

  #thirdOfLifeMs(): number {
    const { notBeforeMs = 0, notAfterMs = 0 } = this.#held ?? {};
    return this.#deps.clock.wallMs() + (notAfterMs - notBeforeMs) / 3;
  }

  /** Without a response the usual time holds, and it is asked again later. */
  async #askAdvice({ id }: IssuedCertificate): Promise<void> {
    const { authority, clock, log } = this.#deps;
    if (clock.wallMs() < this.#adviceUntilMs) return;
    this.#adviceUntilMs = Infinity;
    if (id === undefined) return;
    try {
      const advice = await authority.renewalAdvice(id);
      if (advice === undefined) return;
      this.#advice = advice.window;
      this.#adviceUntilMs = clock.wallMs() + advice.ageMs;
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error;
      log.debug(error.message, { names: this.names.join(" "), authority: authority.name });
      this.#adviceUntilMs = clock.wallMs() + ADVICE_RETRY_MS;
    }
  }

  /** Takes what lies in the store, if it is newer than what is held. */
  #load(): void {
    const { store, tls, log } = this.#deps;
    const text = store.read("certificates", `${this.#file}.pem`);
    if (text === undefined) return;
    try {
      const issued = parseIssued(text, this.names, tls);
      if (issued.notAfterMs > (this.#held?.notAfterMs ?? -Infinity)) this.#hold(issued);
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error;
      log.warn(`${error.message} (the file in the store is left alone, another is ordered)`, {
        names: this.names.join(" "),
      });
    }
  }

  #hold(issued: IssuedCertificate): void {
    this.#held = issued;
    this.#advice = undefined;
    this.#adviceUntilMs = 0;
    this.#deps.onHeld?.();
  }
}

/** What failed is not tried first the next time. */
function rotated<T>(items: readonly T[], count: number): readonly T[] {
  const first = count % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
