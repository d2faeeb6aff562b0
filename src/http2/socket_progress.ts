/** Whether a client takes what is sent to it, as far as the system's room tells. */
import type { AcceptedSocket } from "../runtime/callback_socket.ts";

export class SocketProgress {
  readonly #socket: AcceptedSocket;
  /** As it was when the client was last looked at. */
  #unsentLength = 0;
  #sinceMs = 0;

  constructor(socket: AcceptedSocket) {
    this.#socket = socket;
  }

  /** For how long, as far as was looked, the client has taken nothing of what waits for it. */
  stuckMs(nowMs: number): number {
    const { unsentLength } = this.#socket;
    if (unsentLength === 0 || unsentLength !== this.#unsentLength) {
      this.#unsentLength = unsentLength;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }

  /** The next piece may be as long as the one that was taken. */
  drained(): void {
    this.#unsentLength = 0;
  }
}
