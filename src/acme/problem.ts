/**
 * What an authority says when it says no (RFC 8555 section 6.7, RFC 7807), and what keeps us from
 * asking it. Its own words go into logs: shortened, and its subproblems with them.
 */
import { isRecord } from "./json.ts";

const ERROR_URN = "urn:ietf:params:acme:error:";

/** Most characters of an authority's text that are passed on. */
const DETAIL_LENGTH_MAX = 500;
const SUBPROBLEMS_MAX = 5;
const TYPE = /^[A-Za-z0-9:/._-]{1,100}$/;

export interface AcmeErrorOptions {
  /** The problem's type without its URN, such as "rateLimited"; empty where there is none. */
  readonly type?: string;
  /** 0 where there was no response. */
  readonly status?: number;
  /** When the authority wants to be asked again, in milliseconds from then. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class AcmeError extends Error {
  override readonly name = "AcmeError";
  readonly type: string;
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: AcmeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.type = options.type ?? "";
    this.status = options.status ?? 0;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A problem document as an error; `doing` is what could not be done, such as "place an order". */
export function problemError(
  doing: string,
  problem: unknown,
  options: Omit<AcmeErrorOptions, "type"> = {},
): AcmeError {
  const fields = isRecord(problem) ? problem : {};
  const type = typeOf(fields);
  const detail = detailOf(fields) || `HTTP status ${options.status ?? 0}`;
  const parts = Array.isArray(fields["subproblems"]) ? fields["subproblems"] : [];
  const more = parts.slice(0, SUBPROBLEMS_MAX).map(subproblemText).filter(Boolean);
  const text = [type && `${type}:`, [detail, ...more].join("; ")].filter(Boolean).join(" ");
  return new AcmeError(`Cannot ${doing}: ${text}`, { ...options, type });
}

function subproblemText(problem: unknown): string {
  if (!isRecord(problem)) return "";
  const { identifier } = problem;
  const name = isRecord(identifier) && typeof identifier["value"] === "string"
    ? `${clean(identifier["value"])}: `
    : "";
  return `${name}${[typeOf(problem), detailOf(problem)].filter(Boolean).join(": ")}`;
}

function typeOf({ type }: Record<string, unknown>): string {
  if (typeof type !== "string" || !TYPE.test(type)) return "";
  return type.startsWith(ERROR_URN) ? type.slice(ERROR_URN.length) : type;
}

function detailOf({ detail }: Record<string, unknown>): string {
  return typeof detail === "string" ? clean(detail) : "";
}

/** A line stays a line. */
function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").slice(0, DETAIL_LENGTH_MAX).trim();
}
