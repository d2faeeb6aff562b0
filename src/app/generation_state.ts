/**
 * The states of a generation: one configuration, from its being made ready to its last request.
 *
 *                   commit             replace              drained
 *     ┌───────────┐ ──────► ┌─────────┐ ──────► ┌──────────┐ ──────► ┌──────┐
 *     │ preparing │         │ serving │         │ draining │         │ over │
 *     └───────────┘         └─────────┘         └──────────┘         └──────┘
 *           │ stop               │ stop              │ stop              ▲
 *           │                    ▼                   ▼                   │
 *           │               ┌──────────┐                                 │
 *           │               │ stopping │ ─── drained ───────────────────►│
 *           │               └──────────┘                                 │
 *           └── discard ────────────────────────────────────────────────►┘
 *
 * | state     | what holds                                                                   |
 * | --------- | ---------------------------------------------------------------------------- |
 * | preparing | what can fail is opened; requests that come to new listeners wait             |
 * | serving   | every new request is its                                                     |
 * | draining  | another one serves; the requests that it has begun end with it               |
 * | stopping  | the process stops: its requests end, within the grace                        |
 * | over      | what nobody else has is closed                                               |
 */
import type { Transitions } from "../protocol/transitions.ts";

export type GenerationState = "preparing" | "serving" | "draining" | "stopping" | "over";
export type GenerationEvent = "commit" | "discard" | "replace" | "stop" | "drained";

export const GENERATION_TRANSITIONS: Transitions<GenerationState, GenerationEvent> = {
  preparing: { commit: "serving", discard: "over", stop: "stopping" },
  serving: { replace: "draining", stop: "stopping" },
  draining: { drained: "over", stop: "stopping" },
  stopping: { drained: "over" },
  over: {},
};
