/**
 * Why php-fpm did not run a script, as far as it can be seen from here: php-fpm says only "File not
 * found." or "Access denied.". Its user is not known here, so what is closed to every user but some
 * is named as the likely reason, not as the certain one.
 */
import { FileError } from "../runtime/file_error.ts";
import type { FileAccess, Files } from "../runtime/files.ts";
import { isFpmBody } from "./fpm_words.ts";

const OTHERS_READ = 0o004;
const OTHERS_ENTER = 0o001;

/** Extensions that a pool runs by default (`security.limit_extensions`). */
const DEFAULT_EXTENSION = /\.(?:php|phar)$/;

/** What this file asks of the runtime's files. */
export type ScriptLookup = Pick<Files, "stat" | "access">;

/** Whether a response is php-fpm's own, to a script that it did not run. */
export function isScriptError(status: number, body: unknown): boolean {
  if (status !== 404 && status !== 403) return false;
  return body instanceof Uint8Array && isFpmBody(new TextDecoder().decode(body));
}

/**
 * Why, for the log; `scriptFilename` is what was sent as SCRIPT_FILENAME, `pathTranslated` what the
 * site sends as PATH_TRANSLATED, if it does.
 */
export function scriptError(
  files: ScriptLookup,
  scriptFilename: string | undefined,
  pathTranslated?: string,
): string {
  if (scriptFilename === undefined) {
    return "php-fpm was sent no SCRIPT_FILENAME (add root to the site, or the parameter)";
  }
  const sent = `php-fpm did not run SCRIPT_FILENAME "${scriptFilename}"`;
  if (pathTranslated !== undefined && pathTranslated !== scriptFilename) {
    return `${sent}: it was sent PATH_TRANSLATED "${pathTranslated}" as well, which PHP runs ` +
      "instead where cgi.fix_pathinfo is 0 (take PATH_TRANSLATED out of the route's params)";
  }
  if (!scriptFilename.startsWith("/")) return `${sent}: it is no absolute path`;
  try {
    return seenError(files, scriptFilename, sent);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return `${sent}: it cannot be looked at here (${error.message})`;
  }
}

function seenError(files: ScriptLookup, scriptFilename: string, sent: string): string {
  for (const path of pathsTo(scriptFilename)) {
    const info = files.stat(path);
    if (info === undefined) {
      const what = path === scriptFilename ? "it does" : `"${path}" does`;
      return `${sent}: ${what} not exist here either (send the path of a script that is there)`;
    }
    const isScript = path === scriptFilename;
    if (isScript && info.kind !== "file") return `${sent}: it is no file`;
    const access = files.access(path);
    const needed = isScript ? OTHERS_READ : OTHERS_ENTER;
    if (access === undefined || (access.mode & needed) === needed) continue;
    const verb = isScript ? "read" : "enter";
    const name = isScript ? "it" : `"${path}"`;
    return `${sent}: it exists here, but only some users may ${verb} ${name} ` +
      `(${describe(access)}); the pool's user must be one of them`;
  }
  if (!DEFAULT_EXTENSION.test(scriptFilename)) {
    return `${sent}: it exists here, but a pool runs only what security.limit_extensions names ` +
      "(.php and .phar by default)";
  }
  return `${sent}: it exists here and every user may read it, so php-fpm sees other files ` +
    "(another container, a chroot): send the path as php-fpm has it";
}

/** The directories on the way, from the top, and then the file. */
function* pathsTo(path: string): Generator<string> {
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
    yield path.slice(0, end);
  }
  yield path;
}

function describe({ mode, owner, group }: FileAccess): string {
  return `mode ${mode.toString(8).padStart(4, "0")}, user ${owner}, group ${group}`;
}
