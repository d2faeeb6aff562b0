/**
 * The locations of a server: which one nginx takes for a path, and in what order they must stand
 * where the first that matches answers. nginx takes the exact one; else the longest prefix if it is
 * marked `^~`; else the first regular expression that matches; else the longest prefix. A location
 * within a location is asked only where the outer one is the longest prefix.
 */
import type { Directive } from "./parser.ts";
import { Scope } from "./scope.ts";

export type LocationKind = "exact" | "strong" | "prefix" | "regex" | "named";

export interface Location {
  readonly kind: LocationKind;
  /** A path, a prefix, an expression or a name. */
  readonly text: string;
  /** Of an expression (`~*`). */
  readonly ignoreCase: boolean;
  readonly directive: Directive;
  readonly scope: Scope;
  /** The location that it stands in. */
  readonly within: Location | undefined;
  /** Whether it is what an `if` makes of the location that it stands in. */
  readonly isCase?: boolean;
}

/**
 * A location in its place; `below` is the prefix to which an expression is confined, `inside` are the
 * expressions around it.
 */
export interface OrderedLocation {
  readonly location: Location;
  readonly below: string | undefined;
  readonly inside?: readonly Location[];
}

/** Those of a block and of the prefixes in it, in the file's order. */
export function locationsOf(scope: Scope, within?: Location): Location[] {
  const found: Location[] = [];
  for (const directive of scope.own("location")) {
    const location = readLocation(directive, scope, within);
    found.push(location, ...locationsOf(location.scope, location));
  }
  return found;
}

const KINDS: Readonly<Record<string, LocationKind>> = {
  "=": "exact",
  "^~": "strong",
  "~": "regex",
  "~*": "regex",
};

function readLocation(directive: Directive, outer: Scope, within: Location | undefined): Location {
  const [first = "", second] = directive.args;
  // nginx takes the modifier without a space as well.
  const sign = second === undefined ? /^(=|\^~|~\*|~)/.exec(first)?.[0] ?? "" : first;
  const text = second ?? first.slice(sign.length);
  return {
    kind: text.startsWith("@") ? "named" : KINDS[sign] ?? "prefix",
    text,
    ignoreCase: sign === "~*",
    directive,
    scope: new Scope(directive.block ?? [], outer),
    within,
  };
}

/** A name that no file has, to ask which location such files are for. */
export const SAMPLE = "afcgi-sample";

/** Which location nginx takes for a path; undefined when none matches. */
export function findLocation(all: readonly Location[], path: string): Location | undefined {
  return findAmong(all, path, undefined)?.location;
}

/** As `ngx_http_core_find_location` of nginx 1.22; a final one asks no expressions further out. */
function findAmong(
  all: readonly Location[],
  path: string,
  within: Location | undefined,
): { readonly location: Location; readonly isFinal: boolean } | undefined {
  const here = all.filter((location) => location.within === within);
  const exact = here.find(({ kind, text }) => kind === "exact" && text === path);
  if (exact !== undefined) return { location: exact, isFinal: true };
  const longest = here.filter(({ kind, text }) => isPrefix(kind) && path.startsWith(text))
    .sort(byLength)[0];
  const inner = longest && findAmong(all, path, longest);
  if (inner?.isFinal) return inner;
  const regex = longest?.kind === "strong"
    ? undefined
    : here.find((location) => location.kind === "regex" && matches(location, path));
  if (regex !== undefined) {
    return { location: findAmong(all, path, regex)?.location ?? regex, isFinal: true };
  }
  return inner ?? (longest && { location: longest, isFinal: false });
}

/** Longest first. */
function byLength(a: Location, b: Location): number {
  return b.text.length - a.text.length;
}

function isPrefix(kind: LocationKind): boolean {
  return kind === "prefix" || kind === "strong";
}

function matches({ text, ignoreCase }: Location, path: string): boolean {
  try {
    return new RegExp(text.replaceAll("(?P<", "(?<"), ignoreCase ? "is" : "s").test(path);
  } catch {
    // What JavaScript cannot read as an expression is refused where it is translated.
    return false;
  }
}

/** In the order in which the first that matches is the one that nginx takes. */
export function inOrder(all: readonly Location[]): OrderedLocation[] {
  return orderLevel(all, undefined, []);
}

/**
 * The locations in `within`, and behind them the expressions further out that are asked there. A
 * prefix that keeps expressions to itself, or away, has a whole part of the list, and so has each
 * longer one below it: what stands in that part never reaches a neighbour's paths.
 */
function orderLevel(
  all: readonly Location[],
  within: Location | undefined,
  outer: readonly Location[],
): OrderedLocation[] {
  const below = within?.kind === "regex" ? undefined : within?.text;
  const here = all.filter((location) => location.within === within);
  const regexes = here.filter(({ kind }) => kind === "regex");
  const prefixes = here.filter(({ kind }) => isPrefix(kind)).sort(byLength);
  const ordered: OrderedLocation[] = here.filter(({ kind }) => kind === "exact")
    .map((location) => ({ location, below: undefined }));
  const inner = (prefix: Location) => all.filter((it) => it.within === prefix);
  // Expressions alone, with no longer prefix beside them, may stand before all others.
  const isPlain = (prefix: Location) =>
    inner(prefix).every(({ kind }) => kind === "regex") &&
    !prefixes.some((it) => it !== prefix && it.text.startsWith(prefix.text));
  const isOwn = (prefix: Location) =>
    prefix.kind === "strong" || (inner(prefix).length > 0 && !isPlain(prefix));
  const early = prefixes.filter((prefix) =>
    prefixes.some((it) => isOwn(it) && prefix.text.startsWith(it.text))
  );
  for (const location of prefixes) {
    if (!early.includes(location)) {
      for (const it of inner(location)) {
        for (const nested of orderLevel(all, it, [])) {
          const inside = [it, ...nested.inside ?? []];
          ordered.push({ ...nested, below: nested.below ?? location.text, inside });
        }
        ordered.push({ location: it, below: location.text });
      }
      continue;
    }
    const asked = location.kind === "strong" ? outer : [...regexes, ...outer];
    ordered.push(...orderLevel(all, location, asked), { location, below: undefined });
  }
  if (early.some(({ text }) => text === (below ?? "/"))) return ordered;
  for (const location of [...regexes, ...outer]) {
    for (const nested of orderLevel(all, location, [])) {
      const inside = [location, ...nested.inside ?? []];
      ordered.push({ ...nested, below: nested.below ?? below, inside });
    }
    ordered.push({ location, below });
  }
  const late = prefixes.filter((prefix) => !early.includes(prefix));
  return [...ordered, ...late.map((location) => ({ location, below: undefined }))];
}
