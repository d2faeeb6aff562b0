/**
 * Which part of a path names a PHP script, and which part is for the script to read. A script's
 * name ends with ".php" at a "/" or at the end of the path, in lower case; the first such prefix
 * that is a file is the script. Here the front end decides it by looking at files, so nothing is
 * left for PHP to guess (`cgi.fix_pathinfo`, CVE-2019-11043), and `/upload/image.jpg/x.php` cannot
 * run an image.
 *
 * The files are looked at by who calls; this file knows none.
 */

const EXTENSION = ".php";

/** A path cut behind a script's name. */
export interface ScriptPath {
  /** SCRIPT_NAME; ends with ".php". */
  readonly script: string;
  /** PATH_INFO; empty, or begins with "/". */
  readonly pathInfo: string;
}

/** The cut behind the first script's name that ends after `from`; undefined when none does. */
export function cutScriptPath(path: string, from = 0): ScriptPath | undefined {
  for (let offset = path.indexOf(EXTENSION, from); offset >= 0;) {
    const end = offset + EXTENSION.length;
    if (end === path.length || path[end] === "/") {
      return { script: path.slice(0, end), pathInfo: path.slice(end) };
    }
    offset = path.indexOf(EXTENSION, end);
  }
  return undefined;
}

/**
 * The cut behind the first script's name that is no directory, with what `look` found there, be it
 * a file or nothing; undefined when the path names no script. Looks on only below directories, so a
 * path of many ".php" costs one look.
 */
export function findScript<Found extends { readonly kind: string }>(
  path: string,
  look: (script: string) => Found,
): (ScriptPath & { readonly found: Found }) | undefined {
  for (let cut = cutScriptPath(path); cut !== undefined;) {
    const found = look(cut.script);
    if (found.kind !== "directory") return { ...cut, found };
    cut = cutScriptPath(path, cut.script.length);
  }
  return undefined;
}

/** Whether a file of this name would run, or be shown as source, on a PHP server; in any case. */
export function isScriptName(path: string): boolean {
  return /\.(?:php[0-9]?|phps|phtml|pht|phar)$/i.test(path);
}
