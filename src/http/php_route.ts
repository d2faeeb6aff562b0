/**
 * The `php` handler: goes through what the route tries for a path and stops at the first that there
 * is. A script that does not exist never reaches the application, and a file that is no script is
 * left to the next route. What a hidden name (`/.git/`) or a symlink out of the root leads to is
 * refused, wherever it is met. Where such symlinks may be followed, that is for files: directories
 * beside the root hold what others write, such as uploads, so a script in them does not run.
 */
import { findScript, type ScriptEndings } from "../cgi/script_path.ts";
import { encodePath } from "../runtime/raw_bytes.ts";
import type { Files } from "../runtime/files.ts";
import { type FileTree, type Found, isHidden, resolveBelowRoot } from "../static/below_root.ts";
import type { ErrorCode } from "./request_context.ts";
import type { Attempt, NamedScript } from "./php_attempts.ts";
import type { ScriptTarget } from "./script_target.ts";
import { stripPath } from "./strip_path.ts";
import type { ScriptRule } from "./script_rules.ts";
import type { RequestTarget } from "./target.ts";

export interface PhpRouteOptions extends FileTree {
  readonly files: Files;
  readonly index: readonly string[];
  readonly attempts: readonly Attempt[];
  /** The beginning of the path that is no directory below the root. */
  readonly strip: string | undefined;
  readonly endings: ScriptEndings;
  /** Undefined: every script may run. */
  readonly mayRun: ScriptRule | undefined;
  /** The root as the application sees it; undefined: as we do. */
  readonly applicationRoot: string | undefined;
  /** Hears what became of each attempt; undefined where nobody asks. */
  readonly onAttempt?: AttemptWatch | undefined;
}

/** `kind` is undefined where the next attempt follows. */
export type AttemptWatch = (attempt: string, kind: PhpDecision["kind"] | undefined) => void;

/** What is to be done with a request. */
export type PhpDecision =
  | { readonly kind: "run"; readonly script: ScriptTarget }
  /** Not ours: a file that is no script, or nothing at all. */
  | { readonly kind: "pass" }
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "refused"; readonly status: number; readonly code: ErrorCode };

const PASS = { kind: "pass" } as const;
const NOT_ALLOWED = { kind: "refused", status: 403, code: "script_not_allowed" } as const;
const NO_SCRIPT = { kind: "refused", status: 404, code: "no_such_script" } as const;
const OUTSIDE = { kind: "refused", status: 403, code: "outside_root" } as const;
const HIDDEN = { kind: "refused", status: 403, code: "hidden_file" } as const;

/** What the attempts for one request share. */
interface Asked {
  readonly target: RequestTarget;
  /** Without what the route strips. */
  readonly path: string;
  readonly look: (path: string) => Found;
  /** What is at the path, once an attempt has looked. */
  found: Found | undefined;
}

/** Decides by the files that are there now. */
export function decidePhp(options: PhpRouteOptions, target: RequestTarget): PhpDecision {
  const path = options.strip === undefined ? target.path : stripPath(options.strip, target.path);
  const look = (path: string): Found => resolveBelowRoot(options, path);
  const asked: Asked = { target, path, look, found: undefined };
  for (const attempt of options.attempts) {
    const decision = decideAttempt(options, attempt, asked);
    options.onAttempt?.(attempt.text, decision?.kind);
    if (decision !== undefined) return decision;
  }
  return PASS;
}

/** Undefined: the next attempt follows. */
function decideAttempt(
  options: PhpRouteOptions,
  attempt: Attempt,
  asked: Asked,
): PhpDecision | undefined {
  switch (attempt.kind) {
    case "script":
      return runScript(options, attempt.isLast, asked);
    case "file":
    case "folder": {
      const found = asked.found ??= asked.look(asked.path);
      if (found.kind === "forbidden") return { kind: "refused", status: 403, code: found.code };
      if (attempt.kind === "file") return found.kind === "file" ? PASS : undefined;
      return found.kind === "directory" ? runIndex(options, asked) : undefined;
    }
    case "named":
      return runNamed(options, attempt.script, asked);
    case "status":
      return { kind: "refused", status: attempt.status, code: "no_such_file" };
  }
}

function runScript(
  options: PhpRouteOptions,
  isLast: boolean,
  { path, look }: Asked,
): PhpDecision | undefined {
  const script = findScript(path, look, options.endings);
  if (script === undefined || (script.found.kind === "missing" && !isLast)) return undefined;
  if (options.mayRun?.(script.script) === false) return NOT_ALLOWED;
  return runFound(options, script.found, script.script, script.pathInfo) ?? NO_SCRIPT;
}

function runIndex(
  options: PhpRouteOptions,
  { target, path, look }: Asked,
): PhpDecision | undefined {
  const directory = path.endsWith("/") ? path : `${path}/`;
  for (const name of options.index) {
    const found = look(directory + name);
    if (found.kind !== "file") continue;
    if (options.mayRun?.(directory + name) === false) return NOT_ALLOWED;
    // Without the slash, relative hyperlinks of the page would lead astray.
    if (!target.path.endsWith("/")) return redirectToDirectory(`${target.path}/`, target.query);
    return runFound(options, found, directory + name, "");
  }
  return undefined;
}

function redirectToDirectory(directory: string, query: string): PhpDecision {
  const path = encodePath(directory);
  return { kind: "redirect", location: query === "" ? path : `${path}?${query}` };
}

function runNamed(
  options: PhpRouteOptions,
  { isAsked, nameFor }: NamedScript,
  { path, look, found }: Asked,
): PhpDecision | undefined {
  // Where no attempt has looked at the path, nobody has refused it yet.
  if (found === undefined && isHidden(path)) return HIDDEN;
  const name = nameFor(path);
  if (name === undefined) return undefined;
  const script = look(name);
  if (isAsked && script.kind === "file" && options.mayRun?.(name) === false) return NOT_ALLOWED;
  return runFound(options, script, name, "");
}

function runFound(
  { applicationRoot }: PhpRouteOptions,
  found: Found,
  scriptName: string,
  pathInfo: string,
): PhpDecision | undefined {
  switch (found.kind) {
    case "file":
      if (found.isOutside) return OUTSIDE;
      return {
        kind: "run",
        script: {
          scriptName,
          pathInfo,
          scriptFilename: applicationRoot === undefined ? found.path : applicationRoot + scriptName,
        },
      };
    case "forbidden":
      return { kind: "refused", status: 403, code: found.code };
    default:
      return undefined;
  }
}
