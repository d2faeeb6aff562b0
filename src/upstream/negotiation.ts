/**
 * Asks an application once what it can do (FCGI_GET_VALUES, section 4.1), on a connection of its
 * own: php-fpm closes after answering, and some applications never answer, which means "no".
 */
import { ClientConnection } from "../protocol/client_connection.ts";
import { ManagementValue } from "../protocol/constants.ts";
import type { Address } from "../runtime/address.ts";
import type { ByteConnection, Runtime } from "../runtime/runtime.ts";

/** How long to wait for an answer, in milliseconds. */
export const NEGOTIATION_TIMEOUT_MS = 1_000;

const NAMES = Object.values(ManagementValue);

export interface Negotiation {
  /** As the application wrote them; undefined when it did not answer. */
  readonly values: ReadonlyMap<string, string> | undefined;
  /** Milliseconds until the connection stood. */
  readonly connectMs: number;
  /** Milliseconds from the question to the answer. */
  readonly answerMs: number | undefined;
}

/** Whether the answer means that requests may share a connection. */
export function multiplexes(negotiation: Negotiation): boolean {
  return negotiation.values?.get(ManagementValue.MPXS_CONNS) === "1";
}

/**
 * Connects, asks, waits at most `answerTimeoutMs` and closes. `signal` ends it before.
 *
 * @throws {ConnectError} when nobody takes the connection within `connectTimeoutMs` (0: no limit)
 */
export async function negotiate(
  runtime: Runtime,
  address: Address,
  connectTimeoutMs: number,
  answerTimeoutMs: number = NEGOTIATION_TIMEOUT_MS,
  signal?: AbortSignal,
): Promise<Negotiation> {
  const { clock } = runtime;
  const startMs = clock.nowMs();
  const socket = await connect(runtime, address, connectTimeoutMs, signal);
  const connectMs = clock.nowMs() - startMs;
  const giveUp = (): void => socket.destroy();
  const timer = clock.setTimer(giveUp, answerTimeoutMs);
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  try {
    const askedMs = clock.nowMs();
    const values = await ask(socket);
    return { values, connectMs, answerMs: values && clock.nowMs() - askedMs };
  } finally {
    clock.clearTimer(timer);
    signal?.removeEventListener("abort", giveUp);
    socket.destroy();
  }
}

async function connect(
  runtime: Runtime,
  address: Address,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ByteConnection> {
  const { clock } = runtime;
  const connecting = new AbortController();
  const giveUp = (): void => connecting.abort();
  const timer = timeoutMs > 0 ? clock.setTimer(giveUp, timeoutMs) : undefined;
  signal?.addEventListener("abort", giveUp);
  try {
    return await runtime.connect(address, { signal: connecting.signal });
  } finally {
    if (timer !== undefined) clock.clearTimer(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

/** The values, or undefined when the connection ends without them. */
async function ask(socket: ByteConnection): Promise<ReadonlyMap<string, string> | undefined> {
  const protocol = new ClientConnection(1);
  protocol.getValues(NAMES);
  try {
    const writer = socket.writable.getWriter();
    await writer.write(protocol.takeOutput());
    const reader = socket.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      for (const event of protocol.receive(value)) {
        if (event.kind === "values") return event.values;
        if (event.kind === "broken" || event.kind === "unknown_type") return undefined;
      }
    }
  } catch {
    // Broken off, or given up by us: both mean that there is no answer.
    return undefined;
  }
}
