/** `Alias`, `AliasMatch` and `ScriptAlias` → spaces beside the document root's. */
import type { ApacheDirective } from "./parser.ts";
import type { Space } from "./spaces.ts";

export interface Alias {
  readonly directive: ApacheDirective;
  /** Undefined for what cannot be said. */
  readonly space: Space | undefined;
  /** Whether it is one file, not a directory. */
  readonly isFile: boolean;
  /** What an `AliasMatch` matches. */
  readonly expression: string | undefined;
  /** Whether what is in it is run as a program of CGI, which nothing here does. */
  readonly isOfPrograms: boolean;
}

export function aliasesOf(
  directives: readonly ApacheDirective[],
  isFile: (path: string) => boolean,
): readonly Alias[] {
  return directives.flatMap((directive): Alias[] => {
    const { key, args: [from = "", to = ""] } = directive;
    const isOfPrograms = key === "scriptalias" || key === "scriptaliasmatch";
    if (key === "alias" || key === "scriptalias") {
      const space = { url: from.replace(/\/$/, ""), directory: to.replace(/\/+$/, "") };
      return [{ directive, space, isFile: isFile(to), expression: undefined, isOfPrograms }];
    }
    if (key !== "aliasmatch" && key !== "scriptaliasmatch") return [];
    // `^/static/(.*)$` to `/srv/static/$1` is an alias.
    const url = /^\^(\/[\w./-]*?)\/?\(?(?:\(?\/?\.\*\)?|\/\|\$)?\)?\$?$/.exec(from)?.[1];
    const directory = /^(\/[^$]*?)\/?\$1$/.exec(to)?.[1];
    const space = url === undefined || directory === undefined
      ? undefined
      : { url: url.replace(/\/$/, ""), directory };
    return [{ directive, space, isFile: false, expression: from, isOfPrograms }];
  });
}
