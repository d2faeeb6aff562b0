/** `afcgi probe http://ADDRESS/PATH`: whether an HTTP server responds, and whether it keeps connections. */
import { type Address, formatAddress, parseAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { askHttp } from "../upstream/http_question.ts";
import { errorText, UsageError } from "./command.ts";

export interface HttpProbeReport {
  readonly connectMs: number | undefined;
  /** From the connection to the response's headers; undefined when there was none. */
  readonly answerMs: number | undefined;
  readonly status: number | undefined;
  readonly keepsConnection: boolean | undefined;
  /** What it calls itself. */
  readonly server: string | undefined;
  readonly fault: string | undefined;
}

export interface HttpProbeTarget {
  readonly address: Address;
  readonly isTls: boolean;
  readonly path: string;
}

const RESPONSE_HEADER_MAX = 64 * 1024;

/** Undefined for what is no URL. @throws {UsageError} @throws {AddressError} */
export function readHttpTarget(text: string): HttpProbeTarget | undefined {
  const [, scheme, rest] = /^(https?):\/\/(.*)$/i.exec(text) ?? [];
  if (scheme === undefined) return undefined;
  const isTls = scheme.toLowerCase() === "https";
  const [, authority = "", path = ""] = /^([^/?#]*)([^#]*)/.exec(rest!) ?? [];
  if (/[^\x21-\x7e]/.test(path)) {
    throw new UsageError(`Cannot probe "${text}": the path has characters to encode`);
  }
  const address = parseAddress(authority, { defaultPort: isTls ? 443 : 80 });
  return { address, isTls, path: path.startsWith("/") ? path : `/${path}` };
}

/** Asks; an error is reported, not thrown. */
export async function probeHttp(
  { address, isTls, path }: HttpProbeTarget,
  { runtime, timeoutMs }: { readonly runtime: Runtime; readonly timeoutMs: number },
): Promise<HttpProbeReport> {
  const { clock } = runtime;
  const ending = new AbortController();
  const timer = clock.setTimer(() => ending.abort(), timeoutMs);
  const startMs = clock.nowMs();
  const host = address.transport === "tcp" ? address.host : undefined;
  try {
    const { section, keepsConnection, connectedMs } = await askHttp({
      runtime,
      address,
      ...(isTls && { tls: { serverName: host, authorities: undefined } }),
      target: path,
      responseHeaderMax: RESPONSE_HEADER_MAX,
      signal: ending.signal,
    }, () => clock.nowMs());
    return {
      connectMs: connectedMs - startMs,
      answerMs: clock.nowMs() - connectedMs,
      status: section.status,
      keepsConnection,
      server: section.headers.find(([name]) => name.toLowerCase() === "server")?.[1],
      fault: undefined,
    };
  } catch (error) {
    const fault = ending.signal.aborted
      ? `no response from ${formatAddress(address)} in ${timeoutMs} ms`
      : errorText(error);
    return {
      connectMs: undefined,
      answerMs: undefined,
      status: undefined,
      keepsConnection: undefined,
      server: undefined,
      fault,
    };
  } finally {
    clock.clearTimer(timer);
  }
}
