/**
 * A connection that is not read for a moment, because a client has yet to take what came before. A
 * client that reads well does so within {@link STAND_STILL_MS}, which costs a quarter of what the way
 * through a temporary file does. When the moment has passed, or as soon as somebody comes who would
 * have to wait for it, reading goes on, and what does not fit goes into the file.
 *
 *     full ──► standing still ──► (room) ──► read on
 *                     └─────────► (time, a new request) ──► read on, into the file
 *
 * Nobody is held up: it is done only where every request on the connection has a long response
 * under way, whose client has had much already.
 *
 * It does not know sockets, nor what is buffered.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";

/** How long a connection stands still for a client at most, in milliseconds. */
export const STAND_STILL_MS = 5;

export interface StandingStillOwner {
  readonly clock: Pick<Clock, "setTimer" | "clearTimer">;
  /** Whether somebody has to wait while nothing is read; so many requests have long responses. */
  isWaitedFor(longCount: number): boolean;
  /** Nothing is read, until reading goes on. */
  onStandStill(): void;
  onReadOn(): void;
  /** What there is no room for must go elsewhere; `isSlow`: because its client has taken too long. */
  onSpill(id: number, isSlow: boolean): void;
}

export class StandingStill {
  readonly #owner: StandingStillOwner;
  /** Requests with a long response, and those of them that have no room. */
  readonly #long = new Set<number>();
  readonly #full = new Set<number>();
  #timer: TimerId | undefined;

  constructor(owner: StandingStillOwner) {
    this.#owner = owner;
  }

  get isStanding(): boolean {
    return this.#full.size > 0;
  }

  /** Much of its response has come. */
  becameLong(id: number): void {
    this.#long.add(id);
  }

  /** Asked for one without room: whether nothing is read for a moment. */
  stand(id: number): boolean {
    if (this.#owner.isWaitedFor(this.#long.size)) return false;
    const isFirst = this.#full.size === 0;
    this.#full.add(id);
    if (isFirst) {
      this.#timer = this.#owner.clock.setTimer(this.#timeIsUp, STAND_STILL_MS);
      this.#owner.onStandStill();
    }
    return true;
  }

  /** It has room, or was told to go elsewhere. */
  remove(id: number): void {
    if (!this.#full.delete(id) || this.#full.size > 0) return;
    this.#stopTimer();
    this.#owner.onReadOn();
  }

  /** The request is over. */
  ended(id: number): void {
    if (this.#long.size === 0) return;
    this.#long.delete(id);
    this.remove(id);
  }

  /** Somebody would have to wait. */
  interrupt(): void {
    if (this.isStanding) this.#endAll(false);
  }

  /** The connection is over. */
  clear(): void {
    this.#stopTimer();
    this.#long.clear();
    this.#full.clear();
  }

  readonly #timeIsUp = (): void => {
    this.#timer = undefined;
    this.#endAll(true);
  };

  #endAll(isSlow: boolean): void {
    for (const id of [...this.#full]) {
      this.#owner.onSpill(id, isSlow);
      this.remove(id);
    }
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#owner.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
