/**
 * The states of a connection of HTTP/2.
 *
 *   ┌─────────┐ preface ┌──────┐  leave  ┌─────────┐  drain  ┌──────────┐
 *   │ preface ├─────────► open ├─────────► leaving ├─────────► draining │
 *   └────┬────┘         └──┬───┘         └────┬────┘         └────┬─────┘
 *        │ close           │ close, drain     │ close             │ close
 *        └─────────────────┴────────┬─────────┴───────────────────┘
 *                             ┌─────▼───┐ gone, from any state ┌──────┐
 *                             │ closing ├──────────────────────► gone │
 *                             └─────────┘                      └──────┘
 *
 * | state    | what holds                                                                        |
 * | -------- | --------------------------------------------------------------------------------- |
 * | preface  | the client has not said all that it says first                                     |
 * | open     | streams come and go                                                                |
 * | leaving  | the client knows that it is to ask elsewhere; what it sent before it knew counts   |
 * | draining | nobody begins a stream any more, and those that run end (RFC 9113 section 6.8)     |
 * | closing  | all that was to say is written; what comes is dropped                              |
 * | gone     | there is no socket any more                                                        |
 */
import type { ClientPhase } from "../http1/client_phase.ts";
import type { Transitions } from "../protocol/transitions.ts";

export type ConnectionState = "preface" | "open" | "leaving" | "draining" | "closing" | "gone";

/**
 * - `preface`: it has come; `leave`: we want to end the connection well; `drain`: what the client had
 *   sent by then has come, or it ends the connection itself;
 * - `close`: nothing more is said: all is over, or something was wrong; `gone`: its socket is closed.
 */
export type ConnectionEvent = "preface" | "leave" | "drain" | "close" | "gone";

export const CONNECTION_TRANSITIONS: Transitions<ConnectionState, ConnectionEvent> = {
  preface: { preface: "open", close: "closing", gone: "gone" },
  open: { leave: "leaving", drain: "draining", close: "closing", gone: "gone" },
  leaving: { drain: "draining", close: "closing", gone: "gone" },
  draining: { close: "closing", gone: "gone" },
  closing: { gone: "gone" },
  gone: {},
};

/** `isIdle`: no stream is open; `isFlushed`: the client has what was written. */
export function phaseOf(state: ConnectionState, isIdle: boolean, isFlushed: boolean): ClientPhase {
  if (state === "closing" || state === "gone") return "closing";
  if (!isIdle) return "responding";
  if (state === "preface") return "reading";
  return isFlushed ? "idle" : "sending";
}
