/**
 * Asks an application once what it can do (FCGI_GET_VALUES, section 4.1), on a connection of its
 * own: php-fpm closes after answering, and some applications never answer, which means "no".
 */
import { ClientConnection } from "../protocol/client_connection.ts";
import { ManagementValue } from "../protocol/constants.ts";
import type { Address } from "../runtime/address.ts";
import type { CallbackSocket, SocketEvents } from "../runtime/callback_socket.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { connectSocket } from "../runtime/streamed_socket.ts";

/** How long to wait for a response, in milliseconds. */
export const NEGOTIATION_TIMEOUT_MS = 1_000;

const NAMES = Object.values(ManagementValue);

/**
 * `answered`, `closed` without a response, `refused` by other words, `silent` until we gave up, and
 * `unread` where the question was not even read until then: every worker is busy.
 */
export type NegotiationOutcome = "answered" | "closed" | "refused" | "silent" | "unread";

export interface Negotiation {
  readonly outcome: NegotiationOutcome;
  /** As the application wrote them; undefined when it did not answer. */
  readonly values: ReadonlyMap<string, string> | undefined;
  /** Milliseconds until the connection stood. */
  readonly connectMs: number;
  /** Milliseconds from the question to the response. */
  readonly responseMs: number | undefined;
}

/** Whether the response means that requests may share a connection. */
export function multiplexes(negotiation: Negotiation): boolean {
  return negotiation.values?.get(ManagementValue.MPXS_CONNS) === "1";
}

/** What the application says that it takes at most; Infinity where it says nothing that counts. */
export function limitsOf({ values }: Negotiation): { connections: number; requests: number } {
  const limit = (name: string): number => {
    const value = values?.get(name) ?? "";
    return /^[1-9]\d{0,8}$/.test(value) ? Number(value) : Infinity;
  };
  return {
    connections: limit(ManagementValue.MAX_CONNS),
    requests: limit(ManagementValue.MAX_REQS),
  };
}

/**
 * Connects, asks, waits at most `replyTimeoutMs` and closes. `signal` ends it before.
 *
 * @throws {ConnectError} when nobody takes the connection within `connectTimeoutMs` (0: no limit)
 */
export async function negotiate(
  runtime: Runtime,
  address: Address,
  connectTimeoutMs: number,
  replyTimeoutMs: number = NEGOTIATION_TIMEOUT_MS,
  signal?: AbortSignal,
): Promise<Negotiation> {
  const { clock } = runtime;
  const startMs = clock.nowMs();
  const question = await connect(runtime, address, connectTimeoutMs, signal);
  const askedMs = clock.nowMs();
  const giveUp = (): void => question.giveUp();
  const timer = clock.setTimer(giveUp, replyTimeoutMs);
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  const outcome = await question.outcome;
  clock.clearTimer(timer);
  signal?.removeEventListener("abort", giveUp);
  const { values } = question;
  const responseMs = values && clock.nowMs() - askedMs;
  return { outcome, values, connectMs: askedMs - startMs, responseMs };
}

async function connect(
  runtime: Runtime,
  address: Address,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Question> {
  const { clock } = runtime;
  const connecting = new AbortController();
  const giveUp = (): void => connecting.abort();
  const timer = timeoutMs > 0 ? clock.setTimer(giveUp, timeoutMs) : undefined;
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  try {
    let question!: Question;
    const onSocket = (socket: CallbackSocket): Question => question = new Question(socket);
    await connectSocket(runtime, { address, signal: connecting.signal, onSocket });
    return question;
  } finally {
    if (timer !== undefined) clock.clearTimer(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

/** The question on its socket. */
class Question implements SocketEvents {
  readonly outcome: Promise<NegotiationOutcome>;
  values: ReadonlyMap<string, string> | undefined;
  readonly #socket: CallbackSocket;
  readonly #protocol = new ClientConnection(1);
  #resolve!: (outcome: NegotiationOutcome) => void;
  #isOver = false;

  constructor(socket: CallbackSocket) {
    this.#socket = socket;
    this.outcome = new Promise((resolve) => this.#resolve = resolve);
    this.#protocol.getValues(NAMES);
    // Not before the socket knows who hears of it.
    queueMicrotask(() => socket.write(this.#protocol.takeOutput()));
  }

  /** Nobody waits any longer. */
  giveUp(): void {
    const isUnread = this.#socket.peerProgress?.(false) === "behind";
    this.#end(isUnread ? "unread" : "silent");
  }

  received(bytes: Uint8Array): void {
    for (const event of this.#protocol.receive(bytes)) {
      // Go ends its response with an empty record of the same type.
      if (this.#isOver) return;
      if (event.kind === "values") {
        this.values = event.values;
        this.#end("answered");
      } else if (event.kind === "broken" || event.kind === "unknown_type") this.#end("refused");
    }
  }

  drained(): void {}

  peerEnded(): void {
    this.#end("closed");
  }

  closed(): void {
    this.#resolve("closed");
  }

  /** The first outcome counts. */
  #end(outcome: NegotiationOutcome): void {
    this.#isOver = true;
    this.#resolve(outcome);
    this.#socket.reset();
  }
}
