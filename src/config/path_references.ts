/** Paths of the configuration that lead somewhere: files and directories that must be there. */
import type { Files } from "../runtime/files.ts";
import { describeUnusable, kindAt } from "../runtime/kind_at.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Tell } from "./located_error.ts";
import { resolvePath } from "./paths.ts";

export interface PathContext {
  readonly files: Files;
  /** Where relative paths start. */
  readonly directory: string;
}

/** `remedy` is for a file that is not there. */
export function requireFile(
  node: ConfigNode | undefined,
  remedy: string,
  { files, directory }: PathContext,
  tell: Tell,
): void {
  if (!node?.text) return;
  const path = resolvePath(directory, node.text);
  const kind = kindAt(files, path);
  if (kind === "file") return;
  tell(node.place, describeUnusable(kind, `There is no file "${path}" (${remedy})`));
}

/** What is wrong with the path of a directory; undefined where there is one. */
export function directoryError(
  path: string,
  files: Files,
  remedy = "create it, or name another",
): string | undefined {
  const kind = kindAt(files, path);
  if (kind === "directory") return undefined;
  if (kind === undefined) return `There is no directory "${path}" (${remedy})`;
  return describeUnusable(kind, `"${path}" is not a directory (name its directory)`);
}
