/**
 * Files by way of `node:fs`, which both runtimes have. What is missing is undefined; all else that
 * goes wrong is thrown, with the system's code.
 */
import { Buffer } from "node:buffer";
import {
  accessSync,
  constants,
  opendir,
  readFile,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { errorCode } from "./error_code.ts";
import { FileError, unlessMissing } from "./file_error.ts";
import { openLog } from "./log_file.ts";
import { openFileCopy } from "./node_file_copy.ts";
import { infoOf, openFollowed, openRegular } from "./node_open_file.ts";
import { createPrivateFile } from "./node_private_file.ts";
import { openTemporaryFile } from "./node_temporary_file.ts";
import { systemPath, textOfSystemPath } from "./system_path.ts";
import type { FileInfo } from "./file_info.ts";
import type { DirectoryNames, FileAccess, Files } from "./files.ts";

/** Permissions, without the bits that say what kind of file it is. */
const MODE_BITS = 0o7777;

/** Fewest bytes that are asked for at once. */
const PIECE_LENGTH_MIN = 4096;

/** Descriptors that who started us has handed over, such as those of a shell's `<(...)`. */
const OWN_DESCRIPTOR = /^\/(?:dev\/(?:stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/;

const openDirectory = promisify(opendir);
const readHandedOver = promisify(readFile);

/** What the runtimes do each in its own way. */
export interface NodeFilesDeps {
  /** A faster way to ask what lies at a path and to open it, given that of `node:fs`. */
  readonly fast?: (slow: Pick<Files, "stat" | "openNow">) => Pick<Files, "stat" | "openNow">;
}

export function createNodeFiles(deps: NodeFilesDeps = {}): Files {
  const slow = { stat, openNow: openRegular };
  return {
    ...(deps.fast?.(slow) ?? slow),
    access,
    realPath,
    readText,
    createText: async (path, text) => createPrivateFile(path, text),
    list,
    temporary: async () => openTemporaryFile(),
    createCopy: openFileCopy,
    whyNotAppend,
    appendStream: async (path) => openLog(path),
  };
}

/** Without making it. */
function whyNotAppend(path: string): string | undefined {
  try {
    const found = statsOf(path);
    if (found?.isDirectory()) return "it is a directory (name a file in it)";
    const directory = dirname(path);
    if (found === undefined && !statsOf(directory)?.isDirectory()) {
      return `there is no directory "${directory}" (create it)`;
    }
    accessSync(found === undefined ? directory : path, constants.W_OK);
    return undefined;
  } catch (error) {
    return `${error instanceof Error ? error.message : error} (let afcgi write there)`;
  }
}

function statsOf(path: string): Stats | undefined {
  const name = systemPath(path);
  if (name === undefined) return undefined;
  try {
    return statSync(name, { throwIfNoEntry: false });
  } catch (error) {
    return unlessMissing("look at", path, error);
  }
}

function access(path: string): FileAccess | undefined {
  const found = process.platform === "win32" ? undefined : statsOf(path);
  return found && { mode: found.mode & MODE_BITS, owner: found.uid, group: found.gid };
}

function stat(path: string): FileInfo | undefined {
  const stats = statsOf(path);
  return stats && infoOf(stats);
}

function realPath(path: string): string | undefined {
  const name = systemPath(path);
  if (name === undefined) return undefined;
  try {
    return typeof name === "string"
      ? realpathSync.native(name)
      : textOfSystemPath(realpathSync.native(name, "buffer"));
  } catch (error) {
    return unlessMissing("look at", path, error);
  }
}

/** At once: what is read so is small, and a thread would wait at a FIFO for ever. */
async function readText(path: string): Promise<string> {
  if (OWN_DESCRIPTOR.test(path)) return await readHandedOver(path, "utf8");
  const file = openFollowed(path);
  if (file === undefined) throw new FileError("read", path, "ENOENT");
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const piece = new Uint8Array(Math.max(PIECE_LENGTH_MIN, file.info.size + 1 - length));
      const count = file.read(piece, length);
      if (count === 0) break;
      pieces.push(piece.subarray(0, count));
      length += count;
    }
  } catch (error) {
    throw new FileError("read", path, errorCode(error), { cause: error });
  } finally {
    file.close();
  }
  return new TextDecoder().decode(Buffer.concat(pieces));
}

async function list(path: string, namesMax: number): Promise<DirectoryNames> {
  try {
    return await readDirectory(path, namesMax);
  } catch (error) {
    throw new FileError("list", path, errorCode(error), { cause: error });
  }
}

async function readDirectory(path: string, namesMax: number): Promise<DirectoryNames> {
  const directory = await openDirectory(path);
  const names: string[] = [];
  try {
    for (;;) {
      const entry = await directory.read();
      if (entry === null) return { names, hasMore: false };
      if (names.length === namesMax) return { names, hasMore: true };
      names.push(entry.name);
    }
  } finally {
    await directory.close();
  }
}
