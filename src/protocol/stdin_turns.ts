/**
 * Fair sending: requests of one connection that have body bytes to send take turns, each with at
 * most {@link TURN_LENGTH_MAX} bytes, so that a large upload does not hold up a small one. Holds
 * what it was offered and no more; who offers waits until it was sent before offering again.
 */

/** Most bytes of one request before it is the next one's turn. */
export const TURN_LENGTH_MAX = 32 * 1024;

/** A piece to send now. */
export interface Turn {
  readonly requestId: number;
  readonly bytes: Uint8Array;
  /** The request has nothing more to send for now. */
  readonly drained: boolean;
}

interface Sender {
  readonly requestId: number;
  bytes: Uint8Array;
}

export class StdinTurns {
  /** In the order of their turns. */
  #senders: Sender[] = [];

  get waiting(): number {
    return this.#senders.length;
  }

  /** @throws {RangeError} when the request's bytes of before are not all sent yet */
  offer(requestId: number, bytes: Uint8Array): void {
    if (this.#senders.some((sender) => sender.requestId === requestId)) {
      throw new RangeError(`Cannot offer bytes of request ${requestId}: some are still waiting`);
    }
    this.#senders.push({ requestId, bytes });
  }

  /** The next piece; undefined when nobody waits. */
  next(): Turn | undefined {
    const sender = this.#senders.shift();
    if (sender === undefined) return undefined;
    const bytes = sender.bytes.subarray(0, TURN_LENGTH_MAX);
    const drained = bytes.length === sender.bytes.length;
    if (!drained) {
      sender.bytes = sender.bytes.subarray(TURN_LENGTH_MAX);
      this.#senders.push(sender);
    }
    return { requestId: sender.requestId, bytes, drained };
  }

  /** Drops what the request still had to send. */
  remove(requestId: number): void {
    this.#senders = this.#senders.filter((sender) => sender.requestId !== requestId);
  }
}
