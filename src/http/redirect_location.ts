/**
 * Where a `redirect` leads: a template, made so that no part of a request leads elsewhere. What a
 * client says never ends a line, a path never begins with two slashes (which is another host), and
 * of a host it can be no more than one label, before a "." of the configuration.
 */
import { encodeByte, encodePath, encodeText } from "../runtime/raw_bytes.ts";
import {
  compileTemplate,
  type RequestText,
  TemplateError,
  type TemplateScope,
} from "./request_template.ts";

const ORIGIN = /^https?:\/\//i;
/** A reference, or anything else up to the next one. */
const TOKEN = /\$\$\{|\$\{[^{}]*\}|[^$]+|\$/g;
/** They are hosts by themselves, or of the configuration. */
const HOSTS = /^\$\{(?:request\.(?:host|port)|map\.\w+)\}$/;

/** The text itself where it has no reference. @throws {TemplateError} */
export function compileLocation(to: string, scope: TemplateScope): string | RequestText {
  const scheme = ORIGIN.exec(to)?.[0];
  if (scheme === undefined || !to.includes("${")) return compilePath(to, scope);
  const { authority, rest } = splitAuthority(to.slice(scheme.length));
  const host = compileTemplate(scheme + authority, scope, encodeLabel, encodeHost);
  const path = compilePath(rest, scope);
  if (typeof host === "string" && typeof path === "string") return host + path;
  return (context, headers) => {
    const before = typeof host === "string" ? host : host(context, headers);
    const behind = typeof path === "string" ? path : path(context, headers);
    return before + (/^(?:[/?#]|$)/.test(behind) ? behind : `/${behind}`);
  };
}

/** Without a host of its own: filled in it may begin with what browsers take for another host. */
function compilePath(to: string, scope: TemplateScope): string | RequestText {
  const location = compileTemplate(to, scope, encodePath);
  if (typeof location === "string") return location;
  return (context, headers) => {
    const filled = location(context, headers).replace(NOT_IN_URL, encodeByte);
    return to.startsWith("/") || to.startsWith("${") ? filled.replace(/^\/{2,}/, "/") : filled;
  };
}

/**
 * The host, and what is behind it: a reference at the end, as in `https://a.b${request.target}`, is
 * the path.
 *
 * @throws {TemplateError} where a part of the request could be another host
 */
function splitAuthority(text: string): { readonly authority: string; readonly rest: string } {
  const tokens = text.match(TOKEN) ?? [];
  let authority = "";
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1];
    if (!token.startsWith("${")) {
      const end = token.search(/[/?#]/);
      if (end >= 0) {
        authority += token.slice(0, end);
        break;
      }
    } else if (!HOSTS.test(token) && !next?.startsWith(".")) {
      if (authority === "") {
        throw new TemplateError(
          `"${token}" could be any host (write the host, or "\${request.host}")`,
        );
      }
      break;
    }
    authority += token;
  }
  return { authority, rest: text.slice(authority.length) };
}

const NOT_IN_URL = /[^\x21-\x7e]|[\\"<>^`{|}]/g;

function encodeLabel(path: string): string {
  return path.replace(
    /[^A-Za-z0-9-]/gu,
    (character) => /[!'()*._~]/.test(character) ? encodeByte(character) : encodeText(character),
  );
}

function encodeHost(value: string): string {
  return value.replace(/[^A-Za-z0-9.:[\]_~-]/g, encodeByte);
}
