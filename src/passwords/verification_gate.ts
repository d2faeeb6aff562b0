/**
 * Checks of passwords, one after the other. A check of a hash is made to be slow, so strangers who
 * guess could take all of the processor: after each one comes a pause as long as it took, so guessing
 * has half of the time at most. Who has proved to be somebody is remembered for a while, by a digest
 * with a secret of this process, and asks the hash no more: in no thread, where there are several.
 */
import type { Clock } from "../runtime/clock.ts";
import type { PasswordHash } from "./password_hash.ts";

/** Most checks that wait; a request that finds as many is refused. */
export const WAITING_MAX = 64;
/** How long a password that was right is remembered, in milliseconds. */
export const REMEMBERED_MS = 5 * 60 * 1000;
/** Most passwords that are remembered; with one more it begins anew. */
export const REMEMBERED_MAX = 1024;
/** Longest pause behind a check, in milliseconds. */
export const PAUSE_MS_MAX = 2000;

export class TooManyChecksError extends Error {
  override readonly name = "TooManyChecksError";
}

/** What gates of several threads know together. */
export interface KnownPasswords {
  /** For digests. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** A password was right here. */
  tell(digest: string): void;
  /** Calls with those that were right in other threads. */
  listen(heard: (digest: string) => void): void;
}

/** One for each clock, which is one for a thread: all sites together have half of its time. */
const gates = new WeakMap<object, VerificationGate>();

export function gateOf(clock: Pick<Clock, "nowMs" | "setTimer">): VerificationGate {
  const gate = gates.get(clock) ?? new VerificationGate(clock);
  gates.set(clock, gate);
  return gate;
}

export class VerificationGate {
  readonly #clock: Pick<Clock, "nowMs" | "setTimer">;
  #secret = crypto.getRandomValues(new Uint8Array(32));
  #known: KnownPasswords | undefined;
  readonly #right = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(clock: Pick<Clock, "nowMs" | "setTimer">) {
    this.#clock = clock;
  }

  /** From now on other threads are told, and heard. */
  join(known: KnownPasswords): void {
    this.#secret = known.secret;
    this.#known = known;
    known.listen((digest) => this.#remember(digest));
  }

  /** Passwords remembered, for tests of the bound. */
  get size(): number {
    return this.#right.size;
  }

  /** Whether the password belongs to the user's hash. @throws {TooManyChecksError} */
  async check(user: string, password: string, hash: PasswordHash): Promise<boolean> {
    const key = await this.#digest(user, password, hash.text);
    const untilMs = this.#right.get(key);
    if (untilMs !== undefined && this.#clock.nowMs() < untilMs) return true;
    this.#right.delete(key);
    if (this.#waiting >= WAITING_MAX) {
      throw new TooManyChecksError("Too many passwords are checked");
    }
    const isRight = await this.#inTurn(() => hash.matches(password));
    if (!isRight) return false;
    this.#remember(key);
    this.#known?.tell(key);
    return true;
  }

  /** One at a time, with a pause behind each that nobody but the next one waits for. */
  #inTurn(work: () => Promise<boolean>): Promise<boolean> {
    this.#waiting++;
    const done = this.#last.then(async () => {
      const startedMs = this.#clock.nowMs();
      try {
        return { isRight: await work(), tookMs: this.#clock.nowMs() - startedMs };
      } finally {
        this.#waiting--;
      }
    });
    this.#last = done.then(({ tookMs }) => this.#pause(tookMs), () => {});
    return done.then(({ isRight }) => isRight);
  }

  #pause(tookMs: number): Promise<void> | undefined {
    if (tookMs <= 0) return undefined;
    const ms = Math.min(tookMs, PAUSE_MS_MAX);
    return new Promise((resolve) => void this.#clock.setTimer(resolve, ms));
  }

  #remember(key: string): void {
    if (this.#right.size >= REMEMBERED_MAX) this.#right.clear();
    this.#right.set(key, this.#clock.nowMs() + REMEMBERED_MS);
  }

  async #digest(...texts: readonly string[]): Promise<string> {
    const parts = texts.map((text) => new TextEncoder().encode(text));
    const lengths = new TextEncoder().encode(`${parts.map(({ length }) => length).join()}:`);
    const bytes = new Uint8Array(await new Blob([this.#secret, lengths, ...parts]).arrayBuffer());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return String.fromCharCode(...digest);
  }
}
