/**
 * The files that an importer reads beside the one that was named. The importers themselves touch
 * none: whoever calls them hands these in.
 */

/** How files are read. */
export interface ConfigFiles {
  /** Undefined when there is no such file. */
  read(path: string): Promise<string | undefined>;
  /** Names in a directory, none when there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
}

/** Up to the last "/". */
export function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** The files that a path with `*` and `?` in its last part stands for, sorted. */
export async function matchingFiles(pattern: string, files: ConfigFiles): Promise<string[]> {
  const directory = directoryOf(pattern);
  const literal = pattern.slice(directory.length).replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const name = new RegExp(`^${literal.replaceAll("*", ".*").replaceAll("?", ".")}$`);
  const names = await files.list(directory);
  return names.filter((it) => name.test(it)).sort().map((it) => directory + it);
}
