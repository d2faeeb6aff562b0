/**
 * Where a program is. The operating system finds those on the PATH; this file finds PHP where a
 * distribution names it after its version (`php-fpm8.2`) and keeps it among the administrator's
 * programs, which are not on everybody's PATH.
 */
import { FileError } from "../runtime/file_error.ts";
import type { FileInfo } from "../runtime/file_info.ts";
import type { Files } from "../runtime/files.ts";
import { commandKind } from "./options.ts";

/** Directories that are looked through after those of PATH. */
const MORE_DIRECTORIES: readonly string[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
];

/** Most names that are read of a directory. */
const NAMES_MAX = 10_000;

/** The path of the program for PHP, and the name as it is for every other or one with a path. */
export async function findProgram(
  program: string,
  files: Files,
  path: string | undefined,
): Promise<string> {
  if (commandKind([program]) === "other" || program.includes("/")) return program;
  const directories = [
    ...new Set([...(path ?? "").split(":").filter(Boolean), ...MORE_DIRECTORIES]),
  ];
  const exact = directories.map((directory) => `${directory}/${program}`)
    .find((file) => kindAt(files, file) === "file");
  if (exact !== undefined) return exact;
  const found: { readonly path: string; readonly version: number }[] = [];
  for (const directory of directories) {
    if (kindAt(files, directory) !== "directory") continue;
    const { names } = await files.list(directory, NAMES_MAX);
    for (const name of names) {
      const version = name.startsWith(program) ? versionOf(name.slice(program.length)) : undefined;
      if (version !== undefined) found.push({ path: `${directory}/${name}`, version });
    }
  }
  return found.toSorted((a, b) => b.version - a.version)[0]?.path ?? program;
}

/** Whether it is found where it will be looked for. */
export async function isProgramThere(
  program: string,
  files: Files,
  path: string | undefined,
): Promise<boolean> {
  const found = await findProgram(program, files, path);
  if (found.includes("/")) return kindAt(files, found) === "file";
  // Without PATH the system has a list of its own.
  const directories = path === undefined ? MORE_DIRECTORIES : path.split(":").filter(Boolean);
  return directories.some((directory) => kindAt(files, `${directory}/${found}`) === "file");
}

/** A directory that we may not enter has no program for us. */
function kindAt(files: Files, path: string): FileInfo["kind"] | undefined {
  try {
    return files.stat(path)?.kind;
  } catch (error) {
    if (error instanceof FileError && error.isDenied) return undefined;
    throw error;
  }
}

/** `8.2` and `82` name the same version, each as one distribution writes it. */
function versionOf(text: string): number | undefined {
  const match = /^(\d)\.?(\d{1,2})$/.exec(text);
  return match === null ? undefined : Number(match[1]) * 100 + Number(match[2]);
}
