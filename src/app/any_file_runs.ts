/**
 * `fastcgi` routes by which PHP may run more than scripts: every file of the root, whatever its name,
 * or one in the middle of a path. What afcgi can close it closes (`http/script_target.ts`); this
 * says what is left. That an application is PHP is a guess by names, so it is said and not refused.
 */
import type { RouteOptions, SiteOptions } from "../http/options.ts";
import { isByPath } from "../http/script_target.ts";

const REMEDY = "(use php in its place, or add split_path: [.php])";
const PHP_PATTERN = /\.ph\w+$/;

/** A line for each such route. */
export function anyFileRuns(sites: readonly SiteOptions[]): string[] {
  return sites.flatMap((site) =>
    site.routes.flatMap((route, index) => {
      const what = reasonOf(route, site);
      const where = site.hosts.length === 0 ? "" : ` of ${site.hosts[0]}`;
      return what === undefined ? [] : [`Route ${index + 1}${where}, fastcgi, ${what} ${REMEDY}`];
    })
  );
}

function reasonOf({ handler, path, internal }: RouteOptions, { root }: SiteOptions) {
  if (handler.kind !== "fastcgi" || internal) return undefined;
  const { isPhp, splitPath, scriptName, params } = handler;
  const scriptFilename = params["SCRIPT_FILENAME"];
  if (splitPath !== undefined || scriptName !== "" || !isByPath(scriptFilename)) return undefined;
  const namesPhp = path !== undefined && PHP_PATTERN.test(path);
  if (!isPhp && !namesPhp) return undefined;
  // Without either PHP is sent no script.
  if (root === undefined && scriptFilename === undefined) return undefined;
  if (!namesPhp && !isOneFile(path)) {
    return "lets PHP run every file that a path names, uploads among them";
  }
  return root === undefined
    ? "has no root to look into, so PHP may run a file in the middle of a path"
    : undefined;
}

/** A path without a star, that is no directory's. */
function isOneFile(path: string | undefined): boolean {
  return path !== undefined && !/^~|\*|\/$/.test(path);
}
