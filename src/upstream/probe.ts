/**
 * Finds out what an application supports: what it answers to FCGI_GET_VALUES, and, with one small
 * GET, whether it keeps a connection open when asked to (KEEP_CONN) and how soon it answers.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import { ClientConnection } from "../protocol/client_connection.ts";
import { Role } from "../protocol/constants.ts";
import { appendNameValue } from "../protocol/name_value.ts";
import type { Address } from "../runtime/address.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorText } from "./errors.ts";
import {
  multiplexes,
  negotiate,
  NEGOTIATION_TIMEOUT_MS,
  type NegotiationOutcome,
} from "./negotiation.ts";

/** How long a kept connection must stay open after a response to count as kept, in milliseconds. */
export const KEEP_OBSERVED_MS = 100;

/** Characters of the response that are looked at. */
const STDOUT_KEPT_MAX = 4096;

const DIED = 'It ended when it was asked with FCGI_GET_VALUES (multiplex: "off" never asks)';

export interface ProbeReport {
  /** Values of FCGI_GET_VALUES; undefined when there was none. */
  readonly values: Record<string, string> | undefined;
  /** What became of the question; undefined when there was no connection. */
  readonly outcome: NegotiationOutcome | undefined;
  readonly multiplexes: boolean;
  /** Undefined when the request was not answered. */
  readonly keepsConnection: boolean | undefined;
  readonly connectMs: number;
  /** From sending the request to its END_REQUEST; undefined when it was not answered. */
  readonly answerMs: number | undefined;
  /** The beginning of its response's body, which may show what answered. */
  readonly answerBody: string | undefined;
  /** Why the application could not be asked. */
  readonly fault: string | undefined;
}

export interface ProbeDeps {
  readonly runtime: Runtime;
  /** For the connection, and for the response. */
  readonly timeoutMs: number;
}

const PARAMS: Readonly<Record<string, string>> = {
  GATEWAY_INTERFACE: "CGI/1.1",
  REQUEST_METHOD: "GET",
  REQUEST_URI: "/",
  SCRIPT_NAME: "/",
  SCRIPT_FILENAME: "/",
  QUERY_STRING: "",
  SERVER_PROTOCOL: "HTTP/1.1",
  SERVER_NAME: "localhost",
  SERVER_PORT: "80",
  REMOTE_ADDR: "127.0.0.1",
};

/** Asks; an error is reported, not thrown. */
export async function probeApplication(address: Address, deps: ProbeDeps): Promise<ProbeReport> {
  const { runtime, timeoutMs } = deps;
  const startMs = runtime.clock.nowMs();
  let connectMs = 0;
  let outcome: NegotiationOutcome | undefined;
  try {
    const waitMs = Math.min(timeoutMs, NEGOTIATION_TIMEOUT_MS);
    const negotiation = await negotiate(runtime, address, timeoutMs, waitMs);
    connectMs = negotiation.connectMs;
    outcome = negotiation.outcome;
    const response = await requestOnce(address, deps);
    return {
      values: negotiation.values && Object.fromEntries(negotiation.values),
      outcome,
      multiplexes: multiplexes(negotiation),
      keepsConnection: response?.keepsConnection,
      connectMs,
      answerMs: response?.answerMs,
      answerBody: response?.body,
      fault: response === undefined && negotiation.values === undefined
        ? "It answered neither FCGI_GET_VALUES nor a request (does it speak FastCGI?)"
        : undefined,
    };
  } catch (error) {
    return {
      values: undefined,
      outcome,
      multiplexes: false,
      keepsConnection: undefined,
      connectMs: connectMs || runtime.clock.nowMs() - startMs,
      answerMs: undefined,
      answerBody: undefined,
      fault: outcome === "closed" ? `${DIED}: ${errorText(error)}` : errorText(error),
    };
  }
}

interface ProbeResponse {
  readonly answerMs: number;
  readonly body: string;
  readonly keepsConnection: boolean;
}

async function requestOnce(
  address: Address,
  { runtime, timeoutMs }: ProbeDeps,
): Promise<ProbeResponse | undefined> {
  const { clock } = runtime;
  const connecting = new AbortController();
  let giveUp = clock.setTimer(() => connecting.abort(), timeoutMs);
  let socket: ByteConnection | undefined;
  try {
    socket = await runtime.connect(address, { signal: connecting.signal });
    const reader = socket.readable.getReader();
    const protocol = new ClientConnection(1);
    const sentMs = clock.nowMs();
    await sendGet(socket, protocol);
    clock.clearTimer(giveUp);
    giveUp = clock.setTimer(() => socket?.destroy(), timeoutMs);
    const stdout = await readUntilEnd(reader, protocol);
    if (stdout === undefined) return undefined;
    const answerMs = clock.nowMs() - sentMs;
    clock.clearTimer(giveUp);
    let observed = false;
    giveUp = clock.setTimer(() => {
      observed = true;
      socket?.destroy();
    }, KEEP_OBSERVED_MS);
    await reader.read().catch(() => {});
    return { answerMs, body: bodyOf(stdout), keepsConnection: observed };
  } finally {
    clock.clearTimer(giveUp);
    socket?.destroy();
  }
}

async function sendGet(socket: ByteConnection, protocol: ClientConnection): Promise<void> {
  const params = new ByteBuffer(512);
  for (const [name, value] of Object.entries(PARAMS)) appendNameValue(params, name, value);
  const id = protocol.begin({
    role: Role.RESPONDER,
    keepConnection: true,
    params: params.take(),
  });
  protocol.endStdin(id);
  await socket.writable.getWriter().write(protocol.takeOutput());
}

/** STDOUT's beginning; undefined when the connection ends, or breaks, before the request does. */
async function readUntilEnd(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  protocol: ClientConnection,
): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let stdout = "";
  for (;;) {
    const piece = await reader.read().catch(() => undefined);
    if (piece === undefined || piece.done) return undefined;
    for (const event of protocol.receive(piece.value)) {
      if (event.kind === "end") return stdout;
      if (event.kind === "broken") return undefined;
      if (event.kind !== "stdout" || stdout.length >= STDOUT_KEPT_MAX) continue;
      stdout = (stdout + decoder.decode(event.bytes, { stream: true })).slice(0, STDOUT_KEPT_MAX);
    }
  }
}

function bodyOf(stdout: string): string {
  const end = /\r?\n\r?\n/.exec(stdout);
  return end === null ? "" : stdout.slice(end.index + end[0].length);
}
