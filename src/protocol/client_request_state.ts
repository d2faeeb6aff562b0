/**
 * The states of one request as the side that sends it sees them. Two halves run side by side:
 *
 *     what we send                                what the application sends
 *
 *     BEGIN, PARAMS
 *          │
 *          ▼   stdin_end    ┌─────────┐
 *     ┌─────────┐ ────────► │ SENDING │           ┌────────┐  stdout_end  ┌──────────┐
 *     │ SENDING │  (filter) │  DATA   │           │  OPEN  │ ───────────► │ FINISHED │
 *     └─────────┘           └─────────┘           └────────┘ ◄─────────── └──────────┘
 *       │  │ stdin_end       │  │ data_end            stdout ↺    stdout     stdout_end ↺
 *       │  ▼                 │  ▼
 *       │ ┌──────┐ ◄─────────│──┘
 *       │ │ SENT │           │
 *       │ └──────┘           │ abort
 *       │   │ abort          ▼
 *       │   └────────► ┌──────────┐
 *       └────────────► │ ABORTING │     end, from any state: the id is free again
 *           abort      └──────────┘
 *
 * STDOUT ends with END_REQUEST. An empty record of it says so before, and is believed where the
 * connection closes behind it; php-fpm 7.4 to 8.1 also sends one in the middle, when its buffer is
 * full and notices and output alternate.
 *
 * A move that a table does not list is an error.
 */
import { Role } from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import type { Transitions } from "./transitions.ts";

export type SendingState = "sending" | "sending_data" | "sent" | "aborting";
export type SendingMove = "stdin" | "stdin_end" | "data" | "data_end" | "abort";

export type ReceivingState = "open" | "finished";
export type ReceivingMove = "stdout" | "stdout_end";

const RESPONDER_SENDING: Transitions<SendingState, SendingMove> = {
  sending: { stdin: "sending", stdin_end: "sent", abort: "aborting" },
  sending_data: {},
  sent: { abort: "aborting" },
  aborting: {},
};

/** A filter gets STDIN first and then a second stream, DATA (section 6.4). */
const FILTER_SENDING: Transitions<SendingState, SendingMove> = {
  sending: { stdin: "sending", stdin_end: "sending_data", abort: "aborting" },
  sending_data: { data: "sending_data", data_end: "sent", abort: "aborting" },
  sent: { abort: "aborting" },
  aborting: {},
};

const RECEIVING: Transitions<ReceivingState, ReceivingMove> = {
  open: { stdout: "open", stdout_end: "finished" },
  finished: { stdout_end: "finished", stdout: "open" },
};

/** All of them, for who wants to know which moves are taken. */
export const CLIENT_REQUEST_TABLES = {
  responder: RESPONDER_SENDING,
  filter: FILTER_SENDING,
  receiving: RECEIVING,
} as const;

/** One request in flight. */
export class ClientRequestState {
  readonly id: number;
  readonly #table: Transitions<SendingState, SendingMove>;
  sending: SendingState;
  receiving: ReceivingState = "open";

  constructor(id: number, role: Role) {
    this.id = id;
    this.#table = role === Role.FILTER ? FILTER_SENDING : RESPONDER_SENDING;
    // An authorizer gets parameters only (section 6.3).
    this.sending = role === Role.AUTHORIZER ? "sent" : "sending";
  }

  /** @throws {ProtocolError} `bad_transition`, a slip of ours */
  send(move: SendingMove): void {
    const next = this.#table[this.sending][move];
    if (next === undefined) throw badTransition(this.id, move, this.sending, "local");
    this.sending = next;
  }

  /** @throws {ProtocolError} `bad_transition`, the application's fault */
  receive(move: ReceivingMove): void {
    const next = RECEIVING[this.receiving][move];
    if (next === undefined) throw badTransition(this.id, move, this.receiving, "application");
    this.receiving = next;
  }
}

function badTransition(id: number, move: string, state: string, fault: "local" | "application") {
  return new ProtocolError(
    "bad_transition",
    `Cannot take "${move}" for request ${id}: it is in state "${state}"`,
    { fault, scope: "request" },
  );
}
