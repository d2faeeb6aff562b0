/**
 * A private directory by way of `node:fs`. Trust comes from the top: every directory on the way to it
 * belongs to root or to us and can be changed by nobody else, so no name in it can be exchanged
 * between a look and an open. It is checked all the same that no file in it is a symlink, and that
 * each is ours; one that others may read is closed to them.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { errorCode } from "./error_code.ts";
import { isForeign } from "./foreign_owner.ts";
import {
  PRESENT_OWNER,
  PRIVATE_FILE_LENGTH_MAX,
  type PrivateDirectory,
  PrivateDirectoryError,
  type PrivateDirectoryOptions,
  privateNameParts,
  type PrivateOwner,
} from "./private_directory.ts";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** A file in the making has this in its name; one that is older was left behind by a crash. */
const DRAFT = ".new.";
const DRAFT_AGE_MS = 3_600_000;

const syncFile = promisify(fsync);

/** Makes it where there is none. @throws {PrivateDirectoryError} */
export function openPrivateDirectory(
  path: string,
  { owner, directories = [] }: PrivateDirectoryOptions = {},
): PrivateDirectory {
  return guarded("open", path, () => {
    const isRoot = process.getuid?.() === 0;
    const owned = !isRoot ? undefined : owner === PRESENT_OWNER ? presentOwner(path) : owner;
    const real = makeDirectories(resolve(path), owned);
    requireSafeWay(real, owned);
    if (owned !== undefined) handOver(real, owned, directories);
    return new NodePrivateDirectory(real, owned);
  });
}

/** What root has made for himself, and another is to use. Nobody else can change it meanwhile. */
function handOver(path: string, owner: PrivateOwner, directories: readonly string[]): void {
  const names = readdirSync(path);
  if (lstatSync(path).uid !== 0 || names.some((name) => !directories.includes(name))) return;
  for (const name of names) {
    const directory = join(path, name);
    if (!lstatSync(directory).isDirectory()) continue;
    for (const file of readdirSync(directory)) {
      lchownSync(join(directory, file), owner.user, owner.group);
    }
    lchownSync(directory, owner.user, owner.group);
  }
  lchownSync(path, owner.user, owner.group);
}

function presentOwner(path: string): PrivateOwner | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { user: found.uid, group: found.gid };
}

class NodePrivateDirectory implements PrivateDirectory {
  readonly path: string;
  readonly #owner: PrivateOwner | undefined;
  #draftCount = 0;

  constructor(path: string, owner: PrivateOwner | undefined) {
    this.path = path;
    this.#owner = owner;
  }

  read(name: string): string | undefined {
    const path = this.#pathOf(name);
    return guarded("read", path, () => readOurs(path, this.#owner));
  }

  async write(name: string, text: string, isDurable = true): Promise<void> {
    const path = this.#pathOf(name, true);
    const draft = this.#draftOf(path);
    await guardedAsync("write", path, async () => {
      const descriptor = this.#writeDraft(draft, text);
      try {
        if (isDurable) await syncFile(descriptor);
      } finally {
        closeSync(descriptor);
      }
      try {
        renameSync(draft, path);
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      }
      if (isDurable) await syncDirectory(dirname(path));
    });
  }

  create(name: string, text: string): boolean {
    const path = this.#pathOf(name, true);
    const draft = this.#draftOf(path);
    return guarded("write", path, () => {
      closeSync(this.#writeDraft(draft, text));
      try {
        linkSync(draft, path);
        return true;
      } catch (error) {
        if (errorCode(error) === "EEXIST") return false;
        throw error;
      } finally {
        rmSync(draft, { force: true });
      }
    });
  }

  remove(name: string): void {
    const path = this.#pathOf(name);
    guarded("remove", path, () => rmSync(path, { force: true }));
  }

  list(directory: string): readonly string[] {
    const path = this.#pathOf(directory);
    return guarded("list", path, () => {
      const names = lstatSync(path, { throwIfNoEntry: false }) ? readdirSync(path) : [];
      for (const name of names.filter((one) => one.includes(DRAFT))) removeOld(join(path, name));
      return names.filter((one) => !one.includes(DRAFT));
    });
  }

  #pathOf(name: string, isMade = false): string {
    const parts = privateNameParts(name);
    if (parts.length === 2) {
      const directory = join(this.path, parts[0]!);
      guarded("open", directory, () => this.#requireDirectory(directory, isMade));
    }
    return join(this.path, ...parts);
  }

  /** One of ours below the top; made, where it is to be and is not. */
  #requireDirectory(path: string, isMade: boolean): void {
    let found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined && !isMade) return;
    if (found === undefined) {
      makeDirectory(path, this.#owner);
      found = lstatSync(path);
    }
    if (!found.isDirectory()) throw refusal(path, "it is no directory");
    requireOurs(path, found, this.#owner);
    if ((found.mode & OTHERS) !== 0) chmodSync(path, DIRECTORY_MODE);
  }

  #draftOf(path: string): string {
    return `${path}${DRAFT}${process.pid}.${++this.#draftCount}.${crypto.randomUUID()}`;
  }

  /** The open file, which nobody can find under its name yet. */
  #writeDraft(path: string, text: string): number {
    const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
    try {
      const bytes = new TextEncoder().encode(text);
      for (let offset = 0; offset < bytes.length;) {
        offset += writeSync(descriptor, bytes, offset);
      }
      if (this.#owner) fchownSync(descriptor, this.#owner.user, this.#owner.group);
      return descriptor;
    } catch (error) {
      closeSync(descriptor);
      rmSync(path, { force: true });
      throw error;
    }
  }
}

function readOurs(path: string, owner: PrivateOwner | undefined): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    if (errorCode(error) === "ELOOP") throw refusal(path, "it is a symlink");
    throw error;
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw refusal(path, "it is no file");
    requireOurs(path, stats, owner);
    if ((stats.mode & OTHERS) !== 0) fchmodSync(descriptor, FILE_MODE);
    const bytes = new Uint8Array(stats.size + 1);
    if (bytes.length > PRIVATE_FILE_LENGTH_MAX) throw refusal(path, "it is too large");
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.length; length += count) {
      count = readSync(descriptor, bytes, length, bytes.length - length, null);
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    closeSync(descriptor);
  }
}

