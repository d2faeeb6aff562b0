/**
 * The bodies on a shared connection of which the application may not have read everything. FastCGI
 * has no flow control for a stream: an application that hands STDIN on to its handlers piece by
 * piece (Go's net/http/fcgi does, through a pipe that holds nothing) stops reading the connection
 * until the handler reads, be the body one byte long. Whatever is sent behind such a body waits.
 *
 *     begin ──► untaken ──► END_REQUEST, or the response to a GET_VALUES that was sent behind it
 *
 * A connection is read in order, so a response to a question proves that all before it was read.
 * The question is asked only where a body is still open after {@link LOOK_MS}, so an ordinary
 * upload costs nothing; and only of applications that are known to answer it.
 *
 * It does not send anything, and does not know what a body is.
 */

/** How long a body may be untaken before the application is asked, and from one look to the next. */
export const LOOK_MS = 100;

/** How long an application may leave a question, or our bytes, before it counts as stalled. */
export const STALL_MS = 250;

/** Questions without any response after which no more are asked: it does not answer them. */
export const UNANSWERED_MAX = 3;

export class UntakenBodies {
  /** When to look again; Infinity while there is nothing to look at. */
  deadlineMs = Infinity;
  readonly #ids = new Set<number>();
  readonly #mayAsk: boolean;
  /** Questions that were not answered, in the order of the responses to come. */
  #unanswered = 0;
  #hasAnswered = false;
  #askedMs = Infinity;
  /** Bodies that were sent whole before the last question. */
  #covered: readonly number[] = [];
  /** How much had been sent when the last question was asked. */
  #askedAt = -1;

  /** @param mayAsk whether the application answers GET_VALUES */
  constructor(mayAsk: boolean) {
    this.#mayAsk = mayAsk;
  }

  /** Whether everything was taken that was sent, as far as bodies go. */
  get isClear(): boolean {
    return this.#ids.size === 0;
  }

  /** A request with a body begins. */
  add(id: number, nowMs: number): void {
    this.#ids.add(id);
    if (this.#mayAsk && this.deadlineMs === Infinity) this.deadlineMs = nowMs + LOOK_MS;
  }

  /** The request has ended; what is left of its body the application throws away. */
  remove(id: number): void {
    if (this.#ids.delete(id)) this.#rest();
  }

  /** Whether the last question has been open for too long. */
  isStalled(nowMs: number): boolean {
    return this.#ids.size > 0 && this.#unanswered > 0 && nowMs - this.#askedMs >= STALL_MS;
  }

  /**
   * It is time to look; whether a question is to be sent now.
   *
   * @param sent how much of bodies was sent on the connection so far, in whatever unit
   * @param isWhole whether all of a body was sent
   */
  look(nowMs: number, sent: number, isWhole: (id: number) => boolean): boolean {
    this.deadlineMs = nowMs + LOOK_MS;
    const isOpen = this.#unanswered > 0 && this.#askedMs !== Infinity;
    const isSilent = !this.#hasAnswered && this.#unanswered >= UNANSWERED_MAX;
    const covered = [...this.#ids].filter(isWhole);
    if (isOpen || isSilent || (sent === this.#askedAt && covered.length === 0)) return false;
    this.#unanswered++;
    this.#askedMs = nowMs;
    this.#askedAt = sent;
    this.#covered = covered;
    return true;
  }

  /** A response came; whether bodies are known to be taken by it. */
  answered(): boolean {
    if (this.#unanswered === 0) return false;
    this.#hasAnswered = true;
    this.#unanswered--;
    if (this.#unanswered > 0 || this.#askedMs === Infinity) return false;
    this.#askedMs = Infinity;
    for (const id of this.#covered) this.#ids.delete(id);
    this.#covered = [];
    this.#rest();
    return true;
  }

  /** With no body left there is nothing to ask, and an open question says nothing any more. */
  #rest(): void {
    if (this.#ids.size > 0) return;
    this.deadlineMs = Infinity;
    this.#askedMs = Infinity;
    this.#covered = [];
  }
}
