/** Whether a client is still there: when it was last heard, and what it was asked since. */

/** How long a client that is asked whether it is there may take to say so. */
export const PING_ANSWER_MS = 20_000;

/** How often a client is asked that is not read. */
export const UNREAD_PING_MS = 5_000;

/** How long what a client had sent before it knew that we leave may take to come. */
export const LEAVING_MS = 1_000;

/** Of our PINGs: whether the client is there, and whether it knows that we leave. */
export const ALIVE_PING: Uint8Array = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1);
export const LEAVING_PING: Uint8Array = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2);

export class Liveness {
  #heardMs: number;
  /** When the client was asked whether it is there. */
  #askedMs: number | undefined;

  constructor(nowMs: number) {
    this.#heardMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#askedMs = undefined;
  }

  asked(nowMs: number): void {
    this.#askedMs = nowMs;
  }

  /**
   * Of a client that is not read nobody hears, not even that it has left: only a write that fails
   * tells. So it is asked repeatedly (`quiet`), and need not reply.
   */
  lookUnread(nowMs: number): "well" | "quiet" {
    if (nowMs - this.#heardMs < UNREAD_PING_MS) return "well";
    this.heard(nowMs);
    return "quiet";
  }

  /** `quiet`: nothing has come for `idleMs`; `gone`: nor has what it was asked for. */
  look(nowMs: number, idleMs: number): "well" | "quiet" | "gone" {
    if (this.#askedMs !== undefined) {
      return nowMs - this.#askedMs > PING_ANSWER_MS ? "gone" : "well";
    }
    return nowMs - this.#heardMs > idleMs ? "quiet" : "well";
  }
}
