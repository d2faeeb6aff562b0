/**
 * How far the response has come to the request that is on a connection.
 *
 *     ┌──────┐ request  ┌─────────┐ headers  ┌──────┐
 *     │ IDLE │ ───────► │ HEADERS │ ───────► │ BODY │
 *     └──────┘ ◄─────── └─────────┘          └──────┘
 *       ▲  complete       │     │ switched      │ complete
 *       └─────────────────│─────│───────────────┘
 *                         │     ▼
 *                         │   ┌────────┐
 *                         │   │ TUNNEL │
 *                         │   └────────┘
 *                         ▼       ▼  over, from any state
 *                       ┌────────────┐
 *                       │    OVER    │
 *                       └────────────┘
 *
 * | state   | what holds                                                             |
 * | ------- | ---------------------------------------------------------------------- |
 * | idle    | there is no request: what comes now is nobody's, and ends the connection |
 * | headers | a request has begun; its response's header section is not whole          |
 * | body    | the header section is whole, the body is not                             |
 * | tunnel  | both have left HTTP by a 101: bytes go both ways until the connection ends |
 * | over    | nothing more is read                                                     |
 */
import type { Transitions } from "../protocol/transitions.ts";

export type ResponseState = "idle" | "headers" | "body" | "tunnel" | "over";

export type ResponseEvent = "request" | "headers" | "complete" | "switched" | "over";

export const RESPONSE_TRANSITIONS: Transitions<ResponseState, ResponseEvent> = {
  idle: { request: "headers", over: "over" },
  headers: { headers: "body", complete: "idle", switched: "tunnel", over: "over" },
  body: { complete: "idle", over: "over" },
  tunnel: { over: "over" },
  over: { over: "over" },
};
