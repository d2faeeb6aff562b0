/**
 * What PHP logs comes from php-fpm twice: on the STDERR stream of its request, and on php-fpm's own
 * standard error, where also stands what no request has (php-fpm's notices, what a script writes to
 * `php://stderr`, what it logs after `fastcgi_finish_request()`). Neither can be switched off without
 * losing something, so lines are paired by their text, each with one of the other source.
 *
 * The stream's is the one to tell: it knows its request. It mostly comes at the request's end, so its
 * twin waits for it, {@link HOLD_MS} at most; what was told by then is not told again. Where a limit
 * is reached a line is told twice, never lost.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";

/** How long a line of standard error waits for its request's, and that one is known for its twin. */
export const HOLD_MS = 5_000;

/** How long a line that waited in vain is known, for requests that take long. */
export const TOLD_MS = 60_000;

/** Lines that wait, and lines that are known of each source. */
export const LINES_MAX = 4_096;

/** Characters by which lines are compared: a prefix may make php-fpm cut one of the two earlier. */
const COMPARED_LENGTH = 400;

/** A line of php-fpm's own, of none of its children. */
const OWN_LINE = /^\[\d\d-[A-Z][a-z]{2}-\d{4} /;

/** One that tells of nothing but its normal course. */
const OWN_NOTICE = /^\[\d\d-[A-Z][a-z]{2}-\d{4} [^\]]*\] NOTICE: /;

/** Before the first line of a child's message, on standard error only. */
const LEVEL = /^(?:DEBUG|NOTICE|WARNING|ERROR|ALERT): /;

interface Held {
  readonly text: string;
  /** The same for all lines that may be of one message: it, and what came without a level. */
  readonly message: number;
  readonly timer: TimerId;
  readonly tell: () => void;
}

/** Whether php-fpm, and none of its children, says that all goes well: that it runs, that it ends. */
export function isFpmNotice(line: string): boolean {
  return OWN_NOTICE.test(line);
}

/** The lines of one upstream's php-fpm. */
export class FpmMessages {
  readonly #clock: Clock;
  /** Lines of standard error, in their order. */
  readonly #held: Held[] = [];
  /** Lines that requests had, and whose twins have not come. */
  readonly #ofRequests: KnownLines;
  /** Lines of standard error that were told. */
  readonly #ofOutput: KnownLines;
  /** The message that lines of standard error without a level may go on with. */
  #message: "none" | "held" | "told" = "none";
  #messageCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ofRequests = new KnownLines(clock, HOLD_MS);
    this.#ofOutput = new KnownLines(clock, TOLD_MS);
  }

  /** A line of a request's STDERR stream: whether it is to be told. */
  isNews(line: string): boolean {
    const text = comparable(line);
    const index = this.#held.findIndex((one) => one.text === text);
    if (index >= 0) {
      const { message } = this.#held[index]!;
      this.#remove(index);
      // The rest of the message comes in this turn; what is left then is something else.
      const isRest = this.#held[index]?.message === message;
      if (isRest) this.#clock.atTurnEnd(() => this.#tellRest(message));
      return true;
    }
    if (this.#ofOutput.take(text)) return false;
    this.#ofRequests.add(text);
    return true;
  }

  /** A line of php-fpm's standard error: told at once, after a while, or never. */
  push(line: string, tell: () => void): void {
    const level = LEVEL.exec(line)?.[0];
    if (OWN_LINE.test(line)) this.#message = "none";
    if (level === undefined && this.#message === "none") return tell();
    const text = comparable(line.slice(level?.length ?? 0));
    const hasTwin = this.#ofRequests.take(text);
    if (level !== undefined) {
      this.#message = hasTwin ? "told" : "held";
      this.#messageCount++;
    }
    if (hasTwin) return;
    // Of a message that its request had already told, all lines were known.
    if (this.#message === "told") tell();
    else this.#hold(text, tell);
  }

  /** Tells all that wait. */
  flush(): void {
    while (this.#held.length > 0) this.#tell(0);
  }

  #hold(text: string, tell: () => void): void {
    if (this.#held.length >= LINES_MAX) this.#tell(0);
    const timer = this.#clock.setTimer(() => this.#tell(this.#held.indexOf(held)), HOLD_MS);
    const held: Held = { text, message: this.#messageCount, timer, tell };
    this.#held.push(held);
  }

  #tellRest(message: number): void {
    const isOfIt = (held: Held) => held.message === message;
    for (let at = this.#held.findIndex(isOfIt); at >= 0; at = this.#held.findIndex(isOfIt)) {
      this.#tell(at);
    }
  }

  #tell(index: number): void {
    const { text, tell } = this.#held[index]!;
    this.#remove(index);
    this.#ofOutput.add(text);
    tell();
  }

  #remove(index: number): void {
    this.#clock.clearTimer(this.#held[index]!.timer);
    this.#held.splice(index, 1);
  }
}

/** Lines of one source, the oldest first, each for one of the other. */
class KnownLines {
  readonly #clock: Clock;
  readonly #knownMs: number;
  readonly #lines: { readonly text: string; readonly untilMs: number }[] = [];

  constructor(clock: Clock, knownMs: number) {
    this.#clock = clock;
    this.#knownMs = knownMs;
  }

  add(text: string): void {
    if (this.#lines.length >= LINES_MAX) this.#lines.shift();
    this.#lines.push({ text, untilMs: this.#clock.nowMs() + this.#knownMs });
  }

  /** Whether there is one; there is one less then. */
  take(text: string): boolean {
    const nowMs = this.#clock.nowMs();
    while (this.#lines.length > 0 && this.#lines[0]!.untilMs <= nowMs) this.#lines.shift();
    const index = this.#lines.findIndex((line) => line.text === text);
    if (index >= 0) this.#lines.splice(index, 1);
    return index >= 0;
  }
}

function comparable(line: string): string {
  return line.slice(0, COMPARED_LENGTH);
}
