/**
 * What a route asks of a request beside its path and method: header fields, cookies, parameters of
 * the query, scheme and host, any text with references, files, and whether its path is a rewritten
 * one. Most of it is the client's own word, so it chooses between routes; it keeps nobody out.
 *
 * A field that came more than once is one value, joined with ", "; of cookies and parameters of the
 * same name each is looked at, and one that fits is enough. A name that is hidden, or that leads out
 * of the root, is neither there nor missing.
 */
import { compileValuePattern } from "../routing/value_pattern.ts";
import { withoutDotSegments } from "../routing/decoded_path.ts";
import { textOfBytes } from "../runtime/raw_bytes.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";
import { type FileTree, resolveBelowRoot } from "../static/below_root.ts";
import { compileTemplate, type RequestText, type TemplateScope } from "./request_template.ts";
import type { RequestContext } from "./request_context.ts";
import { stripPath } from "./strip_path.ts";

export type ConditionSource =
  | "header"
  | "cookie"
  | "query"
  | "scheme"
  | "host"
  /** A template, which is the name. */
  | "text"
  /** Patterns are templates of paths; one that ends with "/" is a directory's. */
  | "file"
  | "rewritten";

/** What a value has to be. */
export interface ConditionOptions {
  readonly source: ConditionSource;
  /** Of a field, a cookie or a parameter, of which the latter two may have stars; or a template. */
  readonly name: string;
  /** Patterns, one of which has to fit; "*": it has to be there. */
  readonly patterns: readonly string[];
  /** Whether none may fit; also where it is not there. */
  readonly isNegative: boolean;
}

/** What most conditions look at beside the header fields. */
export type ConditionContext = Pick<RequestContext, "target" | "host" | "listener">;

export interface CompiledCondition {
  readonly options: ConditionOptions;
  readonly holds: (context: RequestContext, headers: HttpHeaders) => boolean;
}

/** Where conditions stand. */
export interface ConditionScope extends TemplateScope {
  /** Where files are looked for; left out: there are none. */
  readonly tree?: FileTree | undefined;
  /** The beginning of the path that is no directory below the root. */
  readonly stripPrefix?: string | undefined;
}

/** @throws {TemplateError} */
export function compileConditions(
  conditions: readonly ConditionOptions[] | undefined,
  scope: ConditionScope,
): readonly CompiledCondition[] | undefined {
  if (conditions === undefined || conditions.length === 0) return undefined;
  return conditions.map((options) => ({ options, holds: compileCondition(options, scope) }));
}

/** What is named in messages: `header x-beta`. */
export function describeCondition({ source, name }: ConditionOptions): string {
  return name === "" ? source : source === "text" ? name : `${source} ${name}`;
}

function compileCondition(
  options: ConditionOptions,
  scope: ConditionScope,
): CompiledCondition["holds"] {
  const { source, name, patterns, isNegative } = options;
  switch (source) {
    case "rewritten":
      return (context) => (context.rewrites !== undefined) !== isNegative;
    case "file": {
      const looks = patterns.map((pattern) => compileLook(pattern, scope));
      return isNegative
        ? (context, headers) => looks.every((look) => look(context, headers) === "missing")
        : (context, headers) => looks.some((look) => look(context, headers) === "there");
    }
    case "text": {
      const text = textOf(name, scope);
      const fits = anyOf(patterns);
      return (context, headers) => fits(text(context, headers)) !== isNegative;
    }
    default:
      return compilePlainCondition({ source, name, patterns, isNegative });
  }
}

/** A template's value as a text. */
function textOf(template: string, scope: TemplateScope): RequestText {
  const compiled = compileTemplate(template, scope);
  if (typeof compiled === "string") return () => compiled;
  return (context, headers) => textOfBytes(compiled(context, headers));
}

/** Of a hidden name, and of what leads out of the root, nobody is told whether it is there. */
type Looked = "there" | "missing" | "forbidden";

/** For a file, or, with "/" at the end, for a directory. */
function compileLook(template: string, { tree, stripPrefix, ...scope }: ConditionScope) {
  const path = textOf(template, scope);
  const kind = template.endsWith("/") ? "directory" : "file";
  return (context: RequestContext, headers: HttpHeaders): Looked => {
    const wanted = withoutDotSegments(path(context, headers));
    if (tree === undefined || wanted === undefined) return "forbidden";
    const below = stripPrefix === undefined ? wanted : stripPath(stripPrefix, wanted);
    const found = resolveBelowRoot(tree, below);
    if (found.kind === "forbidden") return "forbidden";
    return found.kind === kind ? "there" : "missing";
  };
}

function anyOf(patterns: readonly string[]): (value: string) => boolean {
  const tests = patterns.map(compileValuePattern);
  return (value) => {
    for (const test of tests) if (test(value)) return true;
    return false;
  };
}

/** One that needs nothing of the request's way. */
export interface PlainConditionOptions extends ConditionOptions {
  readonly source: "header" | "cookie" | "query" | "scheme" | "host";
}

export function isPlain(options: ConditionOptions): options is PlainConditionOptions {
  return options.source !== "text" && options.source !== "file" && options.source !== "rewritten";
}

export function compilePlainCondition(
  options: PlainConditionOptions,
): (context: ConditionContext, headers: HttpHeaders) => boolean {
  const fits = anyOf(options.patterns);
  const values = valuesOf(options);
  return (context, headers) => values(context, headers, fits) !== options.isNegative;
}

/** Whether a value is there that fits. */
type Look = (
  context: ConditionContext,
  headers: HttpHeaders,
  fits: (value: string) => boolean,
) => boolean;

function valuesOf({ source, name }: PlainConditionOptions): Look {
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
