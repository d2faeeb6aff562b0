/** A step of a location's or a server's rules → routes: a response, a redirect, another path. */
import { findLocation, type Location } from "./locations.ts";
import type { Step } from "./rewrite_phase.ts";
import { at, type RouteValue } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";

/** Of a rewrite one that looks for its location anew. */
export function stepAt(
  path: string | undefined,
  { content }: Step,
  location: Location,
  context: ServerContext,
): RouteValue[] {
  switch (content.kind) {
    case "refused":
      context.notes.add("refused", content.directive, content.reason);
      return [at(path, { respond: { status: 403 } })];
    case "respond":
      return respond([path], content.status, content.body);
    case "redirect":
      return redirectRoutes(path, content);
    case "rewrite": {
      // Two locations may lead to each other, until nginx gives up.
      const isOneOfSeveral =
        context.locations.filter((it) =>
          it.kind !== "named" && it.scope.own("rewrite", "if").length > 0
        ).length > 1;
      const repeats = mayComeBack(content.to, location, context) ||
        (location.kind !== "named" && isOneOfSeveral);
      return [at(path, { rewrite: rewriteTo(content.to, repeats, context) })];
    }
  }
}

export function rewriteTo(to: string, repeats: boolean, { hasInternal }: ServerContext): unknown {
  if (!repeats && !hasInternal) return to;
  return { to, ...(repeats && { repeat: true }), ...(hasInternal && { internal: true }) };
}

/** Whether the new path may be the location's own, so that nginx would come to the rule again. */
function mayComeBack(to: string, location: Location, { locations }: ServerContext): boolean {
  const path = to.split("?")[0]!;
  if (!path.includes("${")) return findLocation(locations, path) === location;
  const begin = path.split("${")[0]!;
  const { kind, text } = location;
  if (kind === "named") return false;
  if (kind === "regex") return true;
  return begin.startsWith(text) || text.startsWith(begin);
}

/** nginx's `$scheme://` is one of two texts. */
export function redirectRoutes(
  path: string | undefined,
  { to, status }: { readonly to: string; readonly status: number },
): RouteValue[] {
  if (!to.startsWith("${request.scheme}")) return [at(path, { redirect: { to, status } })];
  const rest = to.slice("${request.scheme}".length);
  return (["https", "http"] as const).map((scheme) =>
    at(path, { scheme, redirect: { to: scheme + rest, status } })
  );
}

export function respond(
  paths: readonly (string | undefined)[],
  status: number,
  body: string,
): RouteValue[] {
  const text = body === "" ? {} : { body };
  return paths.map((path) => at(path, { respond: { status, ...text } }));
}
