/**
 * What an application has shown of itself, beside what it says: it is remembered as long as the server
 * is known, and each trait is told once. Only what was seen counts:
 * - It does not answer FCGI_GET_VALUES: many of those hold their lock while a kept connection is
 *   idle (libfcgi's threads), so connections are not kept.
 * - It dies of the question (closes without a response, then takes no connection): not asked again.
 * - It closes connections that it was asked to keep: they are neither shared nor kept.
 *
 * It does not know connections, nor what follows for a request.
 */
import type { NegotiationOutcome } from "./negotiation.ts";
import type { ServerPermits } from "./upstream_share.ts";

/** Connections in a row that were closed after one response, before it counts as a habit. */
export const CLOSED_IN_ROW = 3;
/** A close so soon after a response belongs to it. */
export const CLOSED_AFTER_MS = 100;

/** What is told of an application, as its log line and code say it. */
export const TRAITS = [
  "values_unanswered",
  "died_when_asked",
  "connections_not_kept",
  "workers_late",
  "workers_found",
] as const;
export type Trait = (typeof TRAITS)[number];

/** Where traits are known, of all threads that there are. */
export interface KnownTraits {
  has(trait: Trait): boolean;
  /** False where it was known. */
  add(trait: Trait): boolean;
  delete(trait: Trait): void;
}

/** With `permits`, what one thread has seen is known to all, and told by one. */
export function knownTraits(
  permits: Pick<ServerPermits, "hasTrait" | "addTrait" | "dropTrait"> | undefined,
): KnownTraits {
  if (permits !== undefined) {
    return {
      has: (trait) => permits.hasTrait(TRAITS.indexOf(trait)),
      add: (trait) => permits.addTrait(TRAITS.indexOf(trait)),
      delete: (trait) => permits.dropTrait(TRAITS.indexOf(trait)),
    };
  }
  const known = new Set<Trait>();
  return {
    has: (trait) => known.has(trait),
    add(trait) {
      if (known.has(trait)) return false;
      known.add(trait);
      return true;
    },
    delete: (trait) => void known.delete(trait),
  };
}

export interface EndedConnection {
  readonly multiplexed: boolean;
  readonly life: {
    readonly keeps: boolean;
    readonly wasClosedByUs: boolean;
    readonly requestsEnded: number;
    readonly requestsLost: number;
    readonly closedWithResponse: boolean;
  };
}

export class ApplicationTraits {
  readonly #tell: (trait: Trait, isNews: boolean) => void;
  readonly #known: KnownTraits;
  /** What this thread has seen itself. */
  readonly #seen = new Set<Trait>();
  #mayHaveDied = false;
  #closedInRow = 0;

  /** @param tell called once for what was seen; `isNews` where no other thread had seen it */
  constructor(
    tell: (trait: Trait, isNews: boolean) => void,
    known: KnownTraits = knownTraits(undefined),
  ) {
    this.#tell = tell;
    this.#known = known;
  }

  /** Whether connections are worth keeping. */
  get keeps(): boolean {
    return !this.#known.has("values_unanswered") && !this.closes;
  }

  get closes(): boolean {
    return this.#known.has("connections_not_kept");
  }

  get diesWhenAsked(): boolean {
    return this.#known.has("died_when_asked");
  }

  asked(outcome: NegotiationOutcome): void {
    this.#mayHaveDied = outcome === "closed";
    if (outcome === "silent") this.learn("values_unanswered");
    else this.#forget("values_unanswered");
  }

  connected(): void {
    this.#mayHaveDied = false;
  }

  /** It takes no connection: what comes back may be another application, if it did not die of us. */
  connectFailed(): void {
    if (this.#mayHaveDied) this.learn("died_when_asked");
    this.#mayHaveDied = false;
    this.#closedInRow = 0;
    this.#forget("connections_not_kept");
    this.#forget("values_unanswered");
  }

  /** `idleMs` since it had nothing to do; undefined while it had. */
  closed({ multiplexed, life }: EndedConnection, idleMs: number | undefined): void {
    const { keeps, wasClosedByUs, requestsEnded, requestsLost, closedWithResponse } = life;
    if (!keeps || wasClosedByUs) return;
    const isHabit = closedWithResponse ||
      (requestsEnded === 1 && idleMs !== undefined && idleMs < CLOSED_AFTER_MS);
    this.#closedInRow = isHabit ? this.#closedInRow + 1 : 0;
    const isHarmful = closedWithResponse && multiplexed && requestsLost > 0;
    if (isHarmful || this.#closedInRow >= CLOSED_IN_ROW) this.learn("connections_not_kept");
  }

  /** Told once. */
  learn(trait: Trait): void {
    if (this.#seen.has(trait)) return;
    this.#seen.add(trait);
    this.#tell(trait, this.#known.add(trait));
  }

  #forget(trait: Trait): void {
    this.#seen.delete(trait);
    this.#known.delete(trait);
  }
}
