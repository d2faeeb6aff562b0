/**
 * What a directory's listing shows: the entries that the same route would serve, no others, so
 * nothing hidden, no symlink to where none may lead, no script's source. Directories come first,
 * then by the column that the query asks for.
 */
import { FileError } from "../runtime/file_error.ts";
import type { Files } from "../runtime/files.ts";
import { type FileLookup, type FileTree, type Found, resolveBelowRoot } from "./below_root.ts";

/** Most entries of a listing; the page says that there are more. */
export const LISTED_ENTRIES_MAX = 1000;

export const LISTING_COLUMNS = ["name", "size", "modified"] as const;

export interface ListingOrder {
  readonly column: (typeof LISTING_COLUMNS)[number];
  readonly descending: boolean;
}

export interface ListedEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  /** Bytes of a file. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

export interface Listing {
  readonly entries: readonly ListedEntry[];
  /** Whether the directory has more names than were looked at. */
  readonly hasMore: boolean;
}

/** `sort=size&order=desc`; what is neither is by name. */
export function readListingOrder(query: string): ListingOrder {
  const asked = new URLSearchParams(query);
  const column = LISTING_COLUMNS.find((name) => name === asked.get("sort")) ?? "name";
  return { column, descending: asked.get("order") === "desc" };
}

export interface ListedTree extends FileTree {
  readonly files: FileLookup & Pick<Files, "list">;
  /** Tells files that are not served by their paths. */
  readonly never: (path: string) => boolean;
}

/**
 * The entries of the directory at `path`, which ends with "/", below the root.
 *
 * @throws {FileError} also where the directory is not there or may not be read
 */
export async function listDirectory(
  tree: ListedTree,
  path: string,
  order: ListingOrder,
): Promise<Listing> {
  const { files, root, never } = tree;
  const { names, hasMore } = await files.list(root + path, LISTED_ENTRIES_MAX);
  const entries: ListedEntry[] = [];
  for (const name of names) {
    const found = look(tree, path + name);
    if (found?.kind !== "file" && found?.kind !== "directory") continue;
    const isDirectory = found.kind === "directory";
    if (!isDirectory && (never(found.path) || never(found.realPath))) continue;
    const { size, modifiedMs } = found.info;
    entries.push({ name, isDirectory, size: isDirectory ? 0 : size, modifiedMs });
  }
  return { entries: entries.sort(comparison(order)), hasMore };
}

/** What may not even be looked at would not be served either. */
function look(tree: FileTree, path: string): Found | undefined {
  try {
    return resolveBelowRoot(tree, path);
  } catch (error) {
    if (error instanceof FileError && error.isDenied) return undefined;
    throw error;
  }
}

function comparison({ column, descending }: ListingOrder) {
  const direction = descending ? -1 : 1;
  return (a: ListedEntry, b: ListedEntry): number => {
    if (a.isDirectory !== b.isDirectory) return a.isDirectory ? -1 : 1;
    const byColumn = column === "size"
      ? a.size - b.size
      : column === "modified"
      ? a.modifiedMs - b.modifiedMs
      : compareNames(a.name, b.name);
    return byColumn === 0 ? compareNames(a.name, b.name) : direction * byColumn;
  };
}

/** By code units: the same everywhere, whatever the machine's language. No two are the same. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : 1;
}
