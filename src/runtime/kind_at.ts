/** What is at a path, for checks at the start: that nobody can tell is an error of its own. */
import { FileError } from "./file_error.ts";
import type { FileInfo } from "./file_info.ts";
import type { Files } from "./files.ts";

/** Undefined: nothing. An error says in full what is wrong. */
export function kindAt(
  files: Pick<Files, "stat">,
  path: string,
): FileInfo["kind"] | FileError | undefined {
  try {
    return files.stat(path)?.kind;
  } catch (error) {
    if (error instanceof FileError) return error;
    throw error;
  }
}

/** What `missing` says, unless nobody can tell what is there. */
export function describeUnusable(kind: ReturnType<typeof kindAt>, missing: string): string {
  return kind instanceof FileError ? kind.message : missing;
}
