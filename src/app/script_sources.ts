/**
 * Scripts below a site's root that a `static` route would send as they are, source and all, beside a
 * `fastcgi` route that is there to run them: a route that stands before it, or methods that it does not
 * take. Which files are scripts is a guess by their names, so this is said and not refused.
 */
import { isScriptName } from "../cgi/script_path.ts";
import type { SiteOptions } from "../http/options.ts";
import { sourceNames } from "../http/passing.ts";
import { SiteRouter } from "../http/site_router.ts";
import { FileError } from "../runtime/file_error.ts";
import type { Files } from "../runtime/files.ts";
import { resolveBelowRoot } from "../static/below_root.ts";

/** Most names that are looked at of a site, and most directories one in the other. */
export const SCRIPT_NAMES_MAX = 5000;
export const SCRIPT_DEPTH_MAX = 6;

/** Most scripts that are told of a site; one shows what is meant. */
const TOLD_MAX = 3;

/** What CGI programs are called; one of these names runs where its file may be executed. */
const PROGRAM_NAME = /\.(?:f?cgi|pl|py|rb|lua|tcl|sh)$/i;
const EXECUTE_BITS = 0o111;

/** A line for each script that a client can read; at most three. */
export async function sentSources(site: SiteOptions, files: Files): Promise<string[]> {
  const { routes } = site;
  if (!routes.some(({ handler }) => handler.kind === "fastcgi")) return [];
  const places = placesOf(site);
  if (places.length === 0) return [];
  const sends = senderOf(site);
  const notes: string[] = [];
  try {
    for (const place of places) {
      for await (const path of scriptsBelow(place.root, site, files)) {
        const index = sends(place, path);
        if (index === undefined) continue;
        notes.push(
          `Route ${index + 1}, static, sends the source of "${place.root}${path}" ` +
            "(put the fastcgi route that runs it before, or move it out of the root)",
        );
        if (notes.length === TOLD_MAX) return notes;
      }
    }
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    notes.push(error.message);
  }
  return notes;
}

/** A directory whose files are below a path. */
interface Place {
  readonly root: string;
  readonly prefix: string;
}

/** Where static routes of the site look, each once. */
function placesOf({ root: siteRoot, routes }: SiteOptions): Place[] {
  const places = new Map<string, Place>();
  for (const { handler, root = siteRoot, stripPrefix: prefix = "" } of routes) {
    if (handler.kind !== "static" || root === undefined) continue;
    places.set(JSON.stringify([root, prefix]), { root, prefix });
  }
  return [...places.values()];
}

/**
 * Which static route a GET of a file would be served by; undefined: none. What else a route asks
 * of a request, a client can say.
 */
function senderOf({ root: siteRoot, routes }: SiteOptions) {
  const router = new SiteRouter<unknown>(
    routes.map((route) => ({ ...route, conditions: undefined })),
  );
  const never = sourceNames(routes);
  return ({ root: asked, prefix }: Place, file: string): number | undefined => {
    const path = prefix + file;
    for (let index = router.nextOf("GET", path, -1); index >= 0;) {
      const { handler, internal, root = siteRoot } = routes[index]!;
      if (internal) return undefined;
      if (handler.kind === "static" && root === asked && !never(path)) return index;
      // Those leave to the next one what they do not run or send.
      if (handler.kind !== "static" && handler.kind !== "php" && handler.kind !== "filter") {
        return undefined;
      }
      index = router.nextOf("GET", path, index);
    }
    return undefined;
  };
}

async function* scriptsBelow(
  root: string,
  { symlinkTargets }: SiteOptions,
  files: Files,
): AsyncGenerator<string> {
  const directories = [{ path: "/", depth: 1 }];
  let left = SCRIPT_NAMES_MAX;
  for (
    let directory = directories.shift();
    directory !== undefined && left > 0;
    directory = directories.shift()
  ) {
    const { names } = await listed(files, root + directory.path, left);
    left -= names.length;
    for (const name of names.toSorted()) {
      const path = directory.path + name;
      const found = resolveBelowRoot({ files, root, symlinkTargets }, path);
      if (found.kind === "directory" && directory.depth < SCRIPT_DEPTH_MAX) {
        directories.push({ path: `${path}/`, depth: directory.depth + 1 });
      } else if (found.kind === "file" && isScript(files, path, found.realPath)) yield path;
    }
  }
}

async function listed(files: Files, path: string, namesMax: number) {
  try {
    return await files.list(path, namesMax);
  } catch (error) {
    // What we may not read is sent to nobody.
    if (error instanceof FileError && error.isDenied) return { names: [] };
    throw error;
  }
}

function isScript(files: Files, path: string, realPath: string): boolean {
  if (isScriptName(path)) return true;
  return PROGRAM_NAME.test(path) && ((files.access(realPath)?.mode ?? 0) & EXECUTE_BITS) !== 0;
}
