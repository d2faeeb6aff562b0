/**
 * Texts of the configuration with `${…}` in them, for parameters, headers and redirects. A text is
 * compiled once: one without a reference stays a text and costs a request nothing.
 *
 *     ${request.method}  ${request.scheme}  ${request.host}    ${request.port}  ${request.id}
 *     ${request.target}  ${request.path}    ${request.query}   ${request.header.NAME}
 *     ${request.query.NAME}  ${request.cookie.NAME}
 *     ${client.address}  ${client.port}     ${client.user}     ${match}  ${path.1}  ${path.NAME}  ${map.NAME}
 *
 * A value is a text whose characters each stand for one byte, as Fetch hands out header values, so
 * that bytes which are no UTF-8 pass unharmed. `$${` stands for `${` itself. What the environment
 * brings in (`${env.NAME}`) was put in its place when the file was read, with its `${` so escaped.
 */
import { portOf, type RequestContext } from "./request_context.ts";
import { TLS_REFERENCE_NAMES, tlsReference } from "./tls_parameters.ts";
import { groupOf, matchOf } from "../routing/route_pattern.ts";
import type { RequestText } from "./request_text.ts";
import { bytesOfText } from "../runtime/raw_bytes.ts";
import { cookieOf, parameterOf } from "./request_parts.ts";
import { compileValueMap, type ValueMaps } from "./value_map.ts";

export type { RequestText } from "./request_text.ts";

/** A text that cannot be compiled; its message says why and what would be right. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** What names may stand between the braces, for messages. */
export const REFERENCE_NAMES = [
  "request.method",
  "request.scheme",
  "request.host",
  "request.port",
  "request.target",
  "request.path",
  "request.query",
  "request.id",
  "client.address",
  "client.port",
  "client.user",
  "match",
] as const;

type ReferenceName = (typeof REFERENCE_NAMES)[number];

const TEXTS: Readonly<Record<Exclude<ReferenceName, "match" | "request.path">, RequestText>> = {
  "request.method": (context) => context.method,
  "request.scheme": (context) => context.listener.scheme,
  "request.host": (context) => context.host.name,
  "request.port": (context) => String(portOf(context)),
  "request.target": (context) => context.target.raw,
  "request.query": (context) => context.target.query,
  "request.id": (context) => context.id,
  "client.address": (context) => context.peer.host,
  // What basic authentication has learnt, or an authorizer has said.
  "client.user": (context) => context.extra?.get("REMOTE_USER") ?? "",
  "client.port": (context) => context.peer.port === 0 ? "" : String(context.peer.port),
};

const GROUP = /^path\.([A-Za-z_]\w*|[1-9]\d{0,3})$/;
const MAP = /^map\.([A-Za-z_]\w*)$/;
const HEADER = /^request\.header\.([A-Za-z0-9!#$%&'*+.^_`|~-]+)$/;
const PARAMETER = /^request\.query\.([^\0-\x20&=#{}]+)$/;
const COOKIE = /^request\.cookie\.([A-Za-z0-9!#$%&'*+.^_`|~-]+)$/;
/** An escape, a reference, or what begins like one and does not end. */
const PART = /\$\$\{|\$\{([^{}]*)\}|\$\{/g;

/** Where a template stands. */
export interface TemplateScope {
  /** The route's `path`, which `${match}` asks. */
  readonly pattern?: string | undefined;
  /** Undefined where nobody knows them yet. */
  readonly maps?: ValueMaps | undefined;
}

/**
 * The text itself where it has no reference. `ofPath` makes a value of a decoded path, `ofValue` one
 * of everything else but the query, whose characters are bytes.
 *
 * @throws {TemplateError}
 */
export function compileTemplate(
  text: string,
  scope: TemplateScope,
  ofPath: (path: string) => string = bytesOfText,
  ofValue?: (value: string) => string,
): string | RequestText {
  const parts = splitTemplate(text, (name) => {
    const value = textOf(name, scope, ofPath);
    if (ofValue === undefined || /^(?:request\.(?:path|query|target)|match$|path\.)/.test(name)) {
      return value;
    }
    return (context, headers) => ofValue(value(context, headers));
  });
  // Whoever takes a text without references encodes it by itself.
  if (parts.every((part) => typeof part === "string")) return parts.join("");
  const texts = parts.map((part) => typeof part === "string" ? bytesOfText(part) : part);
  return (context, headers) => {
    let value = "";
    for (const part of texts) value += typeof part === "string" ? part : part(context, headers);
    return value;
  };
}

function splitTemplate(
  text: string,
  compile: (name: string) => RequestText,
): (string | RequestText)[] {
  const parts: (string | RequestText)[] = [];
  let end = 0;
  for (const match of text.matchAll(PART)) {
    parts.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[0] === "$${") parts.push("${");
    else if (match[1] !== undefined) parts.push(compile(match[1]));
    else throw new TemplateError('"${" has no "}" (write "$${" for itself)');
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

function textOf(name: string, scope: TemplateScope, ofPath: (path: string) => string): RequestText {
  const { pattern } = scope;
  if (name === "request.path") return (context) => ofPath(context.target.path);
  if (name === "match") {
    const match = matchOf(pattern);
    return (context) => ofPath(match(matchedPath(context)));
  }
  const group = GROUP.exec(name)?.[1];
  if (group !== undefined) {
    // What holds for a whole site stands at routes, too, whose paths have no such part.
    const part = groupOf(pattern, group);
    return part === undefined ? () => "" : (context) => ofPath(part(matchedPath(context)));
  }
  if (Object.hasOwn(TEXTS, name)) return TEXTS[name as keyof typeof TEXTS];
  const tls = tlsReference(name);
  if (tls !== undefined) return tls;
  const header = HEADER.exec(name)?.[1];
  if (header !== undefined) return (_context, headers) => headers.get(header) ?? "";
  const parameter = PARAMETER.exec(name)?.[1];
  if (parameter !== undefined) return (context) => parameterOf(context.target.query, parameter);
  const cookie = COOKIE.exec(name)?.[1];
  if (cookie !== undefined) return (_context, headers) => cookieOf(headers, cookie);
  const map = MAP.exec(name)?.[1];
  if (map !== undefined) return textOfMap(map, scope);
  throw new TemplateError(`"\${${name}}" ${reasonAgainst(name)}`);
}

/** The path by which the route was found. */
function matchedPath({ matchedPath, target }: RequestContext): string {
  return matchedPath ?? target.path;
}

/** The map is left out of its own scope, so no map leads back to itself. */
function textOfMap(name: string, { pattern, maps }: TemplateScope): RequestText {
  if (maps === undefined) return () => "";
  const { [name]: map, ...others } = maps;
  if (map === undefined) {
    throw new TemplateError(`"\${map.${name}}" is no map (add it under map; none leads to itself)`);
  }
  return compileValueMap(map, (text) => {
    const compiled = compileTemplate(text, { pattern, maps: others });
    if (typeof compiled !== "string") return compiled;
    const bytes = bytesOfText(compiled);
    return () => bytes;
  });
}

function reasonAgainst(name: string): string {
  if (name.startsWith("tls.")) {
    return `stands for nothing (use ${TLS_REFERENCE_NAMES.join(", ")})`;
  }
  if (name.startsWith("request.header.")) {
    return 'names no header (use letters, digits and "-" behind "request.header.")';
  }
  return `stands for nothing (use request.header.NAME, request.query.NAME, request.cookie.NAME, path.NAME, map.NAME, ${
    REFERENCE_NAMES.join(", ")
  } or env.NAME)`;
}
