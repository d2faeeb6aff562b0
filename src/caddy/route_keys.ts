/** What a route says beside its handler, by what holds for its requests. */
import type { RouteValue } from "../import/chain.ts";
import type { SiteContext, SiteState } from "./site_state.ts";

/** Of a handler of files: its root, and what is no directory below that. */
export function fileKeys(
  { root, prefix, rewrite, keys }: SiteState,
  { siteRoot }: SiteContext,
): RouteValue {
  return {
    ...(root !== undefined && root !== siteRoot && { root }),
    ...(prefix !== "" && rewrite === undefined && { strip_prefix: prefix }),
    ...(rewrite !== undefined && { rewrite }),
    ...keys,
  };
}

/** What answers where nothing is there. */
export const NOTHING_THERE: RouteValue = { respond: { status: 404 } };
