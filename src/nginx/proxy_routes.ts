/** A location with `proxy_pass` → routes of an HTTP server: with its path, or another beginning of it. */
import { bodyLimits, bodyMaxOf } from "./body_limits.ts";
import { quoted } from "../routing/route_pattern.ts";
import type { Location } from "./locations.ts";
import { type HttpPass, proxyOptions } from "./proxy_pass.ts";
import { at, type RouteValue } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";

export function proxyRoutes(
  path: string | undefined,
  pass: HttpPass,
  location: Location,
  context: ServerContext,
): RouteValue[] {
  const { scope } = location;
  const { notes } = context;
  const hidden = scope.all("proxy_hide_header");
  const [internal] = scope.all("internal");
  notes.take(...hidden, internal, scope.one("proxy_http_version"), scope.one("proxy_redirect"));
  const remove = hidden.map(({ args }) => args[0] ?? "");
  const route = {
    ...placed(path, pass, location),
    // nginx looks at a body's length where it finds a location by the path.
    ...(location.kind !== "named" && bodyLimits(bodyMaxOf(scope, notes), context.bodyMax)),
    ...(remove.length > 0 && { headers: { remove } }),
    ...(internal && { internal: true }),
  };
  return [{ ...route, proxy: proxyOptions(pass, location, context) }];
}

/** What the path is for the server. */
function placed(path: string | undefined, { uri }: HttpPass, location: Location): RouteValue {
  const { kind, text } = location;
  if (uri === undefined || uri === text || kind === "regex" || kind === "named") {
    return at(path, {});
  }
  if (kind === "exact") return at(path, { rewrite: uri });
  if (uri === "/" && text.endsWith("/") && text !== "/") {
    return at(path, { strip_prefix: text.slice(0, -1) });
  }
  if (text === "/" && path === undefined) {
    return { path: "~ ^/(.*)$", rewrite: `${uri}\${path.1}` };
  }
  return { path: `~ ^${quoted(text)}(.*)$`, rewrite: `${uri}\${path.1}` };
}
