/**
 * A {@link FileCopy} by way of `node:fs`. Where the system shows open directories as paths
 * (`/proc/self/fd`), each step goes by the open directory, as `openat` does: whoever exchanges a
 * directory on the way meanwhile changes nothing. Elsewhere each is looked at before it is used.
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import { errorCode } from "./error_code.ts";
import type { CopyName, FileCopy } from "./file_copy.ts";
import { FileError } from "./file_error.ts";
import { GuardedDescriptor } from "./guarded_descriptor.ts";
import { withoutFirst } from "./written_pieces.ts";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_DIRECTORY = 0 } = constants;
const DIRECTORY = O_RDONLY | O_DIRECTORY;
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

/** Hidden, so no file server gives it away; with who writes it, for whoever finds one left behind. */
const DRAFT = ".afcgi-new.";

const READ_BITS = 0o444;
const WRITING_MODE = 0o600;
const OWNER_ALL = 0o700;

/** Most pieces of one write: IOV_MAX of Linux and macOS. */
const PIECES_MAX = 1024;

const syncFile = promisify(fsync);

/**
 * `directory` is there, and may be reached by symlinks. `mode` is that of the file; directories that
 * are made may be entered by those who may read it.
 *
 * @throws {FileError}
 */
export function openFileCopy(directory: string, name: CopyName, mode: number): FileCopy {
  const path = `${directory}/${name.join("/")}`;
  try {
    const parent = openParent(directory, name.slice(0, -1), mode);
    try {
      return new NodeFileCopy(parent, name.at(-1)!, mode);
    } catch (error) {
      parent.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError("write", path, errorCode(error), { cause: error });
  }
}

/** An open directory, and a path by which things in it are named. */
interface OpenDirectory {
  readonly path: string;
  close(): void;
}

function openParent(directory: string, names: readonly string[], mode: number): OpenDirectory {
  let at = openDirectory(realpathSync(directory));
  for (const name of names) {
    const path = `${at.path}/${name}`;
    try {
      makeDirectory(path, mode);
      const next = openDirectory(path);
      at.close();
      at = next;
    } catch (error) {
      at.close();
      throw error;
    }
  }
  return at;
}

function makeDirectory(path: string, mode: number): void {
  const enters = OWNER_ALL | ((mode & READ_BITS) >> 2) | (mode & READ_BITS);
  try {
    mkdirSync(path, { mode: enters });
  } catch (error) {
    // It is there, or something else is, which opening will say.
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

function openDirectory(path: string): OpenDirectory {
  if (!hasOpenPaths()) {
    if (!lstatSync(path).isDirectory()) throw new FileError("write below", path, "ENOTDIR");
    return { path, close() {} };
  }
  const descriptor = openSync(path, DIRECTORY | O_NOFOLLOW);
  return { path: `/proc/self/fd/${descriptor}`, close: () => closeSync(descriptor) };
}

/** Whether the system shows what is open. */
function hasOpenPaths(): boolean {
  return process.platform === "linux" && existsSync("/proc/self/fd");
}

class NodeFileCopy implements FileCopy {
  readonly #parent: OpenDirectory;
  readonly #path: string;
  readonly #draft: string;
  readonly #descriptor: number;
  readonly #file: GuardedDescriptor;
  #end = 0;
  #isOpen = true;

  constructor(parent: OpenDirectory, name: string, mode: number) {
    this.#parent = parent;
    this.#path = `${parent.path}/${name}`;
    this.#draft = `${parent.path}/${DRAFT}${process.pid}.${crypto.randomUUID()}`;
    this.#descriptor = openSync(this.#draft, NEW_FILE, WRITING_MODE);
    try {
      // Whatever the umask is.
      fchmodSync(this.#descriptor, mode);
      this.#file = new GuardedDescriptor(this.#descriptor);
    } catch (error) {
      closeSync(this.#descriptor);
      rmSync(this.#draft, { force: true });
      throw error;
    }
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    let left = pieces;
    while (left.length > 0) {
      const written = await this.#file.write(left.slice(0, PIECES_MAX), this.#end);
      this.#end += written;
      left = withoutFirst(left, written);
    }
  }

  async commit(): Promise<void> {
    if (!this.#isOpen) return;
    try {
      // A crash must not leave the name with nothing behind it.
      await syncFile(this.#descriptor);
      if (!this.#isOpen) return;
      renameSync(this.#draft, this.#path);
      this.#close();
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  discard(): void {
    if (!this.#isOpen) return;
    try {
      rmSync(this.#draft, { force: true });
    } finally {
      this.#close();
    }
  }

  #close(): void {
    this.#isOpen = false;
    this.#file.close();
    this.#parent.close();
  }
}
