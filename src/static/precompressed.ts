/**
 * Files that were compressed beforehand and lie beside their original: `app.js.br`, `app.js.zst`,
 * `app.js.gz`. One that is older than its original is of an earlier version, so it is passed over.
 * A sibling obeys the same rules as any file: not hidden, no symlink to where none may lead.
 */
import { type Encoding, preferredEncoding } from "../compression/accept_encoding.ts";
import { type FileTree, type FoundFile, resolveBelowRoot } from "./below_root.ts";

const EXTENSIONS: Readonly<Record<Encoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

const SECOND_MS = 1000;

/** What to send in a file's place. */
export interface ChosenFile {
  readonly found: FoundFile;
  readonly encoding: Encoding | undefined;
  /** Whether another Accept-Encoding would get other bytes. */
  readonly varies: boolean;
}

/** The sibling that the client prefers, of codings that `offered` names, or the file itself. */
export function chooseSibling(
  tree: FileTree,
  original: FoundFile,
  offered: readonly Encoding[],
  accept: string | null,
): ChosenFile {
  const siblings = new Map<Encoding, FoundFile>();
  for (const encoding of offered) {
    const path = original.path.slice(tree.root.length) + EXTENSIONS[encoding];
    const found = resolveBelowRoot(tree, path);
    if (found.kind === "file" && !isOlder(found, original)) siblings.set(encoding, found);
  }
  const encoding = preferredEncoding(accept, [...siblings.keys()]);
  const found = encoding === undefined ? original : siblings.get(encoding)!;
  return { found, encoding, varies: siblings.size > 0 };
}

/** In whole seconds: tools that keep a file's time keep no more of it. */
function isOlder(sibling: FoundFile, original: FoundFile): boolean {
  const seconds = ({ info }: FoundFile) => Math.floor(info.modifiedMs / SECOND_MS);
  return seconds(sibling) < seconds(original);
}
