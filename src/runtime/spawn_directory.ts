/**
 * The directory of a spawned application: sockets, and files that are written for it. What we write
 * lies in a directory of our own, which nobody else may change, under names that did not exist
 * before and are never followed (CVE-2016-1247 is what becomes of root who writes where www-data
 * may). Where workers of another user make their sockets themselves they have a directory in it
 * that holds nothing else.
 *
 * Whether a directory that was left behind is still somebody's is asked of a socket in it, which
 * holds also where its owner lives among other process numbers (a container that shares `/tmp`).
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { errorCode } from "./failures.ts";
import { isForeign } from "./foreign_owner.ts";
import { netModule } from "./lazy_modules.ts";
import { type SpawnDirectory, SpawnError, type UserIds } from "./spawner.ts";

/** Answers while the directory's owner lives. */
const ALIVE_NAME = "alive";
/** Where another user's workers make their sockets. */
const OWNER_NAME = "sockets";

/** Nobody else makes directories of this name: an empty one may be removed. */
const PREFIX = "afcgi-spawn-";
const FILE_MODE = 0o600;
const FILE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL |
  constants.O_NOFOLLOW;
/** Others may pass through to a socket whose name they know, and see no names. */
const PASSABLE_MODE = 0o711;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** A directory without its socket may just be in the making. */
const EMPTY_AGE_MS = 60_000;
/** Most directories that are removed at once. */
const SWEPT_MAX = 256;

export function directoryPattern(): string {
  return join(tmpdir(), `${PREFIX}*`);
}

/** @throws {SpawnError} where others could change what we write */
export function createSpawnDirectory(owner: UserIds | undefined): SpawnDirectory {
  requireSafeParent(tmpdir());
  const base = mkdtempSync(join(tmpdir(), PREFIX));
  const { ino } = lstatSync(base);
  const path = owner === undefined ? base : join(base, OWNER_NAME);
  if (owner !== undefined) {
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, owner.user, owner.group);
    chmodSync(base, PASSABLE_MODE);
  }
  const alive = netModule().createServer((socket) => socket.destroy());
  alive.on("error", () => {});
  alive.listen(join(base, ALIVE_NAME)).unref();
  const isOurs = () => lstatSync(base, { throwIfNoEntry: false })?.ino === ino;
  const isThere = (file: string) => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  return {
    path,
    isIntact: () => isOurs() && isThere(path) && isThere(join(base, ALIVE_NAME)),
    holds: isThere,
    write(name, text) {
      const file = join(base, name);
      const descriptor = openSync(file, FILE_FLAGS, FILE_MODE);
      try {
        writeFileSync(descriptor, text);
      } finally {
        closeSync(descriptor);
      }
      return file;
    },
    forget: (name) => rmSync(join(base, name), { force: true }),
    admit(user) {
      chmodSync(base, PASSABLE_MODE);
      return { user: user.user, group: user.group };
    },
    remove() {
      alive.close();
      if (isOurs()) removeDirectory(base);
    },
  };
}

/** Removes directories that dead processes of our user have left, as far as it can. */
export async function removeLeftSpawnDirectories(nowMs: number): Promise<void> {
  const parent = tmpdir();
  let names: readonly string[];
  try {
    names = readdirSync(parent).filter((name) => name.startsWith(PREFIX)).slice(0, SWEPT_MAX);
  } catch {
    return;
  }
  for (const name of names) {
    const path = join(parent, name);
    try {
      if (await isLeftBehind(path, nowMs)) removeDirectory(path);
    } catch {
      // Somebody else removes it at this moment, or it is not ours to remove.
    }
  }
}

async function isLeftBehind(path: string, nowMs: number): Promise<boolean> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory() || found.uid !== process.getuid?.()) return false;
  if ((found.mode & OTHERS_WRITE) !== 0) return false;
  const alive = join(path, ALIVE_NAME);
  if (lstatSync(alive, { throwIfNoEntry: false })?.isSocket()) return await isRefused(alive);
  return readdirSync(path).length === 0 && nowMs - found.mtimeMs > EMPTY_AGE_MS;
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netModule().connect(path);
    const done = (isRefused: boolean) => {
      socket.destroy();
      resolve(isRefused);
    };
    socket.on("connect", () => done(false));
    socket.on("error", (error) => done(errorCode(error) === "ECONNREFUSED"));
  });
}

/**
 * Nobody else may change the directory itself. In the one that another user's sockets lie in that
 * user may put what he likes, and exchange it at any moment: no name in it is followed or gone
 * into.
 */
function removeDirectory(base: string): void {
  const sockets = join(base, OWNER_NAME);
  const found = lstatSync(sockets, { throwIfNoEntry: false });
  if (found?.isDirectory() && found.uid !== process.getuid?.()) {
    for (const name of readdirSync(sockets)) removeEntry(join(sockets, name));
    rmdirSync(sockets);
  }
  rmSync(base, { recursive: true, force: true });
}

function removeEntry(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    try {
      rmdirSync(path);
    } catch {
      // A directory with something in it; then the one around it stays as well.
    }
  }
}

/** Every directory on the way belongs to root or to us, or its sticky bit keeps others off. */
function requireSafeParent(parent: string): void {
  const own = process.getuid?.();
  for (let path = realpathSync(parent);; path = dirname(path)) {
    const { uid, mode } = lstatSync(path);
    const isTrusted = uid === 0 || uid === own || isForeign(uid);
    if (!isTrusted || ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0)) {
      throw new SpawnError(
        `Cannot keep files below "${parent}": other users may change "${path}" ` +
          "(set TMPDIR to a directory of your own, or set the sticky bit of that one)",
      );
    }
    if (path === dirname(path)) return;
  }
}
