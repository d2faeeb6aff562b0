/**
 * What a connection has lived through: its state, by the table of `connection_state.ts`, what the
 * application is judged by, and what the system tells of the other end. It does not know requests.
 */
import { nextState } from "../protocol/transitions.ts";
import type { PeerProgress } from "../runtime/peer_progress.ts";
import {
  CONNECTION_TRANSITIONS,
  type ConnectionEvent,
  type ConnectionState,
  type ShownState,
  STATE_FACTS,
} from "./connection_state.ts";
import type { Transport } from "./transport.ts";

export class ConnectionLife {
  /** Whether requests leave it open (KEEP_CONN). */
  readonly keeps: boolean;
  readonly #transport: Transport;
  #state: ConnectionState = "connecting";
  #requestsEnded = 0;
  #requestsLost = 0;
  #hasAnswered = false;

  constructor(transport: Transport, keeps: boolean) {
    this.#transport = transport;
    this.keeps = keeps;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get shownState(): ShownState {
    return STATE_FACTS[this.#state].shown;
  }

  /** Whether it ever stood: before, nothing of a request can have reached the application. */
  get hasStood(): boolean {
    return STATE_FACTS[this.#state].hasStood;
  }

  get isOver(): boolean {
    return STATE_FACTS[this.#state].isOver;
  }

  /** Whether requests may begin on it, as far as its state goes. */
  get takesRequests(): boolean {
    return this.#state === "open" || this.#state === "connecting";
  }

  /** Whether the server is to blame that it never stood, and not we who closed it before. */
  get wasRefused(): boolean {
    return this.#state === "refused";
  }

  /** Whether we have closed it, and not the application. */
  get wasClosedByUs(): boolean {
    return this.#state === "closed" || this.#state === "dropped";
  }

  /** Requests whose end the application has told. */
  get requestsEnded(): number {
    return this.#requestsEnded;
  }

  /** Requests that were on it when it ended. */
  get requestsLost(): number {
    return this.#requestsLost;
  }

  /**
   * The only place that changes the state.
   *
   * @throws {TransitionError} when the table lacks the event
   */
  take(event: ConnectionEvent): void {
    const subject = "a connection to an application";
    this.#state = nextState(CONNECTION_TRANSITIONS, this.#state, event, subject);
  }

  /** Something has come from the application. */
  received(): void {
    this.#hasAnswered = true;
  }

  /** The application has told the end of a request. */
  requestEnded(): void {
    this.#requestsEnded++;
  }

  /** The connection ends, with so many requests on it. */
  lost(requests: number): void {
    this.#requestsLost = requests;
  }

  /** Whether the application has read what it was sent, as far as anybody can tell. */
  peerProgress(mustBeOpen: boolean): PeerProgress {
    return this.#transport.peerProgress(mustBeOpen);
  }

  /** Whether a process has accepted it; undefined where nobody can tell. */
  isAccepted(): boolean | undefined {
    return this.#hasAnswered || this.#transport.isAccepted();
  }

  /** Whether the system tells whether it was accepted. */
  get canTellAccepted(): boolean {
    return this.#transport.isAccepted() !== undefined;
  }
}
