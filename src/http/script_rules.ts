/**
 * Which scripts below a root a `php` route may run: those that a pattern names, in no directory
 * that is closed to scripts. The names are those of the request's path, so a directory that can be
 * reached under two names (a symlink) has to be closed under both.
 */
import type { PhpHandlerOptions } from "./options.ts";

/** Whether the script at the path below the root may run. */
export type ScriptRule = (script: string) => boolean;

/** Undefined where every script may. */
export function compileScriptRule(
  { scripts, noScripts = [] }: Pick<PhpHandlerOptions, "scripts" | "noScripts">,
): ScriptRule | undefined {
  if (scripts === undefined && noScripts.length === 0) return undefined;
  const patterns = scripts?.map(compileScriptPattern);
  const directories = noScripts.map((directory) => `${directory}/`);
  return (script) =>
    (patterns === undefined || patterns.some((pattern) => pattern.test(script))) &&
    !directories.some((directory) => script.startsWith(directory));
}

/** `*` stands for anything within a name, `**` for any names, also none. */
function compileScriptPattern(pattern: string): RegExp {
  const source = pattern.split(/(\*\*\/|\*)/).map((part) => {
    if (part === "**/") return "(?:[^/]+/)*";
    return part === "*" ? "[^/]*" : part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&");
  });
  return new RegExp(`^${source.join("")}$`, "s");
}
