/**
 * The root of a `php` route, and what is compiled for it. A root that is a symlink and is followed
 * for each request (`resolve_root`) is compiled anew when it leads elsewhere, which is once for
 * each deployment: from then on every path that the application sees is one of the new directory,
 * and a cache of compiled scripts cannot hold an old one for a new one. What went out before stays
 * with the old directory.
 */
import type { Files } from "../runtime/files.ts";
import type { FileTree } from "../static/below_root.ts";
import type { FastCgiRoute } from "./fastcgi_exchange.ts";
import type { PhpHandlerOptions } from "./options.ts";
import { compileAttempts, scriptEndings } from "./php_attempts.ts";
import type { AttemptWatch, PhpRouteOptions } from "./php_route.ts";
import { compileScriptRule } from "./script_rules.ts";

export interface PhpRoot {
  readonly root: string;
  readonly route: FastCgiRoute;
  readonly look: PhpRouteOptions;
}

export interface PhpRootDeps {
  readonly files: Files;
  /** The path without symlinks as it is now, not as it was a moment ago. */
  readonly followSymlinks: (path: string) => string | undefined;
  /** `root` is the one that the application sees. */
  readonly compileRoute: (root: string) => FastCgiRoute;
  readonly onAttempt: AttemptWatch | undefined;
}

/** What to use for the request that is there now. */
export function compilePhpRoots(
  options: PhpHandlerOptions,
  { root: siteRoot, symlinkTargets }: Pick<FileTree, "root" | "symlinkTargets">,
  { files, followSymlinks, compileRoute, onAttempt }: PhpRootDeps,
): () => PhpRoot {
  const { index, strip, applicationRoot } = options;
  const rules = {
    files,
    symlinkTargets,
    index,
    strip,
    applicationRoot,
    attempts: compileAttempts(options),
    mayRun: compileScriptRule(options),
    endings: scriptEndings(options.splitPath),
    onAttempt,
  };
  const compile = (root: string): PhpRoot => ({
    root,
    route: compileRoute(applicationRoot ?? root),
    look: { ...rules, root },
  });
  let known = compile(siteRoot);
  if (options.resolveRoot !== true) return () => known;
  return () => {
    const root = followSymlinks(siteRoot) ?? siteRoot;
    if (root !== known.root) known = compile(root);
    return known;
  };
}
