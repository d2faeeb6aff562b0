/**
 * Asks the admin address of a running afcgi. It speaks HTTP/1.1 over a connection of the runtime's
 * own, not `fetch`: that reaches no unix socket and would honour a proxy of the environment.
 */
import type { Command } from "commander";
import { type Address, formatAddress, parseAddress } from "../runtime/address.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type CommandIo, UsageError } from "./command.ts";
import { readAddressFlag } from "./flag_values.ts";

export const DEFAULT_ADMIN = "127.0.0.1:9180";

/** A header section is shorter than this; what sends more speaks something else. */
const HEADERS_LENGTH_MAX = 16 * 1024;
/** More than all errors of a configuration. */
const RESPONSE_LENGTH_MAX = 4 * 1024 * 1024;

/** The admin address as an argument, and how long it may take. */
export function declareAdmin(command: Command, path: string, timeout: string): void {
  const url = `http://${DEFAULT_ADMIN}${path}`;
  command
    .argument("[url]", `URL or address of the admin listener [AFCGI_ADMIN] (default: ${url})`)
    .option("--timeout <time>", "timeout of the response", timeout);
}

export interface AdminTarget {
  readonly address: Address;
  /** For the Host header. */
  readonly host: string;
  readonly path: string;
}

export interface AdminRequest {
  readonly method: "GET" | "POST";
  readonly timeoutMs: number;
  /** Whether the body is wanted, too. */
  readonly readsBody?: boolean;
}

export interface AdminResponse {
  readonly status: number;
  /** Empty where it is not wanted. */
  readonly body: string;
}

/** Where the admin address is: what the user names, or `AFCGI_ADMIN`, or the usual one. */
export function adminTarget(
  { runtime }: CommandIo,
  command: string,
  named: string | undefined,
  path: string,
): AdminTarget {
  const text = named ?? (runtime.process.env("AFCGI_ADMIN") || DEFAULT_ADMIN);
  return readTarget(text, command, path);
}

/** A URL, or an address of which every interface means this machine. */
export function readTarget(text: string, command: string, defaultPath: string): AdminTarget {
  const url = /^https?:\/\//i.test(text) ? readUrl(text, defaultPath) : undefined;
  const address = url === undefined
    ? readAddressFlag(command, text, { anyHost: true })
    : parseAddress(url.host, { defaultPort: 80 });
  const path = url === undefined || url.pathname === "/" ? defaultPath : url.pathname + url.search;
  const host = url?.host ?? (address.transport === "tcp" ? hostOf(address) : "localhost");
  return { address: reachable(address), host, path };
}

function readUrl(text: string, path: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:") return url;
  const what = url === undefined ? "it is no URL" : "the admin listener has no TLS";
  throw new UsageError(`Cannot ask "${text}": ${what} (use "http://${DEFAULT_ADMIN}${path}")`);
}

function hostOf(address: Address): string {
  return formatAddress(address).replace(/^tcp:\/\//, "");
}

function reachable(address: Address): Address {
  if (address.transport === "unix") return address;
  const isEvery = address.host === "0.0.0.0" || address.host === "::";
  return isEvery ? { ...address, host: "127.0.0.1" } : address;
}

/** Rejects when there is no response in time. */
export async function askAdmin(
  { clock, connect }: Pick<Runtime, "clock" | "connect">,
  target: AdminTarget,
  { method, timeoutMs, readsBody = false }: AdminRequest,
): Promise<AdminResponse> {
  const abort = new AbortController();
  let connection: ByteConnection | undefined;
  let timedOut = false;
  const timer = clock.setTimer(() => {
    timedOut = true;
    abort.abort();
    connection?.destroy();
  }, timeoutMs);
  try {
    connection = await connect(target.address, { signal: abort.signal });
    await sendRequest(connection, target, method);
    return await readResponse(connection, readsBody);
  } catch (error) {
    throw timedOut ? new Error(`nothing within ${timeoutMs} ms`) : error;
  } finally {
    clock.clearTimer(timer);
    connection?.destroy();
  }
}

async function sendRequest(
  connection: ByteConnection,
  { host, path }: AdminTarget,
  method: AdminRequest["method"],
): Promise<void> {
  const writer = connection.writable.getWriter();
  const length = method === "POST" ? "Content-Length: 0\r\n" : "";
  const request =
    `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${length}Connection: close\r\n\r\n`;
  await writer.write(new TextEncoder().encode(request));
}

/** What `Content-Length` names, or all there is. */
async function readResponse(
  connection: ByteConnection,
  readsBody: boolean,
): Promise<AdminResponse> {
  const reader = connection.readable.getReader();
  let bytes: Uint8Array = new Uint8Array(0);
  const more = async (): Promise<boolean> => {
    const { value, done } = await reader.read();
    if (done) return false;
    const longer = new Uint8Array(bytes.length + value.length);
    longer.set(bytes);
    longer.set(value, bytes.length);
    bytes = longer;
    return true;
  };
  const end = readsBody ? "\r\n\r\n" : "\r\n";
  const headers = () => latin1(bytes.subarray(0, HEADERS_LENGTH_MAX));
  while (!headers().includes(end) && bytes.length < HEADERS_LENGTH_MAX && await more());
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(headers().split("\r\n", 1)[0]!)?.[1];
  if (status === undefined) throw new Error("what answers does not speak HTTP");
  if (!readsBody) return { status: Number(status), body: "" };
  const bodyOffset = headers().indexOf(end) + end.length;
  const length = /^content-length: *(\d+)/im.exec(headers().slice(0, bodyOffset))?.[1];
  const whole = length === undefined ? RESPONSE_LENGTH_MAX : bodyOffset + Number(length);
  while (bytes.length < Math.min(whole, RESPONSE_LENGTH_MAX) && await more());
  return { status: Number(status), body: new TextDecoder().decode(bytes.subarray(bodyOffset)) };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
