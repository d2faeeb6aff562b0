/**
 * The states of a client's connection.
 *
 *       ┌──────────────────── finished ◄─────────────────────────┐
 *       ▼                                                        │
 *     ┌──────┐ headers  ┌─────────┐ request  ┌────────────┐ unflushed  ┌─────────┐
 *     │ IDLE │ ───────► │ HEADERS │ ───────► │ RESPONDING │ ─────────► │ SENDING │
 *     └──────┘          └─────────┘          └────────────┘            └─────────┘
 *       │           blank │   ▲ headers        │    │   body_remains ┌──────────┐   ▲
 *       │                 ▼   │                │    └──────────────► │ DRAINING │ ──┘ unflushed
 *       │               ┌───────┐  request     │                     └──────────┘
 *       │               │ BLANK │ ────────────►│
 *       │               └───────┘              │
 *       └─────────────── request ─────────────►│
 *                                   peer_ended ▼
 *                               ┌─────────────────┐
 *                               │ RESPONDING_LAST │
 *                               └─────────────────┘
 *                                        │ any end of the response
 *     close, peer_ended                  ▼
 *     from any of the others ──────► ┌─────────┐  gone, from any state  ┌──────┐
 *                                    │ CLOSING │ ─────────────────────► │ GONE │
 *                                    └─────────┘                        └──────┘
 *
 * | state           | what holds                                                       |
 * | --------------- | ---------------------------------------------------------------- |
 * | idle            | between two requests                                             |
 * | headers         | some of a header section has come, within `timeouts.headersMs`   |
 * | blank           | what had come was an empty line; the time of headers goes on     |
 * | responding      | a request has begun, its response has not been written           |
 * | responding_last | the same; the client has ended its side, and will have all of it |
 * | draining        | the response is written, the request's body still comes          |
 * | sending         | the client has yet to take what was written                      |
 * | closing         | all that was to say is written; what comes is dropped            |
 * | gone            | there is no socket any more                                      |
 */
import type { Transitions } from "../protocol/transitions.ts";
import type { ClientPhase } from "./client_phase.ts";

export type ConnectionState =
  | "idle"
  | "headers"
  | "blank"
  | "responding"
  | "responding_last"
  | "draining"
  | "sending"
  | "closing"
  | "gone";

/**
 * - `headers`: some of a header section has come; `blank`: what came was empty lines;
 * - `request`: a header section is there, and can be read;
 * - `finished`: the request and its response are over, and another may follow; `unflushed`: they are,
 *   but the client has yet to take some of the response; `body_remains`: the response is over, the
 *   request is not;
 * - `close`: nothing more is read, and nothing more is said;
 * - `peer_ended`: the client sends nothing more; `gone`: its socket has closed, or was.
 */
export type ConnectionEvent =
  | "headers"
  | "blank"
  | "request"
  | "finished"
  | "unflushed"
  | "body_remains"
  | "close"
  | "peer_ended"
  | "gone";

export const CONNECTION_TRANSITIONS: Transitions<ConnectionState, ConnectionEvent> = {
  idle: {
    headers: "headers",
    blank: "idle",
    request: "responding",
    close: "closing",
    peer_ended: "closing",
    gone: "gone",
  },
  headers: {
    headers: "headers",
    blank: "blank",
    request: "responding",
    close: "closing",
    peer_ended: "closing",
    gone: "gone",
  },
  blank: {
    headers: "headers",
    blank: "blank",
    request: "responding",
    close: "closing",
    peer_ended: "closing",
    gone: "gone",
  },
  responding: {
    finished: "idle",
    unflushed: "sending",
    body_remains: "draining",
    close: "closing",
    peer_ended: "responding_last",
    gone: "gone",
  },
  responding_last: {
    finished: "closing",
    body_remains: "closing",
    close: "closing",
    gone: "gone",
  },
  draining: {
    finished: "idle",
    unflushed: "sending",
    close: "closing",
    peer_ended: "closing",
    gone: "gone",
  },
  sending: {
    finished: "idle",
    close: "closing",
    peer_ended: "closing",
    gone: "gone",
  },
  closing: { peer_ended: "closing", gone: "gone" },
  gone: {},
};

export const PHASE_OF_STATE: Readonly<Record<ConnectionState, ClientPhase>> = {
  idle: "idle",
  headers: "reading",
  blank: "reading",
  responding: "responding",
  responding_last: "responding",
  draining: "reading",
  sending: "sending",
  closing: "closing",
  gone: "closing",
};
