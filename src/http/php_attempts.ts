/**
 * What a `php` route tries for a path, in this order: the script that the path names, a file that is
 * no script, a directory's index, scripts of other names, a response. The texts of the
 * configuration are read once; no file is looked at here (`php_route.ts` does).
 */
import { PHP_ENDINGS, type ScriptEndings } from "../cgi/script_path.ts";
import type { PhpHandlerOptions } from "./options.ts";

/** Stands for the request's path in an attempt. */
export const PATH_MARK = "${path}";

/** `text` is what the configuration says. */
export type Attempt =
  | {
    readonly kind: "script";
    readonly text: string;
    /** Whether a script's name at which there is none ends the list, with 404. */
    readonly isLast: boolean;
  }
  | { readonly kind: "file" | "folder"; readonly text: string }
  | { readonly kind: "named"; readonly text: string; readonly script: NamedScript }
  | { readonly kind: "status"; readonly text: string; readonly status: number };

/** A script that is not, or not only, named by the client. */
export interface NamedScript {
  /** Whether the request's path is a part of its name. */
  readonly isAsked: boolean;
  /** Its path below the root; undefined where this path gives none. */
  readonly nameFor: (path: string) => string | undefined;
}

/** The endings of a route's scripts; a script's name is whole where nothing is split off. */
export function scriptEndings(splitPath: readonly string[] = PHP_ENDINGS): ScriptEndings {
  return splitPath.length === 0
    ? { texts: PHP_ENDINGS, anyCase: false, whole: true }
    : { texts: splitPath, anyCase: false };
}

/**
 * Without a list of its own a route tries all that the path may name, then its front controller,
 * which gets no script that is missing.
 */
export function compileAttempts(
  { attempts, frontController }: Pick<PhpHandlerOptions, "attempts" | "frontController">,
): readonly Attempt[] {
  if (attempts !== undefined) return attempts.map(readAttempt);
  return [
    { kind: "script", text: "script", isLast: true },
    { kind: "file", text: "file" },
    { kind: "folder", text: "folder" },
    ...(frontController === undefined ? [] : [readAttempt(frontController)]),
  ];
}

function readAttempt(text: string): Attempt {
  if (text === "script") return { kind: "script", text, isLast: false };
  if (text === "file" || text === "folder") return { kind: text, text };
  if (text.startsWith("=")) return { kind: "status", text, status: Number(text.slice(1)) };
  return { kind: "named", text, script: readName(text) };
}

function readName(text: string): NamedScript {
  const mark = text.indexOf(PATH_MARK);
  if (mark < 0) return { isAsked: false, nameFor: () => text };
  const before = text.slice(0, mark);
  const behind = text.slice(mark + PATH_MARK.length);
  return {
    isAsked: true,
    nameFor: (path) => {
      if (!path.endsWith("/")) return before + path + behind;
      // A directory's path names no file, so nothing can be put to its name.
      return behind.startsWith("/") ? before + path.slice(0, -1) + behind : undefined;
    },
  };
}
