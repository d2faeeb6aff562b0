/**
 * Whether a client's socket is read. It is not while something waits: bytes that came before their
 * turn (requests behind the one that is responded to), a body for who reads it, or, once nothing is
 * taken any more, a client that goes on sending beyond {@link LINGERED_LENGTH_MAX}.
 *
 * The socket is told once for each piece that came, when all of it has been looked at: a body that is
 * read by then costs no pause.
 */
import type { AcceptedSocket } from "../runtime/callback_socket.ts";
import type { HeldMemory } from "./held_memory.ts";
import { joinPipelined } from "./pipelined.ts";
import { LINGERED_LENGTH_MAX } from "./connection_server.ts";

export class Inflow {
  readonly #socket: Pick<AcceptedSocket, "pause" | "resume">;
  readonly #held: HeldMemory;
  /** Bytes of a header section whose end has not come. */
  gatheredLength = 0;
  /** What came before its turn. */
  #pipelined: Uint8Array | undefined;
  #isBodyHeld = false;
  #isLingering = false;
  #lingeredLength = 0;
  /** A piece is being looked at: nothing is decided yet. */
  #isTaking = false;
  #isEnded = false;
  /** What the socket was told last. */
  #isPaused = false;

  constructor(socket: Pick<AcceptedSocket, "pause" | "resume">, held: HeldMemory) {
    this.#socket = socket;
    this.#held = held;
  }

  /** A piece has come; {@link settle} follows. */
  begin(): void {
    this.#isTaking = true;
  }

  /** All of the piece has been looked at. */
  settle(): void {
    this.#isTaking = false;
    this.update();
  }

  /**
   * Keeps what came before its turn.
   *
   * @throws {RangeError} when the socket gives more though it is paused
   */
  keep(bytes: Uint8Array): void {
    this.#pipelined = this.#pipelined === undefined ? bytes : joinPipelined(this.#pipelined, bytes);
  }

  /** Gives out what was kept. */
  next(): Uint8Array | undefined {
    const bytes = this.#pipelined;
    this.#pipelined = undefined;
    return bytes;
  }

  /** Whether whoever reads the request's body has no room for more of it. */
  holdBody(isHeld: boolean): void {
    this.#isBodyHeld = isHeld;
    this.update();
  }

  /** From here on what comes is dropped. */
  linger(): void {
    this.#isLingering = true;
    this.#pipelined = undefined;
    this.update();
  }

  drop(length: number): void {
    this.#lingeredLength += length;
  }

  /** The socket has gone. */
  end(): void {
    this.#pipelined = undefined;
    this.#isEnded = true;
    this.#held.note(0);
  }

  /** Tells the socket whether it is read, where that has changed. */
  update(): void {
    if (this.#isTaking || this.#isEnded) return;
    this.#held.note(this.gatheredLength + (this.#pipelined?.length ?? 0));
    const isPaused = this.#isLingering
      ? this.#lingeredLength > LINGERED_LENGTH_MAX
      : this.#isBodyHeld || this.#pipelined !== undefined;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }
}
