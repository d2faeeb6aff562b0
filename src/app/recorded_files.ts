/** Files that note every look at them: what was asked, and what was found. */
import type { FileInfo } from "../runtime/file_info.ts";
import type { Files } from "../runtime/files.ts";

export interface FileLook {
  readonly path: string;
  readonly found: string;
}

/** Hands every call on to `files`; `onLook` hears of look-ups in their order. */
export function recordLooks(files: Files, onLook: (look: FileLook) => void): Files {
  const stat = (path: string): FileInfo | undefined => {
    const info = files.stat(path);
    onLook({ path, found: info === undefined ? "nothing" : describe(info) });
    return info;
  };
  const realPath = (path: string): string | undefined => {
    const real = files.realPath(path);
    // Where it leads to itself, the look at what it is follows.
    if (real !== path) {
      onLook({ path, found: real === undefined ? "nothing" : `a symlink: ${real}` });
    }
    return real;
  };
  return new Proxy(files, {
    get(target, name) {
      if (name === "stat") return stat;
      if (name === "realPath") return realPath;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function describe(info: FileInfo): string {
  if (info.kind === "directory") return "a directory";
  return info.kind === "file" ? `a file of ${info.size} bytes` : "neither file nor directory";
}
