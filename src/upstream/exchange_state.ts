/**
 * How far an attempt has come.
 *
 *     ┌───────┐ placed_early  ┌─────────┐ connected  ┌────────────┐ headers  ┌──────┐
 *     │ QUEUE │ ────────────► │ CONNECT │ ─────────► │ FIRST_BYTE │ ───────► │ BODY │
 *     └───────┘               └─────────┘            └────────────┘          └──────┘
 *       │  │ placed                │                   ▲   │                   │
 *       │  └───────────────────────│───────────────────┘   │                   │
 *       │                          ▼  done                 ▼                   ▼
 *       │  done               ┌─────────────────────────────────────────────────────┐
 *       └───────────────────► │ DONE                   complete, or failed          │
 *                             └─────────────────────────────────────────────────────┘
 *
 * | phase      | what holds                                                             |
 * | ---------- | ---------------------------------------------------------------------- |
 * | queue      | it has no connection                                                   |
 * | connect    | its connection is being made: the application knows nothing of it      |
 * | first_byte | it is being sent, or was; the response's header section is not whole   |
 * | body       | its header section is whole, and the client has it                     |
 * | done       | nothing more happens                                                   |
 *
 * How far the request's own body has come runs beside that (`BodyState`): an application may respond
 * before it has read it.
 */
import type { Transitions } from "../protocol/transitions.ts";
import type { ExchangePhase } from "./errors.ts";

/** `send` stands in errors only: it is no state of its own. */
export type ExchangeState = Exclude<ExchangePhase, "send">;

/**
 * - `placed`: it has a connection that stands; `placed_early`: it has one that is being made;
 *   `connected`: that stands now;
 * - `headers`: the response's header section is whole;
 * - `done`: the response is complete, or the attempt has failed.
 */
export type ExchangeEvent = "placed" | "placed_early" | "connected" | "headers" | "done";

export const EXCHANGE_TRANSITIONS: Transitions<ExchangeState, ExchangeEvent> = {
  queue: { placed: "first_byte", placed_early: "connect", done: "done" },
  connect: { connected: "first_byte", done: "done" },
  first_byte: { headers: "body", done: "done" },
  body: { done: "done" },
  done: {},
};
