/**
 * The `php` handler: existing scripts below the root run, a directory runs its index script, and
 * what is no file at all goes to the front controller. A script that does not exist never reaches
 * the application, and a file that is no script is left to the next route.
 */
import { findScript, type ScriptEndings } from "../cgi/script_path.ts";
import type { Files } from "../runtime/runtime.ts";
import { type Found, resolveBelowRoot } from "../static/below_root.ts";
import type { AnswerCode } from "./front_request.ts";
import { type ScriptTarget, stripPath } from "./script_target.ts";
import type { ScriptRule } from "./script_rules.ts";
import type { RequestTarget } from "./target.ts";

export interface PhpRouteOptions {
  readonly files: Files;
  /** Absolute path. */
  readonly root: string;
  readonly index: readonly string[];
  readonly frontController: string | undefined;
  /** The beginning of the path that is no folder below the root. */
  readonly strip: string | undefined;
  readonly endings: ScriptEndings;
  /** Undefined: every script may run. */
  readonly mayRun: ScriptRule | undefined;
  /** The root as the application sees it; undefined: as we do. */
  readonly applicationRoot: string | undefined;
}

/** What is to be done with a request. */
export type PhpDecision =
  | { readonly kind: "run"; readonly script: ScriptTarget }
  /** Not ours: a file that is no script, or nothing at all. */
  | { readonly kind: "pass" }
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "refused"; readonly status: 403 | 404; readonly code: AnswerCode };

const PASS = { kind: "pass" } as const;
const NOT_ALLOWED = { kind: "refused", status: 403, code: "script_not_allowed" } as const;

/** Decides by the files that are there now. */
export function decidePhp(options: PhpRouteOptions, target: RequestTarget): PhpDecision {
  const path = options.strip === undefined ? target.path : stripPath(options.strip, target.path);
  const look = (path: string): Found => resolveBelowRoot(options.files, options.root, path);
  const script = findScript(path, look, options.endings);
  if (script !== undefined) {
    if (options.mayRun?.(script.script) === false) return NOT_ALLOWED;
    return runFound(options, script.found, script.script, script.pathInfo) ??
      { kind: "refused", status: 404, code: "no_such_script" };
  }
  const found = look(path);
  switch (found.kind) {
    case "forbidden":
      return { kind: "refused", status: 403, code: found.code };
    case "file":
      return PASS;
    case "directory":
      return runIndex(options, path, target, look) ?? runFrontController(options, look);
    case "missing":
      return runFrontController(options, look);
  }
}

function runIndex(
  options: PhpRouteOptions,
  path: string,
  target: RequestTarget,
  look: (path: string) => Found,
): PhpDecision | undefined {
  const folder = path.endsWith("/") ? path : `${path}/`;
  for (const name of options.index) {
    const found = look(folder + name);
    if (found.kind !== "file") continue;
    if (options.mayRun?.(folder + name) === false) return NOT_ALLOWED;
    // Without the slash, relative links of the page would lead astray.
    if (!target.path.endsWith("/")) return redirectToFolder(`${target.path}/`, target.query);
    return runFound(options, found, folder + name, "");
  }
  return undefined;
}

function redirectToFolder(folder: string, query: string): PhpDecision {
  const path = folder.split("/").map(encodeURIComponent).join("/");
  return { kind: "redirect", location: query === "" ? path : `${path}?${query}` };
}

function runFrontController(
  options: PhpRouteOptions,
  look: (path: string) => Found,
): PhpDecision {
  const { frontController } = options;
  if (frontController === undefined) return PASS;
  return runFound(options, look(frontController), frontController, "") ?? PASS;
}

function runFound(
  { applicationRoot }: PhpRouteOptions,
  found: Found,
  scriptName: string,
  pathInfo: string,
): PhpDecision | undefined {
  switch (found.kind) {
    case "file":
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
