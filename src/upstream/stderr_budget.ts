/**
 * How much an application may write to the log by its STDERR, or a spawned one by its output: so many
 * bytes a second for each upstream, with a burst, by all threads together. The rest is counted, and told once a second while it
 * lasts: an application that floods its log would else fill the disk and keep everybody waiting.
 */
import type { Clock } from "../runtime/clock.ts";

/** Bytes of lines that are logged each second, and at once after a quiet time. */
export const STDERR_RATE = 256 * 1024;
export const STDERR_BURST = 1024 * 1024;
/** What a line costs beside its text: its fields in the log. */
const LINE_COST = 256;
const TELL_MS = 1000;
const NEW_LINE = 0x0a;

interface Account {
  left: number;
  atMs: number;
  lines: number;
  bytes: number;
  isTelling: boolean;
}

/** What threads spend together; costs are in bytes. */
export interface BudgetShare {
  isSpent(upstream: string): boolean;
  spend(upstream: string, cost: number): void;
}

export type LeftOutHandler = (upstream: string, lines: number, bytes: number) => void;

export class StderrBudget {
  readonly #clock: Clock;
  readonly #onLeftOut: LeftOutHandler;
  readonly #accounts = new Map<string, Account>();
  readonly #share: BudgetShare | undefined;

  /** @param share left out: there are no other threads */
  constructor(clock: Clock, onLeftOut: LeftOutHandler, share?: BudgetShare) {
    this.#clock = clock;
    this.#onLeftOut = onLeftOut;
    this.#share = share;
  }

  /** Whether the line may be logged. */
  take(upstream: string, line: string): boolean {
    const account = this.#accountOf(upstream);
    if (this.#hasLeft(upstream, account)) {
      const cost = line.length + LINE_COST;
      account.left -= cost;
      this.#share?.spend(upstream, cost);
      return true;
    }
    account.lines++;
    account.bytes += line.length;
    if (!account.isTelling) this.#tellLater(upstream, account);
    return false;
  }

  /**
   * Whether bytes of STDERR need not even be read, for nothing may be logged; then they are counted,
   * with what of their first line came before.
   */
  leavesOut(upstream: string, bytes: Uint8Array, waitingLength: number): boolean {
    const account = this.#accountOf(upstream);
    if (this.#hasLeft(upstream, account)) return false;
    for (let at = bytes.indexOf(NEW_LINE); at >= 0; at = bytes.indexOf(NEW_LINE, at + 1)) {
      account.lines++;
    }
    account.bytes += bytes.length + waitingLength;
    if (!account.isTelling) this.#tellLater(upstream, account);
    return true;
  }

  #hasLeft(upstream: string, account: Account): boolean {
    if (this.#share !== undefined) return !this.#share.isSpent(upstream);
    this.#gain(account);
    return account.left > 0;
  }

  #gain(account: Account): void {
    const nowMs = this.#clock.nowMs();
    const gained = (nowMs - account.atMs) * STDERR_RATE / 1000;
    account.left = Math.min(STDERR_BURST, account.left + gained);
    account.atMs = nowMs;
  }

  #accountOf(upstream: string): Account {
    const known = this.#accounts.get(upstream);
    if (known !== undefined) return known;
    const atMs = this.#clock.nowMs();
    const account = { left: STDERR_BURST, atMs, lines: 0, bytes: 0, isTelling: false };
    this.#accounts.set(upstream, account);
    return account;
  }

  #tellLater(upstream: string, account: Account): void {
    account.isTelling = true;
    this.#clock.setTimer(() => {
      const { lines, bytes } = account;
      account.isTelling = false;
      account.lines = 0;
      account.bytes = 0;
      this.#onLeftOut(upstream, lines, bytes);
    }, TELL_MS);
  }
}
