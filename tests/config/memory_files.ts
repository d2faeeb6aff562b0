/** Files of a few paths, for tests: a text is a file, `null` is a directory. */
import { MemoryFiles } from "../support/memory/memory.ts";

/** Text by absolute path. */
export type Tree = Readonly<Record<string, string | null>>;

export function memoryFiles(tree: Tree): MemoryFiles {
  const files = new MemoryFiles();
  layOut(files, tree);
  return files;
}

export function layOut(files: MemoryFiles, tree: Tree): void {
  for (const [path, text] of Object.entries(tree)) {
    // A directory is there as soon as something lies in it.
    if (text === null) files.write(`${path}/.keep`, "");
    else files.write(path, text);
  }
}
