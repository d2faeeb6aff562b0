/**
 * Active health of one server: asks repeatedly and counts. `fall` failures in a row take it
 * down, `rise` successes bring it back; it is up until it is known to be down. The first question
 * comes at a random moment of the first interval and the others vary a little, so that neither the
 * servers of an upstream nor several afcgi in front of one ask at the same time. The next question
 * waits for the response to the one before.
 *
 * It does not know what an upstream does with a server that is down.
 */
import type { Address } from "../runtime/address.ts";
import type { TimerId } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { checkHealth, type HealthResult } from "./health_check.ts";
import type { UpstreamOptions } from "./options.ts";

/** Each interval is longer or shorter by up to this part of it. */
export const HEALTH_JITTER = 0.1;

export interface HealthDeps {
  readonly runtime: Runtime;
  readonly address: Address;
  readonly options: UpstreamOptions;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** After every check; `changed` when the server went down or came back with it. */
  readonly onResult: (result: HealthResult, changed: boolean) => void;
}

export class HealthWatch {
  readonly #deps: HealthDeps;
  #isUp = true;
  /** Results in a row that speak against the present state. */
  #against = 0;
  #timer: TimerId | undefined;
  #stopping = new AbortController();
  #checking: Promise<void> | undefined;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Begins to ask; after {@link stop} also again, with the server taken for up. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#isUp = true;
    this.#against = 0;
    this.#stopping = new AbortController();
    const { options: { health }, random } = this.#deps;
    this.#schedule(health.intervalMs * random());
  }

  /** Resolves when no question is under way. */
  async stop(): Promise<void> {
    if (this.#timer !== undefined) this.#deps.runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#stopping.abort();
    await this.#checking;
  }

  #schedule(delayMs: number): void {
    const { signal } = this.#stopping;
    this.#timer = this.#deps.runtime.clock.setTimer(() => {
      this.#checking = this.#check(signal);
    }, delayMs);
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { runtime, address, options, random, onResult } = this.#deps;
    const { health, limits, protocol, tls } = options;
    const { script, timeoutMs } = health;
    const { responseHeaderMax } = limits;
    const result = await checkHealth({
      runtime,
      address,
      protocol,
      tls,
      script,
      timeoutMs,
      responseHeaderMax,
      signal,
    });
    if (signal.aborted) return;
    this.#schedule(health.intervalMs * (1 + HEALTH_JITTER * (2 * random() - 1)));
    onResult(result, this.#count(result));
  }

  #count(result: HealthResult): boolean {
    if (result.kind === "full") return false;
    if ((result.kind === "passed") === this.#isUp) {
      this.#against = 0;
      return false;
    }
    const { rise, fall } = this.#deps.options.health;
    if (++this.#against < (this.#isUp ? fall : rise)) return false;
    this.#against = 0;
    this.#isUp = !this.#isUp;
    return true;
  }
}
