/** Paths beside a location's own that its patterns take as well, and that are another's to refuse. */
import { accessWays, restricts } from "./access.ts";
import type { ClosedDirectories } from "./closed_directories.ts";
import { findLocation, type OrderedLocation } from "./locations.ts";
import { at, type RouteValue } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import { respond } from "./step_routes.ts";

export function guardedPlaces(
  ordered: OrderedLocation,
  routes: readonly RouteValue[],
  closedDirectories: ClosedDirectories,
  context: ServerContext,
): RouteValue[] {
  return [
    ...bareDirectory(ordered, context),
    ...guardedDirectories(ordered, routes, closedDirectories),
  ];
}

/** A pattern of `/x/` takes `/x` as well, which may be another's to refuse. */
function bareDirectory({ location }: OrderedLocation, context: ServerContext): RouteValue[] {
  const { kind, text } = location;
  if ((kind !== "prefix" && kind !== "strong") || !/.\/$/.test(text)) return [];
  const path = text.slice(0, -1);
  const other = findLocation(context.locations, path);
  if (other === undefined || other === location) return [];
  const closes = other.scope.own("return").some(({ args }) => /^4/.test(args[0] ?? "")) ||
    other.scope.own("if", "rewrite").length > 0 || restricts(accessWays(other, context));
  return closes ? respond([path], 403, "") : [];
}

/** Where scripts are refused no index runs either; for directories that `no_scripts` cannot say. */
function guardedDirectories(
  { location: { kind, text } }: OrderedLocation,
  routes: readonly RouteValue[],
  closedDirectories: ClosedDirectories,
): RouteValue[] {
  if (kind !== "prefix" && kind !== "strong") return [];
  const own = text === "/" ? undefined : `${text}*`;
  return closedDirectories.below(text).flatMap((path) =>
    routes.filter((route) => route["path"] === own && !("respond" in route)).map((route) => {
      const { php, ...rest } = route as { php?: Record<string, unknown> };
      const { path: _path, ...others } = rest as RouteValue & { path?: string };
      if (php === undefined) return at(path, others);
      const { index: _index, ...told } = php;
      const tries = (told["try"] as readonly string[] | undefined)?.filter((it) => it !== "folder");
      return at(path, { ...others, php: { ...told, ...(tries ? { try: tries } : { index: [] }) } });
    })
  );
}
