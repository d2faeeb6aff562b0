/**
 * What a connection has lived through, for who judges the application by it, and what the system
 * tells of the other end. It does not know requests.
 */
import type { PeerProgress } from "../runtime/peer_progress.ts";
import type { Transport } from "./transport.ts";

export class ConnectionLife {
  /** Whether requests leave it open (KEEP_CONN). */
  readonly keeps: boolean;
  /** Requests whose end the application has told. */
  requestsEnded = 0;
  /** Requests that were on it when it ended. */
  requestsLost = 0;
  /** Whether anything ever came. */
  hasAnswered = false;
  closedByUs = false;
  readonly #transport: Transport;

  constructor(transport: Transport, keeps: boolean) {
    this.#transport = transport;
    this.keeps = keeps;
  }

  /** Whether the application has read what it was sent, as far as anybody can tell. */
  peerProgress(mustBeOpen: boolean): PeerProgress {
    return this.#transport.peerProgress(mustBeOpen);
  }

  /** Whether a process has accepted it; undefined where nobody can tell. */
  isAccepted(): boolean | undefined {
    return this.hasAnswered || this.#transport.isAccepted();
  }

  /** Whether the system tells whether it was accepted. */
  get canTellAccepted(): boolean {
    return this.#transport.isAccepted() !== undefined;
  }
}
