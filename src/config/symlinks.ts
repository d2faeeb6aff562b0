/**
 * `follow_symlinks_to` of what is served, over HTTP or Gemini: its schema, its option, and what is
 * said of directories that are not there.
 */
import * as v from "valibot";
import type { Files } from "../runtime/files.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Place } from "./located_error.ts";
import { describeUnusable, kindAt } from "../runtime/kind_at.ts";
import { resolvePath } from "./paths.ts";
import { described, filePath, list } from "./schema_parts.ts";

export const symlinkEntries = {
  follow_symlinks_to: v.optional(
    described(
      list(filePath(), "use a list of directories, such as [storage/app/public]"),
      "Directories outside the root to which symlinks may lead; default: none",
    ),
  ),
};

interface Entries {
  readonly follow_symlinks_to?: readonly string[] | undefined;
}

/** `directory` is where the file's relative paths start. */
export function symlinkTargetOptions(
  { follow_symlinks_to: targets }: Entries,
  directory: string,
): { readonly symlinkTargets?: readonly string[] } {
  return targets === undefined
    ? {}
    : { symlinkTargets: targets.map((target) => resolvePath(directory, target)) };
}

/**
 * A directory that is not there would be noticed by nobody but those who follow a symlink to it.
 */
export function checkSymlinks(
  site: ConfigNode,
  { files, directory, hasRoot }: {
    readonly files: Files;
    readonly directory: string;
    readonly hasRoot: boolean;
  },
  tell: (place: Place, message: string) => void,
): void {
  const entry = site.entries.get("follow_symlinks_to");
  if (entry === undefined) return;
  if (!hasRoot) {
    tell(
      entry.keyPlace,
      "Key follow_symlinks_to has no root for symlinks to lead out of (add root)",
    );
  }
  for (const { text, place } of entry.node.items) {
    if (!text) continue;
    const path = resolvePath(directory, text);
    const kind = kindAt(files, path);
    if (kind === undefined) {
      tell(place, `There is no directory "${path}" (create it, or name another)`);
    } else if (kind !== "directory") {
      tell(place, describeUnusable(kind, `"${path}" is not a directory (name its directory)`));
    }
  }
}
