/**
 * What an index is, for nginx asks for its path as for any other: a file of the location itself, a
 * script that runs in every directory in the same way, or something about which other locations
 * decide, directory by directory.
 */
import { accessWays, restricts } from "./access.ts";
import type { FilePlace } from "./file_place.ts";
import { patternsOf } from "./location_regex.ts";
import { findLocation, type Location, SAMPLE } from "./locations.ts";
import { reachedRun } from "./reached_run.ts";
import { isSame } from "./route_conditions.ts";
import type { Run } from "./run.ts";
import type { ServerContext } from "./server_context.ts";

/** "none": nobody gets it. */
export type IndexKind = "file" | "asked" | "none" | Run;

/** `begin` is that of all paths of the location's route; undefined where these are no directories. */
export function indexKind(
  name: string,
  begin: string | undefined,
  location: Location,
  place: FilePlace,
  context: ServerContext,
): IndexKind {
  if (name.startsWith("/") || begin === undefined) return "asked";
  const [here, below] = [begin, `${begin}${SAMPLE}/`]
    .map((directory) => findLocation(context.locations, directory + name));
  if (here === undefined || here !== below || mayDiffer(name, location, here, context)) {
    return isLeft(name, begin, location, place, context) ? "none" : "asked";
  }
  if (here === location) return "file";
  const run = reachedRun(here, place, context);
  if (run === "closed") return "none";
  return run ?? "asked";
}

/** Whether only single directories have such a script (`directoryIndexes`). */
function isLeft(
  name: string,
  begin: string,
  location: Location,
  place: FilePlace,
  context: ServerContext,
): boolean {
  const below = findLocation(context.locations, `${begin}${SAMPLE}/${name}`);
  const here = findLocation(context.locations, begin + name);
  if (below !== location || here === undefined || here.kind !== "exact") return false;
  const run = reachedRun(here, place, context);
  return name.endsWith(".php") && run !== undefined && !isSame(run, "closed") &&
    !context.locations.some((it) =>
      it !== here && it !== location && mayMatch(it, name, location, context)
    );
}

function mayDiffer(
  name: string,
  location: Location,
  here: Location,
  context: ServerContext,
): boolean {
  return context.locations.some((it) =>
    it !== location && it !== here && mayMatch(it, name, location, context)
  );
}

/** Whether a location may be the one of a directory's index and not of the directory. */
function mayMatch(
  other: Location,
  name: string,
  { text: begin, kind }: Location,
  context: ServerContext,
): boolean {
  const { text } = other;
  switch (other.kind) {
    case "named":
      return false;
    case "exact":
      return text.endsWith(`/${name}`) && (kind === "regex" || text.startsWith(begin));
    case "prefix":
    case "strong": {
      const tail = text.slice(text.lastIndexOf("/") + 1);
      return tail !== "" && name.startsWith(tail);
    }
    case "regex":
      return expressionMay(other, name) && !isClosedByName(other, context);
  }
}

function expressionMay({ text }: Location, name: string): boolean {
  const read = patternsOf(text, false);
  if (read === undefined) return endingMay(text, name);
  return read.patterns.some(({ path }) => {
    if (path === undefined) return false;
    const star = path.indexOf("*");
    if (star < 0) return path.endsWith(`/${name}`);
    const [before, behind] = [path.slice(0, star), path.slice(star + 1)];
    if (behind !== "") return name.endsWith(behind) || behind.endsWith(`/${name}`);
    const tail = before.slice(before.lastIndexOf("/") + 1);
    return tail !== "" && name.startsWith(tail);
  });
}

/** By how the expression ends, where nothing more is known of it. */
function endingMay(text: string, name: string): boolean {
  const [, several, one] = /\\\.(?:\((?:\?:)?([\w|?]+)\)|(\w+))\$$/.exec(text) ?? [];
  const endings = (several ?? one)?.split("|");
  if (endings === undefined) return !/\/$/.test(text);
  return endings.some((ending) => new RegExp(`\\.${ending}$`, "i").test(name));
}

/** Scripts of whole directories are closed by their directories (`closed_directories.ts`). */
function isClosedByName(location: Location, context: ServerContext): boolean {
  const read = patternsOf(location.text, location.ignoreCase);
  if (read === undefined || location.ignoreCase || read.patterns.length > 4) return false;
  const isOfDirectories = read.patterns.every(({ path, isExact }) =>
    isExact && /^\/.*\*.*\.php$/.test(path ?? "")
  );
  const { scope } = location;
  const isClosing = scope.own("return").some(({ args }) => /^[45]/.test(args[0] ?? "")) ||
    restricts(accessWays(location, context));
  return isOfDirectories && isClosing;
}
