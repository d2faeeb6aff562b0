/**
 * What is remembered in the store of orders that failed, so that processes which share it, and those
 * that are started repeatedly, do not ask an authority more often than one alone.
 */
import type { CertificateStore } from "../certificates/store.ts";
import { isRecord, parseJson } from "./json.ts";

/** A process that was just started may try again so soon: somebody may have mended what was wrong. */
const RESTART_WAIT_MS = 60_000;

export interface OrderFailure {
  /** In a row. */
  readonly count: number;
  readonly failedMs: number;
  /** Not before then. */
  readonly retryMs: number;
  /** Whether the authority itself said so. */
  readonly isOrdered: boolean;
  /** What was told to the authority; with other settings it may go better at once. */
  readonly settings: string;
}

export class FailureMemory {
  readonly #store: CertificateStore;
  readonly #file: string;

  /** `name` is that of the certificate in the store. */
  constructor(store: CertificateStore, name: string) {
    this.#store = store;
    this.#file = `${name}.json`;
  }

  read(): OrderFailure | undefined {
    const value = parseJson(this.#store.read("failures", this.#file) ?? "");
    if (!isRecord(value)) return undefined;
    const { count, failedMs, retryMs, isOrdered, settings } = value;
    const isWhole = typeof count === "number" && typeof failedMs === "number" &&
      typeof retryMs === "number" && typeof isOrdered === "boolean" &&
      typeof settings === "string";
    return isWhole ? { count, failedMs, retryMs, isOrdered, settings } : undefined;
  }

  async write(failure: OrderFailure): Promise<void> {
    await this.#store.write("failures", this.#file, JSON.stringify(failure));
  }

  clear(): void {
    this.#store.remove("failures", this.#file);
  }
}

/** When the next order may be placed; a clock that was set back keeps nobody waiting for ever. */
export function notBefore(failure: OrderFailure, isRestarted: boolean, nowMs: number): number {
  const { failedMs, retryMs, isOrdered } = failure;
  if (failedMs > nowMs) return nowMs;
  return isRestarted && !isOrdered ? Math.min(retryMs, failedMs + RESTART_WAIT_MS) : retryMs;
}
