/**
 * `auth_request` → `forward_auth`: the location that is asked has to send the question on to an HTTP
 * server. What `auth_request_set` takes from its response are fields that the request gets.
 */
import { findLocation, type Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { toHttpPass } from "./proxy_pass.ts";
import type { ServerContext } from "./server_context.ts";

/** Undefined where it cannot be said. */
export function forwardAuthOf(
  request: Directive,
  location: Location,
  context: ServerContext,
): Record<string, unknown> | undefined {
  const path = request.args[0] ?? "";
  if (!path.startsWith("/") || path.includes("$")) return undefined;
  const asked = findLocation(context.locations, path.split("?")[0]!);
  const pass = asked?.scope.own("proxy_pass").at(-1);
  if (asked === undefined || pass === undefined) return undefined;
  const other = asked.scope.own("rewrite", "if", "return", "auth_basic", "auth_request", "deny");
  if (other.length > 0) return undefined;
  const target = toHttpPass(pass, asked, context);
  if (target === undefined) return undefined;
  const uri = target.uri === undefined ? path : target.uri + path.slice(asked.text.length);
  context.notes.take(asked.directive, ...asked.scope.directives);
  for (const header of asked.scope.own("proxy_set_header")) {
    const [name = ""] = header.args;
    if (!/^(?:content-length|x-original-|x-forwarded-|x-real-ip|host|connection)/i.test(name)) {
      context.notes.add("lost", header, "the server is asked with the client's own fields");
    }
  }
  const copied = [...copiedFields(location).values()];
  return {
    upstream: target.upstream,
    uri,
    ...(copied.length > 0 && { copy_headers: [...new Set(copied)] }),
  };
}

/** Fields of the server's response, by the variables that `auth_request_set` makes of them. */
export function copiedFields({ scope }: Location): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const { args: [variable = "", value = ""] } of scope.all("auth_request_set")) {
    const field = /^\$\{?(?:upstream_http|sent_http)_(\w+?)\}?$/.exec(value)?.[1];
    if (field !== undefined) fields.set(variable.replace(/^\$/, ""), field.replaceAll("_", "-"));
  }
  return fields;
}
