/**
 * Opens what was found below a root. Between the look and the opening anybody who may write there can
 * put a symlink or a FIFO in the file's place, or in that of a directory on the way. So the open
 * file itself is asked what it is and where it lies, and what is no longer what was found is looked
 * for anew.
 *
 * Linux tells where an open file lies (`/proc/self/fd`). Where nothing tells, the way is followed
 * once more and has to lead to the same file: who swaps symlinks fast enough, twice, gets past
 * that.
 */
import { FileError } from "../runtime/file_error.ts";
import type { Files } from "../runtime/files.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import {
  type FileLookup,
  type FileTree,
  type Found,
  type FoundFile,
  isBelowRoot,
  resolveBelowRoot,
  withoutMemory,
} from "./below_root.ts";

/** How often a file may turn out to be another before that is an error. */
export const OPEN_TRIES_MAX = 4;

export interface OpenableTree extends FileTree {
  readonly files: FileLookup & Pick<Files, "openNow">;
}

/** A file that is open, with what the open file says of itself. */
export interface OpenedFile {
  readonly kind: "opened";
  readonly found: FoundFile;
  readonly file: OpenFile;
}

/** What lies there instead, once it is looked at anew; a file that may not be read. */
export type NotOpened = Exclude<Found, FoundFile> | { readonly kind: "unreadable" };

/**
 * Opens the file; whoever gets it closes it.
 *
 * @throws {FileError} where nobody can tell whether it is there
 */
export function openFound(tree: OpenableTree, first: FoundFile): OpenedFile | NotOpened {
  let found = first;
  for (let tries = 1; tries <= OPEN_TRIES_MAX; tries++) {
    const file = open(tree, found);
    if (file === "unreadable") return { kind: "unreadable" };
    const opened = file && checkOrClose(tree, found, file, tries > 1);
    if (opened !== undefined) return opened;
    file?.close();
    const again = lookAnew(tree, found.path);
    if (again.kind !== "file") return again;
    found = again;
  }
  throw new FileError("open", first.path, "ESTALE");
}

function open(
  { files }: OpenableTree,
  { realPath }: FoundFile,
): OpenFile | "unreadable" | undefined {
  try {
    return files.openNow(realPath);
  } catch (error) {
    if (error instanceof FileError && error.isDenied) return "unreadable";
    throw error;
  }
}

/** As {@link check}; what cannot be looked at is left to nobody. @throws {FileError} */
function checkOrClose(...asked: Parameters<typeof check>): OpenedFile | undefined {
  try {
    return check(...asked);
  } catch (error) {
    asked[2].close();
    throw error;
  }
}

/** Undefined where it is not what was found. */
function check(
  tree: OpenableTree,
  found: FoundFile,
  file: OpenFile,
  isAnew: boolean,
): OpenedFile | undefined {
  const { path, info } = file;
  if (path === found.realPath) return { kind: "opened", found: { ...found, info }, file };
  if (path === undefined) {
    return leadsTo(tree, found, file)
      ? { kind: "opened", found: { ...found, info }, file }
      : undefined;
  }
  // Found a moment ago and still called otherwise: a file system that does not care for case.
  if (!isAnew || !isBelowRoot(tree, path)) return undefined;
  return { kind: "opened", found: { ...found, realPath: path, info }, file };
}

function leadsTo(tree: OpenableTree, { path, realPath }: FoundFile, file: OpenFile): boolean {
  const again = lookAnew(tree, path);
  return again.kind === "file" && again.realPath === realPath &&
    again.info.inode === file.info.inode && again.info.device === file.info.device;
}

function lookAnew(tree: OpenableTree, path: string): Found {
  const root = tree.root.endsWith("/") ? tree.root.slice(0, -1) : tree.root;
  return resolveBelowRoot({ ...tree, files: withoutMemory(tree.files) }, path.slice(root.length));
}
