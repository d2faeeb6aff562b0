/**
 * Whether the application reads what a connection sends: the system's view (bytes that it does not
 * take) beside that of the bodies on the way (`untaken_bodies.ts`). Where neither tells, it asks with
 * GET_VALUES behind the bodies.
 *
 * It does not know what to do about an application that does not read.
 */
import type { ClientEvent } from "../protocol/client_connection.ts";
import type { ClientProtocol } from "../protocol/client_protocol.ts";
import { ManagementValue } from "../protocol/constants.ts";
import type { BodySender } from "./body_sender.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Transport } from "./transport.ts";
import { STALL_MS, UntakenBodies } from "./untaken_bodies.ts";

export interface SendingFlowDeps {
  readonly protocol: ClientProtocol;
  readonly bodies: BodySender;
  readonly transport: Transport;
  readonly deadlines: Deadlines;
  /** Whether the application answers GET_VALUES. */
  readonly mayAsk: boolean;
}

export class SendingFlow {
  readonly #deps: SendingFlowDeps;
  readonly #untaken: UntakenBodies;

  constructor(deps: SendingFlowDeps) {
    this.#deps = deps;
    this.#untaken = new UntakenBodies(deps.mayAsk);
  }

  /** When to look again; Infinity while there is nothing to look at. */
  get deadlineMs(): number {
    return this.#untaken.deadlineMs;
  }

  /** Whether what is sent now is read at once, as far as can be known: nobody's body is before it. */
  get isFree(): boolean {
    return this.#untaken.isClear && !this.isStalled;
  }

  /** Whether the application has not read on for a while: what is sent now would wait. */
  get isStalled(): boolean {
    const { transport: { writingSinceMs }, deadlines } = this.#deps;
    if (writingSinceMs === Infinity && this.#untaken.isClear) return false;
    const nowMs = deadlines.nowMs();
    return nowMs - writingSinceMs >= STALL_MS || this.#untaken.isStalled(nowMs);
  }

  /** A request with a body begins. */
  add(id: number): void {
    this.#untaken.add(id, this.#deps.deadlines.nowMs());
  }

  /** The request has ended. */
  remove(id: number): void {
    this.#untaken.remove(id);
  }

  /** It is time to look: asks where that may tell something. */
  look(nowMs: number): void {
    const { bodies, protocol, transport } = this.#deps;
    const isWhole = (id: number) => !bodies.isSending(id);
    if (!this.#untaken.look(nowMs, bodies.turnsSent, isWhole)) return;
    protocol.getValues([ManagementValue.MPXS_CONNS]);
    transport.schedule();
  }

  /** The application has answered; whether bodies are known to be read by that. */
  answered(event: ClientEvent & { kind: "values" | "unknown_type" }): boolean {
    // Go's net/http/fcgi 1.19 sends an empty one behind each.
    if (event.kind === "values" && event.values.size === 0) return false;
    return this.#untaken.answered();
  }
}
