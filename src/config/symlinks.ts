/**
 * `follow_symlinks_to` of what is served, over HTTP or Gemini: its schema, its option, and what is
 * said of directories that are not there.
 */
import type { ConfigNode } from "./config_node.ts";
import type { Tell } from "./located_error.ts";
import { directoryError, type PathContext } from "./path_references.ts";
import { resolvePath } from "./paths.ts";
import { filePath, list, optional } from "./schema_parts.ts";

export const symlinkEntries = {
  follow_symlinks_to: optional(
    list(filePath(), "use a list of directories, such as [storage/app/public]"),
    "Directories outside the root to which symlinks may lead; default: none",
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

/** A directory that is not there would be noticed by nobody but those who follow a symlink to it. */
export function checkSymlinks(
  site: ConfigNode,
  { files, directory, hasRoot }: PathContext & { readonly hasRoot: boolean },
  tell: Tell,
): void {
  const entry = site.entries.get("follow_symlinks_to");
  if (entry === undefined) return;
  if (!hasRoot) {
    const what = "Key follow_symlinks_to has no root for symlinks to lead out of";
    tell(entry.keyPlace, `${what} (add root)`);
  }
  for (const { text, place } of entry.node.items) {
    if (!text) continue;
    const error = directoryError(resolvePath(directory, text), files);
    if (error !== undefined) tell(place, error);
  }
}
