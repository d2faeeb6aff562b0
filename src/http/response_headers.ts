/**
 * Headers that a site or a route sets, adds and removes on its responses. What frames a response or
 * belongs to one hop (RFC 9110 section 7.6.1) is none of them: the HTTP server writes it.
 */
import { HOP_BY_HOP } from "../cgi/header_names.ts";
import type { HeaderRuleOptions } from "./response_options.ts";
import type { RequestContext } from "./request_context.ts";
import { compileTemplate, type RequestText, type TemplateScope } from "./request_template.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";

/** Changes the headers of a response to a request with `asked`. */
export type HeaderRule = (headers: Headers, context: RequestContext, asked: HttpHeaders) => void;

type Pairs = readonly (readonly [name: string, value: string | RequestText])[];

/** Whether a header is the HTTP server's to write. */
export function isFramingHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === "content-length" || HOP_BY_HOP.has(lower);
}

/** @throws {TemplateError} */
export function compileHeaderRule(
  { set, add, remove }: HeaderRuleOptions,
  scope: TemplateScope,
): HeaderRule {
  const compile = (texts: Readonly<Record<string, string>>): Pairs =>
    Object.entries(texts).map(([name, text]) => [name, compileTemplate(text, scope)]);
  const setPairs = compile(set);
  const addPairs = compile(add);
  return (headers, context, asked) => {
    for (const name of remove) headers.delete(name);
    for (const [name, value] of setPairs) headers.set(name, textOf(value, context, asked));
    for (const [name, value] of addPairs) headers.append(name, textOf(value, context, asked));
  };
}

/** A decoded path may hold a line's end, which a header may not. */
function textOf(value: string | RequestText, context: RequestContext, asked: HttpHeaders): string {
  if (typeof value === "string") return value;
  return value(context, asked).replace(/[^\x20-\x7e\x80-\xff]/g, encodeURIComponent);
}
