/**
 * The question FCGI_GET_VALUES at one server, and when it is asked: one at a time, and again later
 * where every worker was too busy to read it. It does not know what follows from the response.
 */
import type { Address } from "../runtime/address.ts";
import type { TimerId } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { negotiate, type Negotiation, NEGOTIATION_TIMEOUT_MS } from "./negotiation.ts";

/** How long requests wait for the response to the question before they go without it. */
export const QUESTION_PATIENCE_MS = 50;
/** When a server that was too busy to read the question is asked again; doubled each time. */
export const ASK_AGAIN_MS = 10_000;
export const ASK_AGAIN_MAX_MS = 600_000;

export interface ServerQuestionDeps {
  readonly runtime: Runtime;
  readonly address: Address;
  readonly connectTimeoutMs: number;
  /** Requests need not wait for the response any longer. */
  readonly onLong: () => void;
  readonly onReply: (negotiation: Negotiation) => void;
  /** There is no connection to ask on. */
  readonly onFailed: (cause: unknown) => void;
  /** It is time to ask once more. */
  readonly onAgain: () => void;
}

export class ServerQuestion {
  isOpen = false;
  /** Whether it has been open for so long that requests do not wait for it. */
  isLong = false;
  readonly #deps: ServerQuestionDeps;
  readonly #stopping = new AbortController();
  #timer: TimerId | undefined;
  #againMs = ASK_AGAIN_MS;
  /** When it is asked once more; a server that leaves and comes back changes nothing of it. */
  #againAtMs = 0;
  /** Whether it should be asked once more. */
  #isDue = false;
  #isForgotten = false;

  constructor(deps: ServerQuestionDeps) {
    this.#deps = deps;
  }

  async ask(): Promise<void> {
    const { runtime, address, connectTimeoutMs, onLong, onReply, onFailed } = this.#deps;
    this.isOpen = true;
    this.#isDue = false;
    this.#setTimer(() => {
      this.isLong = true;
      onLong();
    }, QUESTION_PATIENCE_MS);
    const { signal } = this.#stopping;
    let negotiation: Negotiation;
    try {
      negotiation = await negotiate(
        runtime,
        address,
        connectTimeoutMs,
        NEGOTIATION_TIMEOUT_MS,
        signal,
      );
    } catch (cause) {
      this.#close();
      onFailed(cause);
      return;
    }
    this.#close();
    if (negotiation.outcome === "unread" && !signal.aborted) {
      this.#fallDue();
      this.#againMs = Math.min(2 * this.#againMs, ASK_AGAIN_MAX_MS);
    }
    onReply(negotiation);
  }

  /** It cannot be asked now. */
  askLater(): void {
    this.#fallDue();
  }

  /** The server leaves: it is not asked again by itself, also where it is being asked now. */
  forget(): void {
    this.#isForgotten = true;
    if (!this.isOpen) this.#stopTimer();
  }

  /** The server is back, and what was to be asked again is. */
  remember(): void {
    this.#isForgotten = false;
    this.#scheduleAgain();
  }

  /** Ends it for good. */
  stop(): void {
    this.#stopTimer();
    this.#stopping.abort();
  }

  #fallDue(): void {
    this.#isDue = true;
    this.#againAtMs = this.#deps.runtime.clock.nowMs() + this.#againMs;
    this.#scheduleAgain();
  }

  #scheduleAgain(): void {
    if (!this.#isDue || this.#isForgotten || this.isOpen) return;
    const delayMs = Math.max(0, this.#againAtMs - this.#deps.runtime.clock.nowMs());
    this.#setTimer(this.#deps.onAgain, delayMs);
  }

  #close(): void {
    this.isOpen = false;
    this.isLong = false;
    this.#stopTimer();
  }

  #setTimer(callback: () => void, delayMs: number): void {
    this.#stopTimer();
    this.#timer = this.#deps.runtime.clock.setTimer(callback, delayMs);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#deps.runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
