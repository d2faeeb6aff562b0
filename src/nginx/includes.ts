/**
 * Puts the files that `include` names in its place, as nginx does: relative to the directory of the
 * file that was named first (else to /etc/nginx, for one out of `sites-available/`), with `*` and
 * `?` in the last part of the path. A file that is not there
 * is not fatal: the caller tells of it, and nginx's own lists of parameters are known anyway.
 */
import { type ConfigFiles, directoryOf, matchingFiles } from "../import/config_files.ts";
import { NginxSyntaxError } from "./lexer.ts";
import { type Directive, parseNginx } from "./parser.ts";

/** Where nginx is installed, for a file that stands elsewhere. */
const NGINX_HOME = "/etc/nginx/";

const FILES_MAX = 200;
const DEPTH_MAX = 8;

/**
 * The directives of a file with everything that it includes. Those of a missing file stay as
 * `include` directives.
 *
 * @throws {NginxSyntaxError}
 */
export async function readNginx(
  path: string,
  source: string,
  files: ConfigFiles,
): Promise<readonly Directive[]> {
  const home = directoryOf(path);
  let count = 0;

  async function expand(directives: readonly Directive[], depth: number): Promise<Directive[]> {
    const expanded: Directive[] = [];
    for (const directive of directives) {
      if (directive.block !== undefined) {
        expanded.push({ ...directive, block: await expand(directive.block, depth) });
      } else if (directive.name === "include" && directive.args.length === 1) {
        expanded.push(...await included(directive, depth));
      } else expanded.push(directive);
    }
    return expanded;
  }

  async function included(directive: Directive, depth: number): Promise<Directive[]> {
    const wanted = directive.args[0]!;
    const place = `${directive.file}:${directive.line}`;
    if (depth === DEPTH_MAX) {
      throw new NginxSyntaxError(`${place}: Files include each other more than ${DEPTH_MAX} deep`);
    }
    const expanded: Directive[] = [];
    for (const name of await named(wanted, home, files)) {
      const text = await files.read(name);
      if (text === undefined) return [directive];
      if (++count > FILES_MAX) {
        throw new NginxSyntaxError(`${place}: More than ${FILES_MAX} files are included`);
      }
      const shown = name.startsWith(home) ? name.slice(home.length) : name;
      expanded.push(...await expand(parseNginx(text, shown), depth + 1));
    }
    return expanded;
  }

  return await expand(parseNginx(source, path.slice(home.length)), 0);
}

async function named(wanted: string, home: string, files: ConfigFiles): Promise<string[]> {
  const joined = wanted.startsWith("/") ? wanted : home + wanted;
  if (/[*?]/.test(wanted)) return await matchingFiles(joined, files);
  if (wanted.startsWith("/") || await files.read(joined) !== undefined) return [joined];
  return [NGINX_HOME + wanted];
}
