/** A file system of a few paths, for tests: a folder has no text, a file has one. */
import type { Files } from "../../src/runtime/runtime.ts";

/** Text by absolute path; `null` stands for a folder. */
export type Tree = Readonly<Record<string, string | null>>;

export function memoryFiles(tree: Tree): Files {
  const unused = () => Promise.reject(new Error("Not there in this test"));
  return {
    stat(path) {
      const text = tree[path];
      if (text === undefined) return undefined;
      return text === null
        ? { kind: "directory", size: 0, modifiedMs: 0 }
        : { kind: "file", size: text.length, modifiedMs: 0 };
    },
    realPath: (path) => path in tree ? path : undefined,
    readText: (path) => {
      const text = tree[path];
      return typeof text === "string"
        ? Promise.resolve(text)
        : Promise.reject(new Error("no such file"));
    },
    body: unused,
    temporary: unused,
    appendStream: unused,
  };
}
