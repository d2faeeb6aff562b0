/** `{$NAME:default}` of a Caddyfile: Caddy puts values in before it reads the file, and so is it here. */
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";

export type ReadVariable = (name: string) => string | undefined;

const VARIABLE = /\{\$([^}:\s]+)(?::([^}\n]*))?\}/g;

export function withVariables(
  source: string,
  file: string,
  read: ReadVariable,
  notes: Notes,
): string {
  return source.replace(VARIABLE, (text: string, name: string, fallback: string, at: number) => {
    const value = read(name) ?? "";
    const line = source.slice(0, at).split("\n").length;
    const directive: Directive = { name: text, args: [], block: undefined, file, line };
    const isComment = /^[ \t]*#/.test(source.slice(source.lastIndexOf("\n", at) + 1, at));
    if (!isComment && value !== "") notes.add("differs", directive, "its value now stands here");
    else if (!isComment && fallback === undefined) {
      notes.add("lost", directive, "it is not set, so nothing stands in its place");
    } else if (!isComment) {
      notes.add("differs", directive, "it is not set, so its default stands here");
    }
    // More lines than before would move every place behind it.
    return (value || (fallback ?? "")).replaceAll(/[\r\n]+/g, " ");
  });
}
