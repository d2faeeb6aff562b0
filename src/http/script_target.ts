/**
 * Which script of an application a path asks for: SCRIPT_NAME, PATH_INFO, SCRIPT_FILENAME. No file is
 * looked at; where scripts are files that must exist, `php_route.ts` decides.
 */
import { cutScriptPath } from "../cgi/script_path.ts";
import { FileError } from "../runtime/file_error.ts";
import { kindAt } from "../runtime/kind_at.ts";
import type { Files } from "../runtime/files.ts";
import type { FastCgiHandlerOptions } from "./options.ts";
import { stripPath } from "./strip_path.ts";

/** Which script of the application is asked. */
export interface ScriptTarget {
  readonly scriptName: string;
  readonly pathInfo: string;
  readonly scriptFilename: string | undefined;
}

/**
 * The target of an application that is mounted at `scriptName`: SCRIPT_NAME and PATH_INFO together
 * are the path (RFC 3875 section 4.1.5), so for a path elsewhere SCRIPT_NAME is empty.
 */
export function scriptTarget(
  scriptName: string,
  root: string | undefined,
  path: string,
): ScriptTarget {
  const pathInfo = path.slice(scriptName.length);
  const isBelow = path.startsWith(scriptName) && (pathInfo === "" || pathInfo.startsWith("/"));
  // An application made of files (fcgiwrap) finds its own by this.
  const file = isBelow && scriptName !== "" ? scriptName : path;
  const scriptFilename = root === undefined ? undefined : root + file;
  return isBelow
    ? { scriptName, pathInfo, scriptFilename }
    : { scriptName: "", pathInfo: path, scriptFilename };
}

/** Of a route's path: `*.php`, `/cgi-bin/*.cgi`, `~ \.(php|phtml)$`. */
const SCRIPT_PATTERN = /\*[^/]*\.\w+$|^~.*\\\.[\w([]/s;

/**
 * Whether a route's paths are scripts' names for its application, so that what lies below a file is
 * none: by its options, by the ending that its path names, or because its application is PHP. One
 * that sends every path to one script asks for no other.
 */
export function asksForScripts(
  { splitPath, index, scriptName, params, isPhp }: Omit<FastCgiHandlerOptions, "upstream" | "kind">,
  pattern: string | undefined,
): boolean {
  if (splitPath !== undefined || index !== undefined) return true;
  if (scriptName !== "" || !isByPath(params["SCRIPT_FILENAME"])) return false;
  return isPhp === true || (pattern !== undefined && SCRIPT_PATTERN.test(pattern));
}

/** Whether the file of a script depends on the request; left out, it is the root and the path. */
export function isByPath(scriptFilename: string | null | undefined): boolean {
  return scriptFilename === undefined || scriptFilename?.includes("${") === true;
}

/** The target of each path of a route, as its options say. */
export function compileScriptTarget(
  options: Pick<FastCgiHandlerOptions, "scriptName" | "strip" | "splitPath" | "index">,
  root: string | undefined,
): (path: string) => ScriptTarget {
  const { scriptName, strip, splitPath, index } = options;
  const endings = splitPath && { texts: splitPath, anyCase: true };
  if (strip === undefined && splitPath === undefined && index === undefined) {
    return (path) => scriptTarget(scriptName, root, path);
  }
  return (path) => {
    const stripped = strip === undefined ? path : stripPath(strip, path);
    const cut = endings && cutScriptPath(stripped, 0, endings);
    if (cut !== undefined) {
      const { script, pathInfo } = cut;
      return { scriptName: script, pathInfo, scriptFilename: root && root + script };
    }
    if (index === undefined || !stripped.endsWith("/")) {
      return scriptTarget(scriptName, root, stripped);
    }
    const script = stripped + index;
    return { scriptName: script, pathInfo: "", scriptFilename: root && root + script };
  };
}

/**
 * Whether the script would lie below a file, as `/cat.gif/x.php` does: PHP goes back from a script
 * that is not there to the file before it, and runs that (`cgi.fix_pathinfo`, on by default). An
 * ordinary path costs one look, at the script's directory. A root that is not on this machine, or
 * that only the application may enter, hides its files, and then nothing is known.
 *
 * @throws {FileError} where the system cannot tell
 */
export function isBelowFile(files: Pick<Files, "stat">, root: string, script: string): boolean {
  for (let end = script.lastIndexOf("/"); end > 0; end = script.lastIndexOf("/", end - 1)) {
    const kind = kindAt(files, root + script.slice(0, end));
    if (kind instanceof FileError) {
      if (kind.isDenied) return false;
      throw kind;
    }
    if (kind !== undefined) return kind !== "directory";
  }
  return false;
}
