/** `valid_referers` → what the field has to be where `$invalid_referer` is empty. */
import { quoted } from "../routing/route_pattern.ts";
import { isExpressionOfOurs } from "./expressions.ts";
import type { Scope } from "./scope.ts";

/** Patterns of the field's value, one of which fits; undefined where they cannot be said. */
export function validReferers(scope: Scope): readonly string[] | undefined {
  const directives = scope.all("valid_referers");
  const words = directives.flatMap(({ args }) => args);
  if (words.length === 0) return undefined;
  const names = scope.all("server_name").flatMap(({ args }) => args);
  const patterns: string[] = [];
  for (const word of words) {
    if (word === "none") patterns.push("");
    else if (word === "blocked") patterns.push("~* ^(?!https?://).");
    else if (word === "server_names") patterns.push(...names.map(ofName));
    else if (word.startsWith("~")) {
      patterns.push(`~* ^https?://.*?(?:${word.replace(/^~\*?/, "")})`);
    } else patterns.push(ofName(word));
  }
  return patterns.every((it) => !it.startsWith("~") || isExpressionOfOurs(it))
    ? patterns
    : undefined;
}

/** A host, with a star at one of its ends, and maybe the beginning of a path. */
function ofName(word: string): string {
  const [, host = "", path = ""] = /^([^/]*)(.*)$/.exec(word) ?? [];
  const name = host.startsWith(".")
    ? `(?:[^/:]*\\.)?${quoted(host.slice(1))}`
    : quoted(host).replaceAll("\\*", "[^/:]*");
  return `~* ^https?://${name}(?::[0-9]+)?${path === "" ? "(?:/|$)" : quoted(path)}`;
}
