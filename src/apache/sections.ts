/**
 * Sections in the order in which Apache merges them for a request: directories from the shortest on
 * with their `.htaccess` files, expressions of directories, files, locations. What comes later
 * overrides. Each is said of paths, for one space.
 */
import type { RequestMatch } from "../import/request_match.ts";
import { both, exceptMethods, ofMethods } from "../import/request_match.ts";
import type { TextTest } from "../import/text_tests.ts";
import type { Htaccess } from "./htaccess.ts";
import type { ApacheDirective } from "./parser.ts";
import {
  type Covered,
  coveredBy,
  coveredByExpression,
  fileTest,
  locationTest,
  type Space,
} from "./spaces.ts";

export interface Section {
  /** What opens it; undefined for the server itself. */
  readonly by: ApacheDirective | undefined;
  readonly match: RequestMatch;
  readonly directives: readonly ApacheDirective[];
  /** The URL of the directory that its rules of `RewriteRule` go by. */
  readonly directoryUrl: string | undefined;
  /** Whether an expression of the request decides, which no route asks. */
  readonly isConditional: boolean;
  /** Whether names of files decide. */
  readonly isOfFiles: boolean;
  /** Whether it is of locations, which hold for what a proxy answers, too. */
  readonly isOfLocation: boolean;
}

interface Ranked extends Section {
  readonly rank: number;
  /** Of directories: how long their path is. */
  readonly length: number;
}

const BLOCKS = new Set([
  ...["directory", "directorymatch", "files", "filesmatch", "location", "locationmatch"],
  ...["limit", "limitexcept", "if", "elseif", "else"],
]);
/** Blocks that say something of their own. */
const OTHERS = new Set([
  "virtualhost",
  "proxy",
  "proxymatch",
  "requireall",
  "requireany",
  "requirenone",
]);

export function sectionsOf(
  space: Space,
  layers: readonly (readonly ApacheDirective[])[],
  files: readonly Htaccess[],
): readonly Section[] {
  const found: Ranked[] = [];
  const start = { rank: 0, length: 0, match: {}, directoryUrl: undefined, by: undefined };
  for (const directives of layers) gather(directives, start, space, found);
  for (const { directory, directives, by } of files) {
    const covered = coveredBy(directory, space);
    if (covered === "none") continue;
    const base = {
      rank: 1,
      // Behind the section of the same directory.
      length: directory.length + 0.5,
      match: matchOf(covered),
      directoryUrl: urlOf(directory, space),
      by,
    };
    gather(directives, base, space, found);
  }
  // The sort is stable: of the same rank the order of the file holds.
  return found.filter(({ directives }) => directives.length > 0)
    .sort((a, b) => a.rank - b.rank || a.length - b.length);
}

type Base = Pick<Ranked, "rank" | "length" | "match" | "directoryUrl" | "by">;

function gather(
  directives: readonly ApacheDirective[],
  base: Base,
  space: Space,
  found: Ranked[],
  isConditional = false,
): void {
  const plain = directives.filter(({ key }) => !BLOCKS.has(key) && key !== "virtualhost");
  if (plain.length > 0) {
    found.push({
      ...base,
      directives: plain,
      isConditional,
      isOfFiles: base.rank === 3,
      isOfLocation: base.rank === 4,
    });
  }
  for (const block of directives) {
    if (!BLOCKS.has(block.key) || OTHERS.has(block.key)) continue;
    const inner = innerBase(block, base, space);
    if (inner === undefined) continue;
    const isIf = ["if", "elseif", "else"].includes(block.key);
    gather(block.block ?? [], inner, space, found, isConditional || isIf);
  }
}

/** Undefined for a section that nothing of the space is in. */
function innerBase(block: ApacheDirective, base: Base, space: Space): Base | undefined {
  const { key, args } = block;
  const isTilde = args[0] === "~";
  const pattern = (isTilde ? args[1] : args[0]) ?? "";
  const within = (covered: Covered): RequestMatch | undefined =>
    covered === "none" ? undefined : joined(base.match, covered === "all" ? undefined : covered);
  switch (key) {
    case "directory":
    case "directorymatch": {
      const isExpression = isTilde || key === "directorymatch";
      const match = within(
        isExpression ? coveredByExpression(pattern, space) : coveredBy(pattern, space),
      );
      if (match === undefined) return undefined;
      return {
        rank: isExpression ? 2 : 1,
        length: isExpression ? 0 : pattern.replace(/\/+$/, "").length,
        match,
        directoryUrl: isExpression ? undefined : urlOf(pattern, space),
        by: block,
      };
    }
    case "files":
    case "filesmatch": {
      const test = fileTest(pattern, isTilde || key === "filesmatch");
      return { ...base, rank: 3, match: joined(base.match, test), by: block };
    }
    case "location":
    case "locationmatch": {
      const test = locationTest(pattern, isTilde || key === "locationmatch");
      return {
        rank: 4,
        length: 0,
        match: joined(base.match, test),
        directoryUrl: undefined,
        by: block,
      };
    }
    case "limit":
      return { ...base, by: block, match: withMethods(base.match, upper(args)) };
    case "limitexcept":
      return {
        ...base,
        by: block,
        match: both(base.match, exceptMethods(upper(args))) ?? base.match,
      };
  }
  return { ...base, rank: 5, by: block };
}

function upper(args: readonly string[]): readonly string[] {
  const methods = args.map((arg) => arg.toUpperCase());
  return methods.includes("GET") ? [...methods, "HEAD"] : methods;
}

function withMethods(match: RequestMatch, methods: readonly string[]): RequestMatch {
  const [said] = ofMethods([...new Set(methods)]);
  return { ...match, methods: said?.methods ?? [] };
}

function joined(match: RequestMatch, test: TextTest | undefined): RequestMatch {
  return test === undefined ? match : { ...match, path: [...match.path ?? [], test] };
}

function matchOf(covered: Covered): RequestMatch {
  return covered === "all" || covered === "none" ? {} : { path: [covered] };
}

/** The URL of a directory, with a slash at its end; that of the space where it lies around it. */
function urlOf(directory: string, { url, directory: own }: Space): string {
  const bare = directory.replace(/\/+$/, "");
  return bare.startsWith(`${own}/`) ? `${url}${bare.slice(own.length)}/` : `${url}/`;
}
