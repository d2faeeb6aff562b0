/**
 * Whether a client's socket is read. It is not while the client holds up others with what it has
 * sent, and, once nothing is taken any more, where it goes on sending beyond
 * {@link LINGERED_LENGTH_MAX}.
 */
import { LINGERED_LENGTH_MAX } from "../http1/connection_server.ts";
import type { AcceptedSocket } from "../runtime/callback_socket.ts";

export class Reading {
  readonly #socket: Pick<AcceptedSocket, "pause" | "resume">;
  #lingeredLength = 0;
  #isPaused = false;

  constructor(socket: Pick<AcceptedSocket, "pause" | "resume">) {
    this.#socket = socket;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** While the client is served. */
  update(holdsUp: boolean): void {
    if (holdsUp === this.#isPaused) return;
    this.#isPaused = holdsUp;
    if (holdsUp) this.#socket.pause();
    else this.#socket.resume();
  }

  /** So many bytes were dropped behind the end of the connection. */
  drop(length: number): void {
    this.#lingeredLength += length;
    this.update(this.#lingeredLength > LINGERED_LENGTH_MAX);
  }
}
