/**
 * Directories whose scripts a location has refused (`^/uploads/.*\.php$`). Their names are refused
 * by a route of their own; here is what leads to a script without its whole name: a directory's
 * index, and a script's name with a path behind it.
 */
import type { RouteValue } from "./script_routes.ts";

export class ClosedDirectories {
  /** Such as `/uploads`: `no_scripts` says them. */
  readonly #directories = new Set<string>();
  /** Such as `/wp-*`, which it cannot say. */
  readonly #beginnings = new Set<string>();

  /** The paths of a location that refuses. */
  note(paths: readonly (string | undefined)[]): void {
    for (const path of paths) {
      const [, beginning] = /^(\/.*)\*.*\.php$/.exec(path ?? "") ?? [];
      if (beginning === undefined) continue;
      if (/^(\/[^/]+)+\/$/.test(beginning)) this.#directories.add(beginning.slice(0, -1));
      else this.#beginnings.add(`${beginning}*`);
    }
  }

  /** Beginnings of directories below `prefix` that need routes without index. */
  below(prefix: string): readonly string[] {
    return [...this.#beginnings].filter((path) => path.startsWith(prefix) && path !== `${prefix}*`);
  }

  /** The route, with the directories in which it runs no script. */
  guard(route: RouteValue): RouteValue {
    const php = route["php"] as Readonly<Record<string, unknown>> | undefined;
    if (php === undefined) return route;
    const tries = php["try"] as readonly string[] | undefined;
    const isIndirect = tries?.includes("folder") ??
      (php["split_path"] === undefined || (php["index"] as readonly string[]).length > 0);
    // What the directory's own location runs as its index has been asked for.
    const directories = [...this.#directories].filter((directory) =>
      route["path"] !== `${directory}/*` && meets(route["path"], directory)
    );
    if (!isIndirect || directories.length === 0) return route;
    return { ...route, php: { ...php, no_scripts: directories } };
  }
}

function meets(path: unknown, directory: string): boolean {
  const prefix = String(path ?? "/").replace(/\*.*$/, "");
  return `${directory}/`.startsWith(prefix) || prefix.startsWith(`${directory}/`);
}
