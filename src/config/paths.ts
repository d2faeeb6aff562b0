/**
 * Paths of the configuration: a relative one starts at the directory of the file that names it, so
 * the program's working directory does not matter; one from a flag starts at the working directory.
 */
import type { ServeAddress } from "../runtime/address.ts";

/** The path, made absolute and without `.` and `..`; symlinks are not looked at. */
export function resolvePath(directory: string, path: string): string {
  const whole = isAbsolute(path) ? path : `${directory}/${path}`;
  const [, drive = "", rest = ""] = /^([a-zA-Z]:)?(.*)$/s.exec(whole.replaceAll("\\", "/"))!;
  const segments: string[] = [];
  for (const segment of rest.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `${drive}/${segments.join("/")}`;
}

/** The directory that holds the file. */
export function directoryOf(absolutePath: string): string {
  return resolvePath(absolutePath, "..");
}

/** A unix socket's path, made absolute; other addresses, and abstract names, as they are. */
export function resolveAddress<Where extends ServeAddress>(
  directory: string,
  address: Where,
): Where {
  if (address.transport !== "unix" || address.path.startsWith("\0")) return address;
  return { ...address, path: resolvePath(directory, address.path) };
}

function isAbsolute(path: string): boolean {
  return /^([a-zA-Z]:)?[\\/]/.test(path);
}
