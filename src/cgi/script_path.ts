/**
 * Which part of a path names a PHP script, and which part is for the script to read. A script's
 * name ends with ".php" (or what else the route says) at a "/" or at the end of the path, in that
 * case; the first such prefix that is a file is the script. Here the gateway decides it by looking
 * at files, so nothing is left for PHP to guess (`cgi.fix_pathinfo`, CVE-2019-11043), and
 * `/upload/image.jpg/x.php` cannot run an image.
 *
 * The files are looked at by who calls; this file knows none.
 */

/** What the name of a script ends with, and whether in upper case as well. */
export interface ScriptEndings {
  /** In lower case. */
  readonly texts: readonly string[];
  /**
   * For who cannot look at the files: an application that finds "X.PHP" would run it. Case is that
   * of ASCII alone: no letter that Unicode holds for a variant of another (U+017F, U+212A) counts.
   */
  readonly anyCase: boolean;
  /** Whether only the whole path is a script's name, so that nothing is split off. */
  readonly whole?: boolean;
}

export const PHP_ENDINGS: readonly string[] = [".php"];

const PHP: ScriptEndings = { texts: PHP_ENDINGS, anyCase: false };

const SLASH = 0x2f;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const CASE_BIT = 0x20;

/** A path cut behind a script's name. */
export interface ScriptPath {
  /** SCRIPT_NAME. */
  readonly script: string;
  /** PATH_INFO; empty, or begins with "/". */
  readonly pathInfo: string;
}

/** The cut behind the first script's name that ends after `from`; undefined when none does. */
export function cutScriptPath(path: string, from = 0, endings = PHP): ScriptPath | undefined {
  for (let end = endings.whole ? path.length : from + 1; end <= path.length; end++) {
    if (end < path.length && path.charCodeAt(end) !== SLASH) continue;
    if (!endings.texts.some((text) => endsWith(path, end, from, text, endings.anyCase))) continue;
    return { script: path.slice(0, end), pathInfo: path.slice(end) };
  }
  return undefined;
}

/** Whether the ending, in lower case, stands before `end`, and not before `start`. */
function endsWith(
  path: string,
  end: number,
  start: number,
  ending: string,
  anyCase: boolean,
): boolean {
  const offset = end - ending.length;
  if (offset < start) return false;
  if (!anyCase) return path.startsWith(ending, offset);
  for (let index = 0; index < ending.length; index++) {
    if (lowerCase(path.charCodeAt(offset + index)) !== ending.charCodeAt(index)) return false;
  }
  return true;
}

function lowerCase(code: number): number {
  return code >= UPPER_A && code <= UPPER_Z ? code | CASE_BIT : code;
}

/**
 * The cut behind the first script's name that is no directory, with what `look` found there, be it
 * a file or nothing; undefined when the path names no script. Looks on only below directories, so a
 * path of many ".php" costs one look.
 */
export function findScript<Found extends { readonly kind: string }>(
  path: string,
  look: (script: string) => Found,
  endings = PHP,
): (ScriptPath & { readonly found: Found }) | undefined {
  for (let cut = cutScriptPath(path, 0, endings); cut !== undefined;) {
    const found = look(cut.script);
    if (found.kind !== "directory") return { ...cut, found };
    cut = cutScriptPath(path, cut.script.length, endings);
  }
  return undefined;
}

/** Whether a file of this name would run, or be shown as source, on a PHP server; in any case. */
export function isScriptName(path: string): boolean {
  return /\.(?:php[0-9]?|phps|phtml|pht|phar)$/i.test(path);
}