/** Makes what is missing of a path; the path without symlinks. */
function makeDirectories(path: string, owner: PrivateOwner | undefined): string {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    makeDirectories(dirname(path), undefined);
    makeDirectory(path, owner);
  }
  return realpathSync(path);
}

function makeDirectory(path: string, owner: PrivateOwner | undefined): void {
  try {
    mkdirSync(path, { mode: DIRECTORY_MODE });
  } catch (error) {
    // Another process was faster.
    if (errorCode(error) !== "EEXIST") throw error;
  }
  if (owner) chownSync(path, owner.user, owner.group);
}

/** Nobody else may change the directory, nor exchange one on the way to it. */
function requireSafeWay(path: string, owner: PrivateOwner | undefined): void {
  const found = lstatSync(path);
  if (!found.isDirectory()) throw refusal(path, "it is no directory");
  requireOurs(path, found, owner);
  for (let one = path; one !== dirname(one);) {
    one = dirname(one);
    const stats = lstatSync(one);
    // In a directory like /tmp nobody renames what is ours.
    const isSticky = (stats.mode & STICKY) !== 0 && isOurs(stats, owner, true);
    if (!isSticky) requireOurs(one, stats, owner, true);
  }
}

function requireOurs(
  path: string,
  stats: Stats,
  owner: PrivateOwner | undefined,
  mayBeRoots = false,
): void {
  if (!isOurs(stats, owner, mayBeRoots)) {
    throw refusal(path, `it belongs to another user (${stats.uid})`);
  }
  if ((stats.mode & OTHERS_WRITE) !== 0) {
    throw refusal(path, "other users may change it (chmod go-w)");
  }
}

function isOurs({ uid }: Stats, owner: PrivateOwner | undefined, mayBeRoots: boolean): boolean {
  const own = process.getuid?.();
  return own === undefined || uid === own || uid === owner?.user ||
    (mayBeRoots && (uid === 0 || isForeign(uid)));
}

function removeOld(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats && Date.now() - stats.mtimeMs > DRAFT_AGE_MS) rmSync(path, { force: true });
}

async function syncDirectory(path: string): Promise<void> {
  const descriptor = openSync(path, O_RDONLY);
  try {
    await syncFile(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function refusal(path: string, why: string): PrivateDirectoryError {
  return new PrivateDirectoryError(`Cannot trust "${path}": ${why}`);
}

function guarded<T>(doing: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw failure(doing, path, cause);
  }
}

async function guardedAsync<T>(doing: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw failure(doing, path, cause);
  }
}

function failure(doing: string, path: string, cause: unknown): PrivateDirectoryError {
  if (cause instanceof PrivateDirectoryError) return cause;
  const code = errorCode(cause);
  const text = code === "EACCES" || code === "EPERM"
    ? "permission denied"
    : code === "ENOTDIR" || code === "EEXIST"
    ? "a part of the path is no directory"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new PrivateDirectoryError(`Cannot ${doing} "${path}": ${text}`, { cause });
}
