/**
 * The real files, with somebody who changes what lies at a path just before it is opened, or just
 * behind that: the moments between a look and its use, which a test cannot wait for.
 */
import type { Files } from "../../src/runtime/files.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { runtime } from "./gateway.ts";

export interface Swap {
  /** Called with the path that is about to be opened. */
  readonly before?: (path: string) => unknown;
  readonly behind?: (path: string) => unknown;
  /** As where no system tells where an open file lies. */
  readonly knowsNoPaths?: boolean;
}

export function swappedFiles({ before, behind, knowsNoPaths = false }: Swap): Files {
  const { files } = runtime;
  return {
    ...files,
    openNow: (path) => {
      before?.(path);
      const file = files.openNow(path);
      behind?.(path);
      return file && knowsNoPaths ? withoutPath(file) : file;
    },
  };
}

function withoutPath(file: OpenFile): OpenFile {
  return {
    descriptor: file.descriptor,
    info: file.info,
    path: undefined,
    read: (bytes, offset) => file.read(bytes, offset),
    stream: (pieces) => file.stream(pieces),
    close: () => file.close(),
  };
}
