/**
 * What a route asks of a request beside its path and method: header fields, cookies, parameters of
 * the query, scheme and host. All of it but scheme and host is the client's own word, so it chooses
 * between routes; it keeps nobody out.
 *
 * A field that came more than once is one value, joined with ", "; of cookies and parameters of the
 * same name each is looked at, and one that fits is enough.
 */
import { compileValuePattern } from "../routing/value_pattern.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";
import type { RequestContext } from "./request_context.ts";

export type ConditionSource = "header" | "cookie" | "query" | "scheme" | "host";

/** What a value has to be. */
export interface ConditionOptions {
  readonly source: ConditionSource;
  /** Of a field, a cookie or a parameter; that of the latter two may have stars. */
  readonly name: string;
  /** Patterns, one of which has to fit; "*": it has to be there. */
  readonly patterns: readonly string[];
  /** Whether none may fit; also where it is not there. */
  readonly isNegative: boolean;
}

/** What a condition looks at beside the header fields. */
export type ConditionContext = Pick<RequestContext, "target" | "host" | "listener">;

export interface CompiledCondition {
  readonly options: ConditionOptions;
  readonly holds: (context: ConditionContext, headers: HttpHeaders) => boolean;
}

export function compileConditions(
  conditions: readonly ConditionOptions[] | undefined,
): readonly CompiledCondition[] | undefined {
  if (conditions === undefined || conditions.length === 0) return undefined;
  return conditions.map((options) => ({ options, holds: compileCondition(options) }));
}

/** What is named in messages: `header x-beta`. */
export function describeCondition({ source, name }: ConditionOptions): string {
  return name === "" ? source : `${source} ${name}`;
}

function compileCondition(options: ConditionOptions): CompiledCondition["holds"] {
  const { patterns, isNegative } = options;
  const tests = patterns.map(compileValuePattern);
  const fits = (value: string): boolean => {
    for (const test of tests) if (test(value)) return true;
    return false;
  };
  const values = valuesOf(options);
  return (context, headers) => values(context, headers, fits) !== isNegative;
}

/** Whether a value is there that fits. */
type Look = (
  context: ConditionContext,
  headers: HttpHeaders,
  fits: (value: string) => boolean,
) => boolean;

function valuesOf({ source, name }: ConditionOptions): Look {
  switch (source) {
    case "scheme":
      return (context, _headers, fits) => fits(context.listener.scheme);
    case "host":
      return (context, _headers, fits) => fits(context.host.name);
    case "header":
      return (_context, headers, fits) => {
        const value = headers.get(name);
        return value !== null && fits(value);
      };
    case "cookie": {
      const isMeant = compileValuePattern(name);
      return (_context, headers, fits) =>
        someCookie(headers, (key, value) => isMeant(key) && fits(value));
    }
    case "query": {
      const isMeant = compileValuePattern(name);
      return ({ target: { query } }, _headers, fits) =>
        someParameter(query, (key, value) => isMeant(key) && fits(value));
    }
  }
}

type Picks = (name: string, value: string) => boolean;

/** Names and values as the client wrote them; quotes around a value do not count. */
export function someCookie(headers: HttpHeaders, pick: Picks): boolean {
  const text = headers.get("cookie");
  if (!text) return false;
  for (const part of text.split(";")) {
    const sign = part.indexOf("=");
    if (sign < 0) continue;
    const value = part.slice(sign + 1).trim();
    const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
    if (pick(part.slice(0, sign).trim(), isQuoted ? value.slice(1, -1) : value)) return true;
  }
  return false;
}

/** Names and values decoded; what cannot be decoded is as it came. */
export function someParameter(query: string, pick: Picks): boolean {
  if (query === "") return false;
  for (const part of query.split("&")) {
    if (part === "") continue;
    const sign = part.indexOf("=");
    const name = sign < 0 ? part : part.slice(0, sign);
    if (pick(decoded(name), sign < 0 ? "" : decoded(part.slice(sign + 1)))) return true;
  }
  return false;
}

function decoded(text: string): string {
  if (!/[%+]/.test(text)) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
