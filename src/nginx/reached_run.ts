/**
 * A script's location as an index, a rewrite or the last word of `try_files` comes to it: nginx asks
 * there, too, who may. What it refuses must not be open by another way.
 */
import { type Access, accessTo } from "./access.ts";
import { rootError, unsayableOf } from "./location_errors.ts";
import type { Location } from "./locations.ts";
import { type Run, runOf } from "./run.ts";
import type { ServerContext } from "./server_context.ts";

/** A run with its access control; undefined where the location runs nothing or cannot be said. */
export function reachedRun(
  location: Location | undefined,
  context: ServerContext,
): Run | "closed" | undefined {
  const run = location && runOf(location, context);
  if (location === undefined || run === undefined) return undefined;
  // That a script must exist is so here anyway.
  const [tried] = location.scope.own("try_files");
  if (tried?.args.at(-1) === "=404") context.notes.take(tried);
  if (rootError(location, context) !== undefined) return undefined;
  if (unsayableOf(location, context) !== undefined) return undefined;
  const access = accessTo(location, context);
  if (access.kind === "closed") return "closed";
  return { ...run, restriction: restrictionOf(access) };
}

/** As a route has it; undefined where everybody has access. */
export function restrictionOf(access: Access): Record<string, readonly string[]> | undefined {
  if (access.kind !== "restricted") return undefined;
  const { allow, deny } = access;
  return { ...(allow.length > 0 && { allow }), ...(deny.length > 0 && { deny }) };
}

/** Whether two runs are the same in all that routes say of them. */
export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
