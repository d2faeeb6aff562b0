/**
 * What the streams of one connection hold: fields and bodies that wait for us, and responses that
 * wait for the client. Both have a bound for the connection, and are part of what all buffers hold.
 * Where those hold too much, a client whose bodies wait is not read (`holdsUp`): one stream's window
 * of them is what any client may have.
 */
import type { MemoryCount } from "../http1/held_memory.ts";
import { ConnectionError } from "./errors.ts";
import { STREAM_WINDOW } from "./limits.ts";

export class SessionMemory {
  readonly #memory: MemoryCount;
  readonly #max: number;
  readonly #onReleased: () => void;
  #held = 0;
  #heldResponses = 0;

  /** @param onReleased called when less than before waits of what the client sent */
  constructor(memory: MemoryCount, max: number, onReleased: () => void) {
    this.#memory = memory;
    this.#max = max;
    this.#onReleased = onReleased;
  }

  /** Whether the client is not to send more for now. */
  get holdsUp(): boolean {
    return this.#held > STREAM_WINDOW && this.#memory.isFull;
  }

  /** Whether the client holds more of responses than it may for long. */
  get holdsTooMuch(): boolean {
    return this.#heldResponses > this.#max;
  }

  /**
   * So many bytes more, or fewer, of what the client sent wait for us.
   *
   * @throws {ConnectionError}
   */
  hold(length: number): void {
    this.#held += length;
    this.#memory.count(length);
    if (length < 0) return this.#onReleased();
    if (this.#held > this.#max) {
      throw new ConnectionError("ENHANCE_YOUR_CALM", `More than ${this.#max} bytes wait`, "memory");
    }
  }

  /** The same of what waits for the client. */
  holdResponse(length: number): void {
    this.#heldResponses += length;
    this.#memory.count(length);
  }
}
