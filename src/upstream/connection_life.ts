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

/** A close so soon after the first response belongs to it: the application closes every connection. */
export const CLOSED_WITH_RESPONSE_MS = 20;

export class ConnectionLife {
  /** Whether requests leave it open (KEEP_CONN). */
  readonly keeps: boolean;
  readonly #transport: Transport;
  #state: ConnectionState = "connecting";
  #requestsBegun = 0;
  #requestsEnded = 0;
  #requestsLost = 0;
  #hasAnswered = false;
  #closedWithResponse = false;
  #firstEndedMs = Infinity;
  /** Those that have begun between the first response and the second. */
  readonly #begunAfterFirst: number[] = [];

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

  get requestsBegun(): number {
    return this.#requestsBegun;
  }

  /** Requests whose end the application has told. */
  get requestsEnded(): number {
    return this.#requestsEnded;
  }

  /** Requests that were on it when it ended. */
  get requestsLost(): number {
    return this.#requestsLost;
  }

  /** Whether the application closed it with its first response, though asked to keep it. */
  get closedWithResponse(): boolean {
    return this.#closedWithResponse;
  }

  /**
   * Whether the request is lost because another one was answered, as far as can be told: the only one
   * that has begun since may have broken the connection itself. Of HTTP (`unanswered`): whether the
   * server may have closed the kept connection before it saw the request.
   */
  isLostByHabit(id: number, unanswered = false): boolean {
    if (unanswered && this.#requestsEnded > 0) return true;
    return this.#closedWithResponse &&
      (this.#requestsLost > 1 || !this.#begunAfterFirst.includes(id));
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

  requestBegan(id: number): void {
    this.#requestsBegun++;
    if (this.#requestsEnded === 1) this.#begunAfterFirst.push(id);
  }

  /** The application has told the end of a request. */
  requestEnded(clock: { nowMs(): number }): void {
    this.#requestsEnded++;
    if (this.#requestsEnded === 1) this.#firstEndedMs = clock.nowMs();
    else if (this.#requestsEnded === 2) this.#begunAfterFirst.length = 0;
  }

  /** The connection ends, with so many requests on it. */
  lost(requests: number, nowMs: number): void {
    this.#requestsLost = requests;
    this.#closedWithResponse = this.keeps && !this.wasClosedByUs && this.#requestsEnded === 1 &&
      nowMs - this.#firstEndedMs < CLOSED_WITH_RESPONSE_MS;
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
