/**
 * The states of a connection to an application.
 *
 *     ┌────────────┐ opened                ┌──────┐ ended
 *     │ CONNECTING │ ────────────────────► │ OPEN │ ──────────► LOST
 *     └────────────┘                       └──────┘               ▲
 *       │ │ │ drain                  drain   │  │ close           │
 *       │ │ ▼                              ▼  └──────┐          │
 *       │ │ ┌─────────────────┐ opened  ┌──────────┐ ended   │    │
 *       │ │ │ CONNECTING_LAST │ ──────► │ DRAINING │ ────────│────┘
 *       │ │ └─────────────────┘         └──────────┘         ▼
 *       │ │  │ │                             │ close  ┌─────────┐ ended
 *       │ │  │ │                             └───────►│ CLOSING │ ─────► CLOSED
 *       │ │  │ │ close     ┌────────────┐ ended       └─────────┘
 *       │ └──│─┴─────────► │ CALLED_OFF │ ──────► DROPPED
 *       │    │             └────────────┘
 *       │    │ timeout     ┌───────────┐  ended
 *       └────┴───────────► │ TIMED_OUT │ ───────► REFUSED ◄── ended, while it is being made
 *                          └───────────┘
 *
 * | state           | what holds                                                             |
 * | --------------- | ---------------------------------------------------------------------- |
 * | connecting      | it is being made; requests may begin, and leave with the first write   |
 * | connecting_last | the same, and no more requests may begin                               |
 * | open            | it stands; requests may begin                                          |
 * | draining        | it stands, takes nothing new, and closes when its last request is over |
 * | closing         | we have closed it; the socket has yet to say so                        |
 * | timed_out       | it did not stand in time; its making is being called off               |
 * | called_off      | we wanted it no more before it stood                                   |
 * | lost            | over: the application has closed it, or it broke                       |
 * | closed          | over: we have closed it                                                |
 * | refused         | over: it never stood, and the server is to blame                       |
 * | dropped         | over: it never stood, because we called it off                         |
 */
import type { Transitions } from "../protocol/transitions.ts";

export type ConnectionState =
  | "connecting"
  | "connecting_last"
  | "open"
  | "draining"
  | "closing"
  | "timed_out"
  | "called_off"
  | "lost"
  | "closed"
  | "refused"
  | "dropped";

/**
 * - `opened`: the socket stands; `timeout`: it does not, and should by now; `ended`: it is gone;
 * - `drain`: nothing new; `close`: nothing any more.
 */
export type ConnectionEvent = "opened" | "timeout" | "drain" | "close" | "ended";

export const CONNECTION_TRANSITIONS: Transitions<ConnectionState, ConnectionEvent> = {
  connecting: {
    opened: "open",
    timeout: "timed_out",
    drain: "connecting_last",
    close: "called_off",
    ended: "refused",
  },
  connecting_last: {
    opened: "draining",
    timeout: "timed_out",
    drain: "connecting_last",
    close: "called_off",
    ended: "refused",
  },
  open: { drain: "draining", close: "closing", ended: "lost" },
  draining: { drain: "draining", close: "closing", ended: "lost" },
  closing: { drain: "closing", close: "closing", ended: "closed" },
  timed_out: { drain: "timed_out", close: "timed_out", ended: "refused" },
  called_off: { drain: "called_off", close: "called_off", ended: "dropped" },
  lost: {},
  closed: {},
  refused: {},
  dropped: {},
};

/** What others are told of a connection's state. */
export type ShownState = "connecting" | "open" | "draining" | "closed";

interface StateFacts {
  readonly shown: ShownState;
  /** Whether it stands, or did: before, nothing of a request can have reached the application. */
  readonly hasStood: boolean;
  readonly isOver: boolean;
}

const BEFORE: StateFacts = { shown: "draining", hasStood: false, isOver: false };
const STANDING: StateFacts = { shown: "draining", hasStood: true, isOver: false };
const OVER: StateFacts = { shown: "closed", hasStood: true, isOver: true };
const NEVER: StateFacts = { shown: "closed", hasStood: false, isOver: true };

export const STATE_FACTS: Readonly<Record<ConnectionState, StateFacts>> = {
  connecting: { ...BEFORE, shown: "connecting" },
  connecting_last: BEFORE,
  open: { ...STANDING, shown: "open" },
  draining: STANDING,
  closing: STANDING,
  timed_out: BEFORE,
  called_off: BEFORE,
  lost: OVER,
  closed: OVER,
  refused: NEVER,
  dropped: NEVER,
};
