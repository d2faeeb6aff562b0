/**
 * `afcgi ping [URL]`: asks a running afcgi's `/readyz`, for health checks of containers. It speaks
 * HTTP/1.1 over a connection of the runtime's own, not `fetch`: that reaches no unix socket and
 * would honour a proxy of the environment.
 */
import { type Address, formatAddress, parseAddress } from "../runtime/address.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  errorText,
  ExitStatus,
  print,
  printError,
  UsageError,
} from "./command.ts";
import { readAddressFlag, readTimeFlag } from "./flag_values.ts";

export const DEFAULT_ADMIN = "127.0.0.1:9180";
const DEFAULT_PATH = "/readyz";

/** A status line is shorter than this; what sends more speaks something else. */
const STATUS_LINE_LENGTH_MAX = 1024;

export const pingCommand: CommandDefinition = {
  name: "ping",
  summary: "ask a running afcgi whether it is ready",
  declare: (command) => {
    command
      .argument(
        "[url]",
        `URL or address of the admin listener [AFCGI_ADMIN] (default: http://${DEFAULT_ADMIN}/readyz)`,
      )
      .option("--timeout <time>", "timeout of the response", "3s");
  },
  run: ping,
};

export interface PingTarget {
  readonly address: Address;
  /** For the Host header. */
  readonly host: string;
  readonly path: string;
}

async function ping(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const text = args.positional[0] ?? (runtime.process.env("AFCGI_ADMIN") || DEFAULT_ADMIN);
  const target = readTarget(text);
  const timeoutMs = readTimeFlag("--timeout", String(args.options["timeout"]));
  const name = `${formatAddress(target.address)} ${target.path}`;
  try {
    const status = await askStatus(runtime, target, timeoutMs);
    const isReady = status >= 200 && status < 300;
    const line = `${name}: ${isReady ? "ready" : "not ready"} (${status})`;
    if (!args.quiet) (isReady ? print : printError)(io, line);
    return isReady ? ExitStatus.fine : ExitStatus.failed;
  } catch (error) {
    if (!args.quiet) printError(io, `${name}: no response (${errorText(error)})`);
    return ExitStatus.failed;
  }
}

/** A URL, or an address of which every interface means this machine. */
export function readTarget(text: string): PingTarget {
  const url = /^https?:\/\//i.test(text) ? readUrl(text) : undefined;
  const address = url === undefined
    ? readAddressFlag("ping", text, { anyHost: true })
    : parseAddress(url.host, { defaultPort: 80 });
  const path = url === undefined || url.pathname === "/" ? DEFAULT_PATH : url.pathname + url.search;
  const host = url?.host ?? (address.transport === "tcp" ? hostOf(address) : "localhost");
  return { address: reachable(address), host, path };
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:") return url;
  const what = url === undefined ? "it is no URL" : "the admin listener has no TLS";
  throw new UsageError(`Cannot ask "${text}": ${what} (use "http://${DEFAULT_ADMIN}/readyz")`);
}

function hostOf(address: Address): string {
  return formatAddress(address).replace(/^tcp:\/\//, "");
}

function reachable(address: Address): Address {
  if (address.transport === "unix") return address;
  const isEvery = address.host === "0.0.0.0" || address.host === "::";
  return isEvery ? { ...address, host: "127.0.0.1" } : address;
}

/** The response's status; rejects when there is none in time. */
async function askStatus(runtime: Runtime, target: PingTarget, timeoutMs: number): Promise<number> {
  const { clock } = runtime;
  const abort = new AbortController();
  let connection: ByteConnection | undefined;
  let timedOut = false;
  const timer = clock.setTimer(() => {
    timedOut = true;
    abort.abort();
    connection?.destroy();
  }, timeoutMs);
  try {
    connection = await runtime.connect(target.address, { signal: abort.signal });
    await sendRequest(connection, target);
    const line = await readStatusLine(connection);
    const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line)?.[1];
    if (status === undefined) throw new Error("what answers does not speak HTTP");
    return Number(status);
  } catch (error) {
    throw timedOut ? new Error(`nothing within ${timeoutMs} ms`) : error;
  } finally {
    clock.clearTimer(timer);
    connection?.destroy();
  }
}

async function sendRequest(connection: ByteConnection, { host, path }: PingTarget): Promise<void> {
  const writer = connection.writable.getWriter();
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  await writer.write(new TextEncoder().encode(request));
}

async function readStatusLine(connection: ByteConnection): Promise<string> {
  const reader = connection.readable.getReader();
  let text = "";
  while (!text.includes("\r\n") && text.length < STATUS_LINE_LENGTH_MAX) {
    const { value, done } = await reader.read();
    if (done) break;
    text += String.fromCharCode(...value.subarray(0, STATUS_LINE_LENGTH_MAX));
  }
  return text.split("\r\n", 1)[0]!;
}
