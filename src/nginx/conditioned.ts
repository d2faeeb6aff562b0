/** A route with what else its requests have to be. */
import { bothOf, type Conditions } from "./route_conditions.ts";
import { at, type RouteValue } from "./script_routes.ts";

const CONDITION_KEYS = ["methods", "headers", "scheme", "host", "when", "exists", "rewritten"];

/** The route with more that it asks; closed where that cannot be said. */
export function withConditions(
  route: RouteValue,
  conditions: Conditions,
): RouteValue {
  const { headers, ...rest } = route as RouteValue & { headers?: Record<string, unknown> };
  const { add, set, remove, ...asked } = headers ?? {};
  const own: Record<string, unknown> = {};
  for (const key of CONDITION_KEYS) if (key in rest) own[key] = rest[key];
  if (Object.keys(asked).length > 0) own["headers"] = asked;
  const both = bothOf(own as Conditions, conditions);
  const { path } = route as { path?: string };
  if (both === undefined || both === "never") {
    return { ...at(path, { respond: { status: 403 } }), ...conditions };
  }
  const rules = {
    ...(add !== undefined && { add }),
    ...(set !== undefined && { set }),
    ...(remove !== undefined && { remove }),
  };
  const fields = { ...both.headers, ...rules };
  const { path: _path, ...handler } = rest as { path?: string };
  return {
    ...(path !== undefined && { path }),
    ...both,
    ...handler,
    ...both,
    ...(Object.keys(fields).length > 0 && { headers: fields }),
  };
}
