/**
 * Sends the bodies of a connection's requests, in turns (see `protocol/stdin_turns.ts`). Each body
 * is read one piece ahead and no further: the next piece is pulled when the one before has gone into
 * the out buffer, and that is only filled as fast as the socket takes it. So a slow socket slows the
 * client's upload down, and memory holds one piece for each request.
 */
import type { ClientProtocol } from "../protocol/client_protocol.ts";
import { Role } from "../protocol/constants.ts";
import { StdinTurns } from "../protocol/stdin_turns.ts";
import type { BodyReader } from "./request_body.ts";
import type { StreamHandler, StreamStart } from "./stream_handler.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Bytes of bodies that gather for one write; parameters of new requests come on top. */
export const WRITE_LENGTH_MAX = 256 * 1024;

/** What of a request's start is sent behind it. */
type SentBodies = Pick<StreamStart, "role" | "stdin" | "data">;

interface Sending {
  readonly id: number;
  readonly handler: StreamHandler;
  reader: BodyReader | undefined;
  /** Tells the pump that its piece has gone out, or never will. */
  onTaken: (() => void) | undefined;
  stopped: boolean;
}

export class BodySender {
  readonly #protocol: ClientProtocol;
  readonly #schedule: () => void;
  readonly #turns = new StdinTurns();
  readonly #sendings = new Map<number, Sending>();
  /** Pieces that have gone into the out buffer so far. */
  #turnsSent = 0;
  /** Pumps that wait for the connection: until it stands, a body stays where it can be retried. */
  #onOpen: (() => void)[] | undefined = [];

  /** @param schedule called when there is something to write */
  constructor(protocol: ClientProtocol, schedule: () => void) {
    this.#protocol = protocol;
    this.#schedule = schedule;
  }

  get turnsSent(): number {
    return this.#turnsSent;
  }

  /** Whether some of the request's bodies is still to go into the out buffer. */
  isSending(id: number): boolean {
    return this.#sendings.has(id);
  }

  /** Sends the bodies of a request that has begun, if it has any. */
  send(id: number, start: SentBodies, handler: StreamHandler): void {
    if (start.role === Role.AUTHORIZER) return;
    if (start.stdin === undefined && start.role === Role.RESPONDER) {
      this.#protocol.endStdin(id);
      return;
    }
    const sending = { id, handler, reader: undefined, onTaken: undefined, stopped: false };
    this.#sendings.set(id, sending);
    if (this.#onOpen === undefined) this.#pump(sending, start);
    else this.#onOpen.push(() => this.#pump(sending, start));
  }

  /** The connection stands: bodies may be read now. */
  open(): void {
    const pumps = this.#onOpen ?? [];
    this.#onOpen = undefined;
    for (const pump of pumps) pump();
  }

  /**
   * Sends nothing more of the request, but the end of STDIN where the application has ended it before.
   * Says whether all had been sent.
   */
  stop(id: number): boolean {
    const sending = this.#sendings.get(id);
    if (sending === undefined) return true;
    this.#sendings.delete(id);
    this.#turns.remove(id);
    sending.stopped = true;
    sending.reader?.cancel();
    sending.onTaken?.();
    if (!this.#protocol.isInUse(id)) {
      this.#protocol.endLateStdin(id);
      this.#schedule();
    }
    return false;
  }

  /** Moves pieces that wait into the out buffer, until it is full enough for one write. */
  fill(): void {
    while (this.#protocol.outputLength < WRITE_LENGTH_MAX) {
      const turn = this.#turns.next();
      if (turn === undefined) return;
      if (this.#protocol.takesStdin(turn.requestId)) {
        this.#protocol.sendStdin(turn.requestId, turn.bytes);
      } else {
        this.#protocol.sendData(turn.requestId, turn.bytes);
      }
      this.#turnsSent++;
      const sending = this.#sendings.get(turn.requestId);
      sending?.handler.onBodyProgress("to_application");
      if (turn.drained) sending?.onTaken?.();
    }
  }

  async #pump(sending: Sending, start: SentBodies): Promise<void> {
    if (sending.stopped) return;
    try {
      await this.#pumpStream(sending, start.stdin);
      if (sending.stopped) return;
      this.#protocol.endStdin(sending.id);
      if (start.role === Role.FILTER) {
        await this.#pumpStream(sending, start.data);
        if (sending.stopped) return;
        this.#protocol.endData(sending.id);
      }
      this.#sendings.delete(sending.id);
      this.#schedule();
    } catch (error) {
      reportIfOurs(error, "sending a body");
      if (!sending.stopped) sending.handler.onBodyFailed(error);
    }
  }

  async #pumpStream(sending: Sending, reader: BodyReader | undefined): Promise<void> {
    if (reader === undefined) return;
    sending.reader = reader;
    sending.handler.onBodyProgress("from_client");
    for (;;) {
      const bytes = await reader.read();
      if (sending.stopped) break;
      if (bytes === undefined) {
        // From here on it is the application that is waited for.
        sending.handler.onBodyProgress("sent");
        break;
      }
      // Nothing moves no limit.
      if (bytes.length === 0) continue;
      sending.handler.onBodyProgress("to_application");
      const taken = new Promise<void>((resolve) => sending.onTaken = resolve);
      this.#turns.offer(sending.id, bytes);
      this.#schedule();
      await taken;
      if (sending.stopped) break;
      sending.handler.onBodyProgress("from_client");
    }
    sending.reader = undefined;
  }
}
