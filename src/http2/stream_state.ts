/**
 * The states of a stream as its server sees them (RFC 9113 section 5.1, without push):
 *
 *                          ┌──────┐
 *                          │ idle │
 *                          └──┬───┘
 *              receiveHeaders │
 *                          ┌──▼───┐
 *           receiveEnd ┌───┤ open ├───┐ sendEnd
 *              ┌───────▼─┐ └──┬───┘ ┌─▼───────┐
 *              │ half-   │    │     │ half-   │
 *              │ closed  │    │     │ closed  │
 *              │ (remote)│    │     │ (local) │
 *              └───────┬─┘    │     └─┬───────┘
 *              sendEnd │      │ reset │ receiveEnd
 *                or    │   ┌──▼───┐   │ or reset
 *                reset └───► closed ◄─┘
 *                          └──────┘
 *
 * `reset` is RST_STREAM in either direction, and the connection's end. What is not listed here cannot
 * happen: whoever receives a frame asks first whether it may come.
 */
import type { Transitions } from "../protocol/transitions.ts";

export type StreamState =
  | "idle"
  | "open"
  | "half-closed (remote)"
  | "half-closed (local)"
  | "closed";
export type StreamEvent = "receiveHeaders" | "receiveEnd" | "sendEnd" | "reset";

export const STREAM_TRANSITIONS: Transitions<StreamState, StreamEvent> = {
  "idle": { receiveHeaders: "open" },
  "open": {
    receiveEnd: "half-closed (remote)",
    sendEnd: "half-closed (local)",
    reset: "closed",
  },
  "half-closed (remote)": { sendEnd: "closed", reset: "closed" },
  "half-closed (local)": { receiveEnd: "closed", reset: "closed" },
  "closed": {},
};

/** Whether the client may still send DATA and trailers. */
export function mayReceive(state: StreamState): boolean {
  return state === "open" || state === "half-closed (local)";
}

export function maySend(state: StreamState): boolean {
  return state === "open" || state === "half-closed (remote)";
}
