/**
 * A file that is being written below a directory under a name that others find only once it is whole.
 * The way to it is made of directories that are there or are made: no symlink on it is followed, so a
 * name leads nowhere else, whoever may write in between.
 */

export interface FileCopy {
  /** All of the pieces, one behind the other; rejects with the system's reason. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Gives the file its name: who opens that finds all of the old file or all of the new one. */
  commit(): Promise<void>;
  /** Leaves nothing behind. Does nothing once it was committed. */
  discard(): void;
}

/** Names in a row from the directory to the file, none of them empty, ".", ".." or hidden. */
export type CopyName = readonly string[];

/** Most bytes of one name in a path; Linux, macOS and Windows take as many. */
const NAME_LENGTH_MAX = 255;

/** Undefined where a file must not, or cannot, have this path: decoded, and beginning with "/". */
export function copyNameOf(path: string): CopyName | undefined {
  const names = path.split("/").slice(1);
  const encoder = new TextEncoder();
  const isGood = names.every((name) =>
    name !== "" && !name.startsWith(".") && !/[\p{Cc}\\:]/u.test(name) &&
    encoder.encode(name).length <= NAME_LENGTH_MAX
  );
  return isGood ? names : undefined;
}
