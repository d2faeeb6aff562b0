/**
 * A file that only we may read, written once: whoever finds it finds all of it. It is written under
 * another name first, because a link is made whole or not at all.
 */
import { linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "./failures.ts";

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** False when there is a file already; makes the directory. */
export function createPrivateFile(path: string, text: string): boolean {
  mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  const draft = `${path}.${crypto.randomUUID()}`;
  writeFileSync(draft, text, { mode: FILE_MODE, flag: "wx" });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
