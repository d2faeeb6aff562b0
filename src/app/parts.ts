/**
 * What generations of the configuration share: each part under a key that says what it is made of
 * (`fingerprint.ts`). A generation that wants a part with the same key as the one before it gets that
 * very part, with its connections, processes and memories. A part is closed when the last generation
 * that has it lets go of it.
 */
import { reportUnexpected } from "../runtime/unexpected.ts";

export const CLOSING_ORDER = ["certificates", "upstream", "application", "log"] as const;
export type PartKind = (typeof CLOSING_ORDER)[number];

interface Part {
  readonly kind: PartKind;
  readonly value: unknown;
  readonly close: (() => unknown) | undefined;
  /** Generations that have it. */
  users: number;
}

export class Parts {
  readonly #parts = new Map<string, Part>();
  #before: Parts | undefined;
  #isReleased = false;

  /** `before`: those of the generation that serves now. */
  constructor(before?: Parts) {
    this.#before = before;
  }

  /** Whether the generation before has it, too. */
  isKept(key: string): boolean {
    return this.#before !== undefined && this.#before.#parts.has(key);
  }

  /** All parts are there: those of the generation before, and of the one before that, may go. */
  settle(): void {
    this.#before = undefined;
  }

  /** The part of that key: ours, or the one of the generation before, or a new one. */
  async share<Value>(
    kind: PartKind,
    key: string,
    make: () => Value | Promise<Value>,
    close?: (value: Value) => unknown,
  ): Promise<Value> {
    const ours = this.#parts.get(key);
    if (ours !== undefined) return ours.value as Value;
    const kept = this.#before === undefined ? undefined : this.#before.#parts.get(key);
    if (kept !== undefined && kept.users > 0) {
      kept.users++;
      this.#parts.set(key, kept);
      return kept.value as Value;
    }
    const value = await make();
    this.#parts.set(key, { kind, value, close: close && (() => close(value)), users: 1 });
    return value;
  }

  /** Lets go of all; those of the kinds that nobody else has are closed. May be called again. */
  async release(kinds: readonly PartKind[] = CLOSING_ORDER): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.settle();
    const unused = [...this.#parts.values()].filter((part) => --part.users === 0);
    for (const kind of kinds) {
      await Promise.all(unused.filter((part) => part.kind === kind).map(close));
    }
  }
}

async function close(part: Part): Promise<void> {
  try {
    await part.close?.();
  } catch (error) {
    reportUnexpected(error, "closing what a configuration no longer has");
  }
}
