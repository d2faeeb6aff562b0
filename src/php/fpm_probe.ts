/**
 * Asks php-fpm for what it tells of itself: its ping and its status page, at the paths that are
 * usual or at the one that is named. Each question is bounded in time and in bytes.
 */
import { type Address, formatAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorText } from "../upstream/errors.ts";
import { FastCgiClient } from "../upstream/fastcgi_client.ts";
import { adviseFpm } from "./fpm_advice.ts";
import { type FpmStatus, parseFpmStatus } from "./fpm_status.ts";

/** Where `pm.status_path` and `ping.path` usually are. */
export const STATUS_PATHS: readonly string[] = ["/fpm-status", "/status"];
export const PING_PATHS: readonly string[] = ["/fpm-ping", "/ping"];

/** A longer page is not read; one of 10,000 children has half of it. */
export const PAGE_LENGTH_MAX = 8 * 1024 * 1024;

/** A pong is short; what is longer is a page of the application. */
const PONG_LENGTH_MAX = 256;

export interface FpmReport {
  readonly ping?: { readonly path: string; readonly text: string };
  readonly status?: FpmStatus & { readonly path: string };
  /** Lines for people. */
  readonly advice: readonly string[];
  /** Why the page that was asked for could not be read. */
  readonly fault?: string;
}

export interface FpmProbeDeps {
  readonly runtime: Runtime;
  /** For each question. */
  readonly timeoutMs: number;
  /** The status page's path; the usual ones when left out. */
  readonly statusPath?: string;
}

/** Asks; an error is reported, not thrown. */
export async function probeFpm(address: Address, deps: FpmProbeDeps): Promise<FpmReport> {
  const { statusPath } = deps;
  const paths = statusPath === undefined ? STATUS_PATHS : [statusPath];
  try {
    const ping = await readPing(address, deps);
    const status = await readStatus(address, paths, deps);
    if (status !== undefined) return { ...ping, status, advice: adviseFpm(status) };
    const missing = `There is no status page at ${paths.join(" nor ")}`;
    const remedy = `set pm.status_path = ${paths[0]} in the pool's file`;
    return statusPath === undefined
      ? { ...ping, advice: [`${missing}: ${remedy} to see more, or name it with --status`] }
      : { ...ping, advice: [], fault: `${missing} (${remedy})` };
  } catch (error) {
    return { advice: [], fault: errorText(error) };
  }
}

async function readPing(address: Address, deps: FpmProbeDeps): Promise<Pick<FpmReport, "ping">> {
  for (const path of PING_PATHS) {
    const page = await readPage(address, path, "", deps);
    if (page === undefined || page.text.length > PONG_LENGTH_MAX) continue;
    if (page.type.startsWith("text/plain")) return { ping: { path, text: page.text } };
  }
  return {};
}

async function readStatus(
  address: Address,
  paths: readonly string[],
  deps: FpmProbeDeps,
): Promise<FpmReport["status"]> {
  for (const path of paths) {
    // The list of processes quotes what clients have sent; where that broke it, the rest will do.
    for (const query of ["json&full", "json"]) {
      const page = await readPage(address, path, query, deps);
      if (page === undefined) break;
      const status = parseFpmStatus(page.text);
      if (status !== undefined) return { path, ...status };
    }
  }
  return undefined;
}

/** Undefined when there is no such page. */
async function readPage(
  address: Address,
  path: string,
  query: string,
  { runtime, timeoutMs }: FpmProbeDeps,
): Promise<{ readonly type: string; readonly text: string } | undefined> {
  const client = new FastCgiClient(formatAddress(address), { runtime, timeoutMs });
  try {
    const { status, headers, body } = await client.request({
      params: [
        ["SCRIPT_NAME", path],
        ["SCRIPT_FILENAME", path],
        ["REQUEST_URI", query === "" ? path : `${path}?${query}`],
        ["QUERY_STRING", query],
      ],
    });
    if (status !== 200) {
      await body.cancel();
      return undefined;
    }
    const type = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
    return { type, text: await readBounded(body, path) };
  } finally {
    await client.close();
  }
}

async function readBounded(body: ReadableStream<Uint8Array>, path: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of body) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > PAGE_LENGTH_MAX) {
      throw new Error(`The page ${path} is longer than ${PAGE_LENGTH_MAX} characters`);
    }
  }
  return text + decoder.decode();
}
