/**
 * A space is a part of the paths of a site that lies in one directory: the document root, or what an
 * `Alias` names. Sections for directories are said of paths by it.
 */
import { literal, type TextTest } from "../import/text_tests.ts";

export interface Space {
  /** Without a slash at its end; empty for the document root. */
  readonly url: string;
  /** Without a slash at its end. */
  readonly directory: string;
}

const EXACTLY = { ignoreCase: false, isNegative: false } as const;

/** All paths at and below a URL; undefined for every one. */
export function belowUrl(url: string): TextTest | undefined {
  const bare = url.replace(/\/$/, "");
  if (bare === "") return undefined;
  return { ...EXACTLY, source: `^${literal(bare)}(?:/|$)`, prefix: bare, simple: `${bare}/*` };
}

/** What of a space lies in a directory: all of it, paths that pass a test, or nothing. */
export type Covered = "all" | "none" | TextTest;

export function coveredBy(directory: string, { url, directory: own }: Space): Covered {
  const bare = directory.replace(/\/+$/, "");
  if (/[*?[]/.test(bare)) return coveredByPattern(bare, { url, directory: own });
  if (bare === own || own.startsWith(`${bare}/`)) return "all";
  if (!bare.startsWith(`${own}/`)) return "none";
  return belowUrl(url + bare.slice(own.length)) ?? "all";
}

/** `<Directory "/srv/*\/public">`: a star stays within a name. */
function coveredByPattern(pattern: string, { url, directory }: Space): Covered {
  const names = pattern.split("/");
  const own = directory.split("/");
  const shared = Math.min(names.length, own.length);
  for (let index = 0; index < shared; index++) {
    if (!new RegExp(`^${globSource(names[index]!)}$`).test(own[index]!)) return "none";
  }
  if (names.length <= own.length) return "all";
  const rest = names.slice(own.length).map((name) => `/${globSource(name)}`).join("");
  return { ...EXACTLY, source: `^${literal(url)}${rest}(?:/|$)` };
}

/** Of fnmatch, within a name. */
export function globSource(pattern: string): string {
  return pattern.replace(/\[[^\]]*\]|[*?]|[^*?[]+|\[/g, (part) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    return part.startsWith("[") && part.endsWith("]") ? part.replace(/^\[!/, "[^") : literal(part);
  });
}

/** `<DirectoryMatch>`: an expression over the directory's path in the file system. */
export function coveredByExpression(source: string, { url, directory }: Space): Covered {
  const { source: plain, ignoreCase } = caseOf(source);
  if (plain.startsWith("^")) {
    const own = `^${literal(directory)}`;
    if (plain.startsWith(own)) {
      const rest = plain.slice(own.length);
      return {
        source: `^${literal(url)}${withoutDirectoryEnd(rest)}`,
        ignoreCase,
        isNegative: false,
      };
    }
    try {
      const whole = new RegExp(plain, ignoreCase ? "i" : "");
      return whole.test(directory) || whole.test(`${directory}/`) ? "all" : "none";
    } catch {
      return "all";
    }
  }
  const test = { source: withoutDirectoryEnd(plain), ignoreCase, isNegative: false };
  return url === "" ? test : { ...test, source: `^${literal(url)}.*${test.source}` };
}

/** What ends a directory's path ends a part of a request's. */
function withoutDirectoryEnd(source: string): string {
  return source.replace(/\/?\$$/, "(?:/|$)");
}

/** Names of files, of the last part of a path that is one; what is behind it is PATH_INFO. */
export function fileTest(pattern: string, isExpression: boolean): TextTest {
  if (!isExpression) {
    return { ...EXACTLY, source: `/${globSource(pattern)}(?:/|$)` };
  }
  const { source, ignoreCase } = caseOf(pattern);
  const parts = topLevelChoices(source).map((part) => {
    const starts = part.startsWith("^");
    const ends = /(?<!\\)(?:\\\\)*\$$/.test(part);
    const inner = part.slice(starts ? 1 : 0, ends ? -1 : undefined);
    return `/${starts ? "" : "[^/]*?"}${inner}${ends ? "(?:/|$)" : ""}`;
  });
  const whole = parts.length === 1 ? parts[0]! : `(?:${parts.join("|")})`;
  return { source: whole, ignoreCase, isNegative: false };
}

/** Parts of an expression that stand apart by `|` outside of groups. */
export function topLevelChoices(source: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const [part] of source.matchAll(/\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|./gs)) {
    if (part === "(") depth++;
    else if (part === ")") depth--;
    if (part === "|" && depth === 0) parts.push("");
    else parts[parts.length - 1] += part;
  }
  return parts;
}

export function caseOf(
  expression: string,
): { readonly source: string; readonly ignoreCase: boolean } {
  const ignoreCase = expression.startsWith("(?i)");
  return { source: ignoreCase ? expression.slice("(?i)".length) : expression, ignoreCase };
}

/** `<Location>`: a URL with what is below it, or a pattern. */
export function locationTest(pattern: string, isExpression: boolean): TextTest | undefined {
  if (isExpression) return { ...caseOf(pattern), isNegative: false };
  const path = pattern.replace(/^https?:\/\/[^/]*/i, "");
  if (path === "/" || path === "") return undefined;
  if (/[*?[]/.test(path)) {
    return { ...EXACTLY, source: `^${path.split("/").map(globSource).join("/")}(?:/|$)` };
  }
  if (path.endsWith("/")) return { ...EXACTLY, source: `^${literal(path)}`, prefix: path };
  return belowUrl(path);
}
