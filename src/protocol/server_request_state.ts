/**
 * The states of one request as the application side sees them. Two halves run side by side:
 *
 *     what the web server sends                                   what we answer
 *
 *     BEGIN
 *       ▼ params ↺
 *     ┌────────┐ params_end   ┌───────┐ stdin_end                   stdout ↺
 *     │ PARAMS │ ───────────► │ STDIN │ ───────────┐              ┌──────┐
 *     └────────┘              └───────┘            ▼              │ OPEN │
 *         │ │                   │ │ stdin_end  ┌──────────┐       └──────┘
 *         │ │ params_end        │ │ (filter)   │ COMPLETE │           │ stdout_end
 *         │ │ (authorizer)      │ ▼            └──────────┘           ▼
 *         │ │                   │ ┌──────┐ data_end ▲  │        ┌──────────┐
 *         │ │                   │ │ DATA │ ─────────┘  │        │ FINISHED │
 *         │ │                   │ └──────┘             │        └──────────┘
 *         │ │                   │   │ abort            │ abort
 *         │ ▼   abort           ▼   ▼                  ▼      end, from any state: the id is free
 *     ┌──────────────────────────────────────────────────┐
 *     │ DEAF                    what still comes is taken and dropped
 *     └──────────────────────────────────────────────────┘
 *
 * `refuse` leads from PARAMS to DEAF: the parameters cannot be taken. An authorizer gets parameters
 * only (section 6.3), but some web servers end its STDIN all the same. A move that a table does not
 * list is an error.
 */
import { Role } from "./constants.ts";
import { ProtocolError } from "./errors.ts";
import type { Transitions } from "./transitions.ts";

export type InputState = "params" | "stdin" | "data" | "complete" | "deaf";
export type InputMove =
  | "params"
  | "params_end"
  | "stdin"
  | "stdin_end"
  | "data"
  | "data_end"
  | "abort"
  | "refuse";

export type OutputState = "open" | "finished";
export type OutputMove = "stdout" | "stdout_end";

const DEAF: Partial<Record<InputMove, InputState>> = {
  params: "deaf",
  params_end: "deaf",
  stdin: "deaf",
  stdin_end: "deaf",
  data: "deaf",
  data_end: "deaf",
  abort: "deaf",
};

const RESPONDER_INPUT: Transitions<InputState, InputMove> = {
  params: { params: "params", params_end: "stdin", abort: "deaf", refuse: "deaf" },
  stdin: { stdin: "stdin", stdin_end: "complete", abort: "deaf" },
  data: {},
  complete: { abort: "deaf" },
  deaf: DEAF,
};

/** A filter gets STDIN first and then a second stream, DATA (section 6.4). */
const FILTER_INPUT: Transitions<InputState, InputMove> = {
  ...RESPONDER_INPUT,
  stdin: { stdin: "stdin", stdin_end: "data", abort: "deaf" },
  data: { data: "data", data_end: "complete", abort: "deaf" },
};

const AUTHORIZER_INPUT: Transitions<InputState, InputMove> = {
  ...RESPONDER_INPUT,
  params: { params: "params", params_end: "complete", abort: "deaf", refuse: "deaf" },
  complete: { stdin: "complete", stdin_end: "complete", abort: "deaf" },
};

const INPUT_TABLES: Readonly<Record<Role, Transitions<InputState, InputMove>>> = {
  [Role.RESPONDER]: RESPONDER_INPUT,
  [Role.AUTHORIZER]: AUTHORIZER_INPUT,
  [Role.FILTER]: FILTER_INPUT,
};

const OUTPUT: Transitions<OutputState, OutputMove> = {
  open: { stdout: "open", stdout_end: "finished" },
  finished: {},
};

/** All of them, for who wants to know which moves are taken. */
export const SERVER_REQUEST_TABLES = {
  responder: RESPONDER_INPUT,
  filter: FILTER_INPUT,
  authorizer: AUTHORIZER_INPUT,
  output: OUTPUT,
} as const;

/** One request in flight. */
export class ServerRequestState {
  readonly id: number;
  readonly role: Role;
  readonly keepConnection: boolean;
  readonly #table: Transitions<InputState, InputMove>;
  input: InputState = "params";
  output: OutputState = "open";
  /** Whether STDERR was written to, and so wants an end record. */
  usesStderr = false;

  constructor(id: number, role: Role, keepConnection: boolean) {
    this.id = id;
    this.role = role;
    this.keepConnection = keepConnection;
    this.#table = INPUT_TABLES[role];
  }

  /**
   * @throws {ProtocolError} `bad_transition`, the web server's fault: it takes the connection along
   */
  receive(move: InputMove): InputState {
    const next = this.#table[this.input][move];
    if (next === undefined) {
      throw new ProtocolError(
        "bad_transition",
        `Cannot take "${move}" for request ${this.id}: its input is in state "${this.input}"`,
      );
    }
    this.input = next;
    return next;
  }

  /** @throws {ProtocolError} `bad_transition`, a slip of ours */
  send(move: OutputMove): void {
    const next = OUTPUT[this.output][move];
    if (next === undefined) {
      throw new ProtocolError(
        "bad_transition",
        `Cannot send "${move}" for request ${this.id}: its output is in state "${this.output}"`,
        { fault: "local", scope: "request" },
      );
    }
    this.output = next;
  }
}
