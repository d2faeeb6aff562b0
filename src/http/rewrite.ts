/**
 * Another path for a request, in the place of the client's (`rewrite` of a route). The target as it
 * came (REQUEST_URI) stays. A new path has gone through no rule yet, so it meets all routes of the
 * site from the first one on, and it is decoded and without dot segments as every path is: what a
 * client puts into a group leads nowhere that it could not ask for itself.
 *
 * A route that rewrites and answers as well takes the new path itself, unless it is another route's
 * to guard (`Guards`): that one gets it.
 */
import { withoutDotSegments } from "../routing/decoded_path.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";
import type { RewriteOptions, RouteOptions } from "./options.ts";
import type { OwnResponse, RequestContext } from "./request_context.ts";
import { compileTemplate, type RequestText, type TemplateScope } from "./request_template.ts";
import { type RequestTarget, TARGET_LENGTH_MAX } from "./target.ts";
import { encodeByte, encodeText, hasRawBytes, textOfBytes } from "../runtime/raw_bytes.ts";

/** Most rewrites of one request; as many as nginx takes. */
export const REWRITES_MAX = 10;

export const REWRITE_LOOP: OwnResponse = { status: 500, code: "rewrite_loop" };
const BAD_TARGET: OwnResponse = { status: 400, code: "bad_target" };
const TOO_LONG: OwnResponse = { status: 414, code: "target_too_long" };

export type Rewrite = (
  context: RequestContext,
  headers: HttpHeaders,
) => RequestTarget | OwnResponse;

/**
 * A query of the new path stands before the client's; a "?" at its end leaves that out (as nginx).
 *
 * @throws {TemplateError}
 */
export function compileRewrite(
  { to }: RewriteOptions,
  scope: TemplateScope,
  keepsBytes = false,
): Rewrite {
  const mark = queryOffset(to);
  const path = textOf(compileTemplate(mark < 0 ? to : to.slice(0, mark), scope));
  const ownQuery = mark < 0 ? "" : to.slice(mark + 1).replace(/\?$/, "");
  const query = textOf(compileTemplate(ownQuery, scope, encodeInQuery, encodeValue));
  const isAlone = mark >= 0 && to.endsWith("?");
  return (context, headers) => {
    const { raw, query: asked } = context.target;
    const written = textOfBytes(path(context, headers));
    const merged = withoutDotSegments(written.startsWith("/") ? written : `/${written}`);
    if (merged === undefined || merged.includes("\0")) return BAD_TARGET;
    const first = query(context, headers).replace(NOT_IN_QUERY, encodeByte);
    const second = isAlone ? "" : asked;
    const whole = first !== "" && second !== "" ? `${first}&${second}` : first + second;
    if (merged.length + whole.length > TARGET_LENGTH_MAX) return TOO_LONG;
    const target = { kind: "target", raw, path: merged, query: whole } as const;
    if (!hasRawBytes(merged)) return target;
    return keepsBytes ? { ...target, hasRawBytes: true } : BAD_TARGET;
  };
}

/** The first "?" outside of a reference. */
function queryOffset(to: string): number {
  let depth = 0;
  for (let index = 0; index < to.length; index++) {
    if (to.startsWith("${", index)) depth++;
    else if (to[index] === "}" && depth > 0) depth--;
    else if (to[index] === "?" && depth === 0) return index;
  }
  return -1;
}

function textOf(compiled: string | RequestText): RequestText {
  return typeof compiled === "string" ? () => compiled : compiled;
}

const NOT_IN_QUERY = /[^\x21-\x7e]|[#"<>\\^`{|}]/g;

/** A value whose characters are bytes, as that of one parameter. */
function encodeValue(value: string): string {
  return value.replace(/[^A-Za-z0-9._~/:@-]/g, encodeByte);
}

/** A decoded path, as the value of one parameter. */
function encodeInQuery(text: string): string {
  return text.replace(/[^A-Za-z0-9._~/:@-]/gu, encodeText);
}

/**
 * Whether a route keeps some out of what another route would hand over: it refuses, it is internal,
 * or it asks for something that the other does not ask for.
 */
export function guardsAgainst(route: RouteOptions, other: RouteOptions): boolean {
  const { handler, internal } = route;
  if (internal || (handler.kind === "respond" && handler.status >= 400)) return true;
  const asked = protectionOf(route);
  return asked.some((one) => !protectionOf(other).includes(one));
}

/** What stands before a route's handler, as texts, of which two are equal if they ask for the same. */
function protectionOf({ middleware, authorize, forwardAuth }: RouteOptions): string[] {
  const { ipRestriction, basicAuth, clientAuth } = middleware ?? {};
  return Object.entries({ ipRestriction, basicAuth, clientAuth, authorize, forwardAuth })
    .filter(([, value]) => value !== undefined)
    .map((entry) => JSON.stringify(entry));
}
