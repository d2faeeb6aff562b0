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
  /** The prefix that it stands in. */
  readonly within: Location | undefined;
}

/** A location in its place; `below` is the prefix to which an expression is confined. */
export interface OrderedLocation {
  readonly location: Location;
  readonly below: string | undefined;
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
  // nginx takes the modifier without a blank as well.
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
  return findAmong(all, path, undefined);
}

function findAmong(
  all: readonly Location[],
  path: string,
  within: Location | undefined,
): Location | undefined {
  const here = all.filter((location) => location.within === within);
  const exact = here.find(({ kind, text }) => kind === "exact" && text === path);
  if (exact !== undefined) return exact;
  const longest = here.filter(({ kind, text }) => isPrefix(kind) && path.startsWith(text))
    .sort((a, b) => b.text.length - a.text.length)[0];
  const inner = longest && findAmong(all, path, longest);
  if (inner !== undefined && inner !== longest) return inner;
  if (longest?.kind === "strong") return longest;
  return here.find((location) => location.kind === "regex" && matches(location, path)) ?? longest;
}

function isPrefix(kind: LocationKind): boolean {
  return kind === "prefix" || kind === "strong";
}

function matches({ text, ignoreCase }: Location, path: string): boolean {
  try {
    return new RegExp(text.replaceAll("(?P<", "(?<"), ignoreCase ? "i" : "").test(path);
  } catch {
    // What JavaScript cannot read as an expression is refused where it is translated.
    return false;
  }
}

/** In the order in which the first that matches is the one that nginx takes. */
export function inOrder(all: readonly Location[]): OrderedLocation[] {
  const regexes = all.filter(({ kind }) => kind === "regex");
  const prefixes = all.filter(({ kind }) => isPrefix(kind))
    .sort((a, b) => b.text.length - a.text.length);
  const outer = regexes.filter(({ within }) => within === undefined);
  const ordered: OrderedLocation[] = all.filter(({ kind }) => kind === "exact")
    .map((location) => ({ location, below: undefined }));
  const isEarly = (prefix: Location) =>
    prefixes.some((it) => isStrong(it) && prefix.text.startsWith(it.text));
  for (const prefix of prefixes) {
    const below = prefix.text;
    for (const location of regexes) {
      if (location.within === prefix) ordered.push({ location, below });
    }
    if (!isEarly(prefix)) continue;
    // A longer prefix below a strong one still asks the expressions.
    if (!isStrong(prefix)) ordered.push(...outer.map((location) => ({ location, below })));
    ordered.push({ location: prefix, below: undefined });
  }
  ordered.push(...outer.map((location) => ({ location, below: undefined })));
  for (const location of prefixes) {
    if (!isEarly(location)) ordered.push({ location, below: undefined });
  }
  return ordered;
}

/** Whether no expression of the server is asked. */
function isStrong({ kind, within }: Location): boolean {
  return kind === "strong" || (within !== undefined && isStrong(within));
}
