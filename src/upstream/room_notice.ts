/**
 * When to say that a connection has room for another request. Not between the events of one read: the
 * id of a request whose end is among them is free already, and the next one under it would get what
 * is left.
 *
 *     ┌───────┐ dispatch  ┌─────────────┐ room   ┌────────────┐
 *     │ QUIET │ ────────► │ DISPATCHING │ ─────► │ ROOM_FOUND │
 *     └───────┘           └─────────────┘        └────────────┘
 *       ▲  ▲     dispatched      │                     │ dispatched: it is said now
 *       │  └─────────────────────┘                     │
 *       └──────────────────────────────────────────────┘
 */
import { nextState, type Transitions } from "../protocol/transitions.ts";

type RoomState = "quiet" | "dispatching" | "room_found";
type RoomEvent = "dispatch" | "dispatched" | "room";

export const ROOM_TRANSITIONS: Transitions<RoomState, RoomEvent> = {
  quiet: { dispatch: "dispatching" },
  dispatching: { room: "room_found", dispatched: "quiet" },
  room_found: { room: "room_found", dispatched: "quiet" },
};

export class RoomNotice {
  readonly #say: () => void;
  #state: RoomState = "quiet";

  constructor(say: () => void) {
    this.#say = say;
  }

  get isDispatching(): boolean {
    return this.#state !== "quiet";
  }

  /** The events of a read are handed out from now on. */
  dispatch(): void {
    this.#take("dispatch");
  }

  dispatched(): void {
    const isDue = this.#state === "room_found";
    this.#take("dispatched");
    if (isDue) this.#say();
  }

  found(): void {
    if (this.#state === "quiet") this.#say();
    else this.#take("room");
  }

  #take(event: RoomEvent): void {
    this.#state = nextState(ROOM_TRANSITIONS, this.#state, event, "the room of a connection");
  }
}
