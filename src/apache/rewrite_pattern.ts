/** The first word of a `RewriteRule`: which paths it is for, within its directory or on the whole. */
import { literal, type TextTest } from "../import/text_tests.ts";
import type { RewriteRule } from "./rewrite_rule.ts";
import { topLevelChoices } from "./spaces.ts";

export interface RewritePlace {
  /** The URL of the directory, with a slash at its end; undefined for the server's own rules. */
  readonly directoryUrl: string | undefined;
}

/** Paths that a rule's pattern matches; undefined for all. */
export function patternTest(
  { pattern, isNegative, flags, conditions }: RewriteRule,
  { directoryUrl }: RewritePlace,
  captures: boolean,
): TextTest | undefined {
  const ignoreCase = flags.has("NC") || pattern.startsWith("(?i)");
  const plain = pattern.replace(/^\(\?i\)/, "");
  // The directory itself is there, if that is asked.
  const isOfMissing = conditions.some((it) => it.pattern === "-d" && it.isNegative && !it.isOr);
  const isAll = /^\^?(?:\(?\.\*\)?\$?|)$/.test(plain) || plain === ".?" ||
    (isOfMissing && /^\^?\(?\.\+?\)?\$?$/.test(plain));
  if (isAll && !captures && !isNegative) return undefined;
  const source = directoryUrl === undefined ? plain : withinDirectory(plain, directoryUrl);
  return { source, ignoreCase, isNegative, ...(captures && { captures }) };
}

function withinDirectory(pattern: string, url: string): string {
  const begin = `^${literal(url)}`;
  const parts = topLevelChoices(pattern).map((part) =>
    part.startsWith("^") ? begin + part.slice(1) : `${begin}${part === "." ? "" : ".*?"}${part}`
  );
  return parts.length === 1 ? parts[0]! : `(?:${parts.join("|")})`;
}
