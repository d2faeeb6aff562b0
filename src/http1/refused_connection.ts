/**
 * A client's connection that is one too many: it is told so before it has said anything, and closed
 * when it has read that, or a second later. What it sends is dropped.
 */
import type { AcceptedSocket, SocketEvents } from "../runtime/callback_socket.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import { FULL_RESPONSE } from "./plain_response.ts";

/** Most that are open at once; more are closed without a word. */
export const REFUSED_MAX = 32;

const CLOSE_MS = 1_000;

export class RefusedConnection implements SocketEvents {
  readonly #socket: AcceptedSocket;
  readonly #clock: Clock;
  readonly #onGone: () => void;
  readonly #timer: TimerId;

  constructor(socket: AcceptedSocket, clock: Clock, onGone: () => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onGone = onGone;
    this.#timer = clock.setTimer(() => socket.destroy(), CLOSE_MS);
    socket.write(FULL_RESPONSE);
    socket.end();
  }

  /** It need not have read anything. */
  destroy(): void {
    this.#clock.clearTimer(this.#timer);
    this.#socket.destroy();
  }

  received(): void {}

  drained(): void {}

  peerEnded(): void {
    this.#socket.destroy();
  }

  closed(): void {
    this.#clock.clearTimer(this.#timer);
    this.#onGone();
  }
}

/** Who hears of a socket that was closed as it came. */
export const NOBODY: SocketEvents = { received() {}, drained() {}, peerEnded() {}, closed() {} };
