/**
 * What a decoded path names below a root. Two things are certain of what this file finds: no
 * segment of the path is hidden (begins with "."; `/.well-known/` at the top is not, RFC 8615), so
 * none is ".." either; and with every symlink followed, in the path and in the directories, it lay
 * below the root or below a directory to which symlinks may lead, when it was looked at. A tree
 * that others may change in between is not made safe.
 *
 * Symlinks are followed even to hidden names: Kubernetes mounts files as symlinks to `..data/`.
 * This file does not know HTTP and refuses nothing: it says what is there.
 */
import type { FileInfo } from "../runtime/file_info.ts";
import type { Files } from "../runtime/files.ts";

/** Where a path leads, and what is there. */
export interface LocatedFile {
  /** Without symlinks. */
  readonly realPath: string;
  readonly info: FileInfo;
}

/** What this file wants of the runtime's files. */
export interface FileLookup extends Pick<Files, "stat" | "realPath"> {
  /** Both at once, where the way is remembered; left out: it never is. */
  readonly locate?: (path: string) => LocatedFile | undefined;
  /** As `realPath` where that may tell what was true a moment ago; left out: it never does. */
  readonly followAnew?: Files["realPath"];
}

export interface FileTree {
  readonly files: FileLookup;
  /** Absolute path. */
  readonly root: string;
  /** Absolute paths of directories to which symlinks may lead out of the root; left out: none. */
  readonly symlinkTargets?: readonly string[] | undefined;
}

interface FoundEntry {
  /** Root and path joined, as an application would name it; without a trailing slash. */
  readonly path: string;
  /** The same without symlinks: what to open. */
  readonly realPath: string;
  /** Whether it lies below one of `symlinkTargets` and not below the root. */
  readonly isOutside: boolean;
  readonly info: FileInfo;
}

export interface FoundFile extends FoundEntry {
  readonly kind: "file";
}

export interface FoundDirectory extends FoundEntry {
  readonly kind: "directory";
}

/** Something may be there, but is never shown. */
export interface ForbiddenEntry {
  readonly kind: "forbidden";
  readonly code: "hidden_file" | "outside_root";
}

export type Found = FoundFile | FoundDirectory | ForbiddenEntry | { readonly kind: "missing" };

const MISSING = { kind: "missing" } as const;

/**
 * Finds what `path` names below `root`. `path` is decoded and begins with "/"; a trailing slash
 * names a directory only. A root that does not exist holds nothing.
 *
 * @throws {FileError} where nobody can tell whether there is something
 */
export function resolveBelowRoot({ files, root, symlinkTargets }: FileTree, path: string): Found {
  if (!path.startsWith("/") || path.includes("\0")) return MISSING;
  if (isHidden(path)) return { kind: "forbidden", code: "hidden_file" };
  const wantsDirectory = path.endsWith("/");
  const joined = withoutTrailingSlash(root) + withoutTrailingSlash(path) || "/";
  const located = files.locate?.(joined);
  if (located === undefined && files.locate !== undefined) return MISSING;
  const realPath = located === undefined ? files.realPath(joined) : located.realPath;
  if (realPath === undefined) return MISSING;
  const windows = !realPath.startsWith("/");
  if (windows && isWindowsAlias(path)) return MISSING;
  let isOutside = false;
  // Without a symlink anywhere on the way, the root's own path has none: no need to look at it.
  if (realPath !== joined) {
    const realRoot = files.realPath(root);
    if (realRoot === undefined) return MISSING;
    const separator = windows ? "\\" : "/";
    isOutside = !isWithin(realRoot, realPath, separator);
    if (isOutside && !isWithinAny(files, symlinkTargets, realPath, separator)) {
      if (files.followAnew === undefined) return { kind: "forbidden", code: "outside_root" };
      // The root was a symlink that leads elsewhere by now, and only one of the two is from before.
      return resolveBelowRoot({ files: withoutMemory(files), root, symlinkTargets }, path);
    }
  }
  const info = located === undefined ? files.stat(realPath) : located.info;
  if (info === undefined || info.kind === "other") return MISSING;
  if (wantsDirectory && info.kind === "file") return MISSING;
  return { kind: info.kind, path: joined, realPath, isOutside, info };
}

/** Whether a segment begins with "."; `/.well-known/` at the top does not count. */
export function isHidden(path: string): boolean {
  let offset = path.indexOf("/.");
  if (offset === 0 && path.startsWith("/.well-known/")) offset = path.indexOf("/.", 1);
  return offset >= 0;
}

/**
 * Names by which Windows opens a file of another name: a backslash separates, a colon names a
 * stream of the file (`index.php::$DATA`), a tilde and a digit stand for a short name (`GIT~1`),
 * dots and spaces at a segment's end do not count.
 */
function isWindowsAlias(path: string): boolean {
  return /[\\:]|~\d|[. ](?:\/|$)/.test(path);
}

/** Whether a path without symlinks lies below the root, or where symlinks may lead. */
export function isBelowRoot({ files, root, symlinkTargets }: FileTree, realPath: string): boolean {
  const separator = realPath.startsWith("/") ? "/" : "\\";
  return isWithin(files.realPath(root), realPath, separator) ||
    isWithinAny(files, symlinkTargets, realPath, separator);
}

/** The same files, with every way followed anew. */
export function withoutMemory(files: FileLookup): FileLookup {
  if (files.followAnew === undefined) return files;
  return { stat: (path) => files.stat(path), realPath: (path) => files.followAnew?.(path) };
}

function isWithinAny(
  files: FileLookup,
  directories: readonly string[] | undefined,
  realPath: string,
  separator: string,
): boolean {
  return directories?.some((directory) =>
    isWithin(files.realPath(directory), realPath, separator)
  ) ?? false;
}

/** A directory that is not there holds nothing. */
function isWithin(realDirectory: string | undefined, realPath: string, separator: string): boolean {
  if (realDirectory === undefined) return false;
  if (realPath === realDirectory) return true;
  return realPath.startsWith(
    realDirectory.endsWith(separator) ? realDirectory : realDirectory + separator,
  );
}

function withoutTrailingSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}
