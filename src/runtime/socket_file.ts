/**
 * Who may connect to a unix socket that we listen on: its file's owner, group and mode. The file is
 * never more open than asked, not even for a moment: it is made for us alone (bind obeys the umask),
 * then gets its owner and its group, and its mode last. Each change goes through a descriptor of that
 * very file (O_PATH), so a symlink or another file that somebody puts in its place is not touched.
 * Addresses without `file` are left to the umask.
 */
import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync } from "node:fs";
import process from "node:process";
import { findGroup, findUser } from "./accounts.ts";
import { type Address, formatAddress, type UnixAddress } from "./address.ts";
import { errorCode } from "./error_code.ts";
import { ListenError } from "./network.ts";
import { isAbstract, removeSocketFile } from "./unix_path.ts";

/** Linux: a descriptor of the file itself. Its `/proc` entry stands for the file, wherever it lies. */
const O_PATH = 0o10000000;

/** Nobody but its owner may connect. */
const UMASK = 0o177;

/** Unchanged, to chown. */
const SAME = -1;

/**
 * Listens by `bind`, which has to have bound the socket when it returns; a listener that says that it
 * is not `listening` has failed, and says why itself.
 *
 * @throws {ListenError} when the file cannot become what is asked: then it is closed by `close`
 */
export function bindSocket<Listener extends object>(
  address: Address,
  bind: () => Listener,
  close: (listener: Listener) => void,
): Listener {
  if (address.transport !== "unix" || address.file === undefined || isAbstract(address)) {
    return bind();
  }
  const ids = idsOf(address, address.file);
  const listener = withUmask(bind);
  if ("listening" in listener && listener.listening === false) return listener;
  try {
    setFile(address, address.file.mode, ids);
  } catch (error) {
    close(listener);
    removeSocketFile(address);
    throw error instanceof ListenError ? error : fail(address, reasonOf(error), error);
  }
  return listener;
}

function withUmask<Value>(bind: () => Value): Value {
  const before = process.umask(UMASK);
  try {
    return bind();
  } finally {
    process.umask(before);
  }
}

interface FileIds {
  readonly owner: number;
  readonly group: number;
}

function idsOf(address: UnixAddress, { owner, group }: NonNullable<UnixAddress["file"]>): FileIds {
  const user = owner === undefined ? undefined : findUser(owner);
  if (owner !== undefined && user === undefined) fail(address, `there is no user "${owner}"`);
  const groupId = group === undefined ? user?.group : findGroup(group);
  if (group !== undefined && groupId === undefined) fail(address, `there is no group "${group}"`);
  return { owner: user?.user ?? SAME, group: groupId ?? SAME };
}

function setFile(address: UnixAddress, mode: number, { owner, group }: FileIds): void {
  const descriptor = openSync(address.path, O_PATH | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(descriptor);
    if (!found.isSocket() || found.uid !== process.geteuid?.()) {
      fail(address, "somebody put another file in the socket's place");
    }
    const self = `/proc/self/fd/${descriptor}`;
    if (owner !== SAME || group !== SAME) {
      chownSync(self, owner === SAME ? found.uid : owner, group === SAME ? found.gid : group);
    }
    chmodSync(self, mode);
  } finally {
    closeSync(descriptor);
  }
}

function reasonOf(error: unknown): string {
  return errorCode(error) === "EPERM"
    ? "its file's group cannot be set (only root, or who is in the group, may)"
    : `its file's mode cannot be set: ${error instanceof Error ? error.message : String(error)}`;
}

function fail(address: UnixAddress, text: string, cause?: unknown): never {
  throw new ListenError(`Cannot listen on ${formatAddress(address)}: ${text}`, { cause });
}
