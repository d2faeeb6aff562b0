/** The schema of a pattern of paths, as `routing/route_pattern.ts` reads it. */
import * as v from "valibot";
import { optional, refuse } from "./schema_parts.ts";
import { PATTERN_REMEDY, PATTERN_SHAPE, patternError } from "../routing/route_pattern.ts";

export const PATH_FORMS = "/exact, /directory/* (also matches /directory), /begin*, *.end, " +
  '/a/*/b/*, or an expression "~ ^/…$" ("~* …" in any case)';

/** A path with stars, or an expression. */
export function pathPattern(remedy = PATTERN_REMEDY) {
  return v.pipe(
    v.string(remedy),
    v.regex(PATTERN_SHAPE, remedy),
    refuse((pattern) => {
      const error = patternError(pattern);
      return error === PATTERN_REMEDY ? undefined : error;
    }),
  );
}

export const sitePathEntries = {
  paths: optional(
    v.picklist(["utf8", "bytes"], "use utf8 or bytes"),
    "What a decoded path may be: UTF-8 alone, else 400, or any bytes, as old sites have them",
    "utf8",
  ),
};
