/**
 * A script's location as an index, a rewrite or the last word of `try_files` comes to it: nginx asks
 * there, too, who may. What it refuses must not be open by another way.
 */
import { accessWays } from "./access.ts";
import type { Guards } from "./guards.ts";
import { type FilePlace, placeOf } from "./file_place.ts";
import { unsayableOf } from "./location_errors.ts";
import type { Location } from "./locations.ts";
import { isEmpty, isSame } from "./route_conditions.ts";
import { isOwn, type Run, runOf } from "./run.ts";
import type { ServerContext } from "./server_context.ts";

/**
 * A run with what guards it, where that is all that its location does; undefined where the location
 * runs nothing, looks elsewhere than `asking`, decides by more than the path, or cannot be said.
 */
export function reachedRun(
  location: Location | undefined,
  asking: FilePlace,
  context: ServerContext,
): Run | "closed" | undefined {
  if (location === undefined || !isOwn(location, "fastcgi_pass")) return undefined;
  const { scope } = location;
  const deciding = scope.own("rewrite", "if", "return", "location")
    .concat(scope.own("set").filter(({ args }) => context.isUsed((args[0] ?? "").slice(1))));
  if (deciding.some(({ args }) => args.join(" ") !== "$path_info $fastcgi_path_info")) {
    return undefined;
  }
  if (context.cases > 1) return undefined;
  // That a script must exist is so here anyway.
  const [tried] = scope.own("try_files");
  if (tried !== undefined && tried.args.at(-1) !== "=404") return undefined;
  if (
    tried !== undefined &&
    tried.args.some((name) => !/^(?:=404|\$uri|\$fastcgi_script_name)$/.test(name))
  ) {
    return undefined;
  }
  context.notes.take(tried);
  const place = placeOf(location, context);
  if ("refused" in place || place.rewrite !== undefined) return undefined;
  const run = runOf(location, place, context);
  if (run === undefined || !run.isPhp || run.place.root === undefined) return undefined;
  if (run.place.root !== asking.root || !isSame(run.place.keys, asking.keys)) return undefined;
  if (unsayableOf(location, context) !== undefined) return undefined;
  const [way, ...others] = accessWays(location, context);
  if (way === undefined || others.length > 0 || !isEmpty(way.conditions)) return undefined;
  if (way.guards === "closed") return "closed";
  // nginx asks in both locations: where they differ, both have to be met.
  if (context.guards?.some((asked) => asked !== "closed" && differ(asked, way.guards as Guards))) {
    return undefined;
  }
  return { ...run, guards: way.guards };
}

function differ(one: Guards, other: Guards): boolean {
  return Object.entries(one).some(([key, value]) => {
    return other[key] !== undefined && !isSame(other[key], value);
  });
}
