/**
 * Asks a server once whether it is well, on a connection of its own that is closed afterwards: with a
 * script, as php-fpm's `ping.path` wants it (any complete response of 2xx or 3xx is good), else
 * with FCGI_GET_VALUES (any response is good). Of a pool of workers it takes one for as long as it
 * lasts.
 *
 * A server whose queue of connections is full is alive: nothing is known then. It does not know when
 * to ask, nor what follows from the response.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import { CgiResponseParser } from "../protocol/cgi_response.ts";
import { ClientConnection, type ClientEvent } from "../protocol/client_connection.ts";
import { ProtocolStatus, Role } from "../protocol/constants.ts";
import { appendNameValue } from "../protocol/name_value.ts";
import type { Address } from "../runtime/address.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import { ConnectError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorText } from "./errors.ts";
import type { ServerTlsOptions } from "../runtime/callback_socket.ts";
import { askHttp } from "./http_question.ts";
import { negotiate } from "./negotiation.ts";
import type { UpstreamProtocol } from "./options.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

export type HealthResult =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly why: string }
  /** Its queue of connections has no room, or we have none for another one: nothing can be told. */
  | { readonly kind: "full" };

export interface HealthQuestion {
  readonly runtime: Runtime;
  readonly protocol: UpstreamProtocol;
  readonly tls?: ServerTlsOptions | undefined;
  readonly address: Address;
  /** Undefined: FCGI_GET_VALUES. Of HTTP: the target of a GET. */
  readonly script: string | undefined;
  /** For all of it. */
  readonly timeoutMs: number;
  readonly responseHeaderMax: number;
  /** Ends it before; what it says then is of no use. */
  readonly signal: AbortSignal;
}

const PASSED: HealthResult = { kind: "passed" };
const FULL: HealthResult = { kind: "full" };

/** Never throws: what goes wrong is the server's. */
export async function checkHealth(question: HealthQuestion): Promise<HealthResult> {
  const { runtime: { clock }, timeoutMs, signal } = question;
  const ending = new AbortController();
  const end = (): void => ending.abort();
  let timedOut = false;
  const timer = clock.setTimer(() => {
    timedOut = true;
    end();
  }, timeoutMs);
  signal.addEventListener("abort", end);
  let result: HealthResult;
  try {
    if (signal.aborted) end();
    result = await (question.protocol === "http"
      ? askServer(question, ending.signal)
      : question.script === undefined
      ? askValues(question, ending.signal)
      : askScript(question, question.script, ending.signal));
  } catch (error) {
    reportIfOurs(error, "a health check");
    const saysNothing = error instanceof ConnectError &&
      (error.failure === "full" || error.failure === "local");
    result = saysNothing ? FULL : failed(errorText(error));
  } finally {
    clock.clearTimer(timer);
    signal.removeEventListener("abort", end);
  }
  return timedOut && result.kind !== "passed" ? failed(`no response in ${timeoutMs} ms`) : result;
}

async function askServer(question: HealthQuestion, signal: AbortSignal): Promise<HealthResult> {
  const { section: { status } } = await askHttp({
    ...question,
    target: question.script ?? "/",
    signal,
  });
  return judgeStatus(status);
}

async function askValues(question: HealthQuestion, signal: AbortSignal): Promise<HealthResult> {
  const { runtime, address, timeoutMs } = question;
  const { values } = await negotiate(runtime, address, timeoutMs, timeoutMs, signal);
  return values === undefined ? failed("it does not answer FCGI_GET_VALUES") : PASSED;
}

async function askScript(
  question: HealthQuestion,
  script: string,
  signal: AbortSignal,
): Promise<HealthResult> {
  const { runtime, address, responseHeaderMax } = question;
  const socket = await runtime.connect(address, { signal });
  const destroy = (): void => socket.destroy();
  signal.addEventListener("abort", destroy);
  try {
    if (signal.aborted) destroy();
    const protocol = new ClientConnection(1);
    await sendRequest(socket, protocol, script);
    return await readResponse(socket, protocol, new CgiResponseParser(responseHeaderMax));
  } finally {
    signal.removeEventListener("abort", destroy);
    destroy();
  }
}

async function sendRequest(
  socket: ByteConnection,
  protocol: ClientConnection,
  script: string,
): Promise<void> {
  const params = new ByteBuffer(512);
  for (const [name, value] of Object.entries(parametersOf(script))) {
    appendNameValue(params, name, value);
  }
  const id = protocol.begin({
    role: Role.RESPONDER,
    keepConnection: false,
    params: params.take(),
  });
  protocol.endStdin(id);
  await socket.writable.getWriter().write(protocol.takeOutput());
}

function parametersOf(script: string): Record<string, string> {
  return {
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: "afcgi",
    REQUEST_METHOD: "GET",
    REQUEST_URI: script,
    DOCUMENT_URI: script,
    // php-fpm compares both with its ping.path.
    SCRIPT_NAME: script,
    SCRIPT_FILENAME: script,
    QUERY_STRING: "",
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_NAME: "localhost",
    SERVER_PORT: "80",
    REMOTE_ADDR: "127.0.0.1",
  };
}

async function readResponse(
  socket: ByteConnection,
  protocol: ClientConnection,
  parser: CgiResponseParser,
): Promise<HealthResult> {
  const reader = socket.readable.getReader();
  let status: number | undefined;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return failed("it closed before its response was complete");
    for (const event of protocol.receive(value)) {
      if (event.kind === "stdout" && status === undefined) {
        status = parser.push(event.bytes)?.section.status;
      } else if (event.kind === "end") return judge(event, status);
      else if (event.kind === "broken" || event.kind === "fault") {
        return failed(errorText(event.error));
      }
    }
  }
}

function judge(end: ClientEvent & { kind: "end" }, status: number | undefined): HealthResult {
  if (end.protocolStatus !== ProtocolStatus.REQUEST_COMPLETE) {
    return failed(`it ended the request with protocol status ${end.protocolStatus}`);
  }
  if (status === undefined) return failed("its response has no complete header section");
  return judgeStatus(status);
}

function judgeStatus(status: number): HealthResult {
  return status >= 200 && status < 400 ? PASSED : failed(`it answered with status ${status}`);
}

function failed(why: string): HealthResult {
  return { kind: "failed", why };
}
