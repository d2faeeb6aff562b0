/**
 * A file of users as Apache and nginx read it: `name:hash` in each line, with comments behind `#`.
 * It is looked at again when it has changed, once a second at most. One that cannot be read lets
 * nobody in.
 */
import type { Clock } from "../runtime/clock.ts";
import type { FileInfo } from "../runtime/file_info.ts";
import { FileError } from "../runtime/file_error.ts";
import type { Files } from "../runtime/files.ts";
import { type BcryptCheck, type PasswordHash, readPasswordHash } from "./password_hash.ts";
import type { VerificationGate } from "./verification_gate.ts";

/** Longest file of users, in bytes. */
export const PASSWORD_FILE_LENGTH_MAX = 4 * 1024 * 1024;
/** How long the file is not looked at again, in milliseconds. */
export const LOOKED_AT_MS = 1000;
/** One that has changed since could change again and look the same: file systems count in ticks. */
const SETTLED_MS = 2000;

/** What stands in a file of users. */
export interface PasswordEntries {
  readonly hashes: ReadonlyMap<string, PasswordHash>;
  /** What is wrong, a line of text for each line of the file; those lines let nobody in. */
  readonly errors: readonly string[];
}

/** Of two lines with one name the first counts, as for nginx. */
export function readPasswordEntries(text: string, fast?: BcryptCheck): PasswordEntries {
  const hashes = new Map<string, PasswordHash>();
  const seen = new Set<string>();
  const errors: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [name = "", hash] = line.split(":");
    const where = `line ${index + 1}`;
    if (hash === undefined || name === "") {
      errors.push(`${where}: there is no name and hash (write NAME:HASH)`);
      continue;
    }
    const read = readPasswordHash(hash, fast);
    if (typeof read === "string") {
      errors.push(`${where}: cannot use the hash of "${name}": ${read}`);
    } else if (!seen.has(name)) hashes.set(name, read);
    seen.add(name);
  }
  return { hashes, errors };
}

/** Reads the whole file. @throws {FileError} where it cannot be read, or is too long */
export async function loadPasswordFile(
  files: Pick<Files, "stat" | "readText">,
  path: string,
  fast?: BcryptCheck,
): Promise<PasswordEntries> {
  const info = files.stat(path);
  if (info !== undefined && info.size > PASSWORD_FILE_LENGTH_MAX) {
    const cause = new Error(`it has ${info.size} bytes of ${PASSWORD_FILE_LENGTH_MAX} at most`);
    throw new FileError("read", path, "EFBIG", { cause });
  }
  return readPasswordEntries(await files.readText(path), fast);
}

/**
 * Whether the password is the user's. For a name that is not there another hash is asked, so that
 * the time tells nobody which names there are.
 *
 * @throws {TooManyChecksError}
 */
export async function admitsUser(
  hashes: ReadonlyMap<string, PasswordHash>,
  user: string,
  password: string,
  gate: VerificationGate,
): Promise<boolean> {
  const hash = hashes.get(user);
  const asked = hash ?? hashes.values().next().value;
  if (asked === undefined) return false;
  const isRight = await gate.check(user, password, asked);
  return isRight && hash !== undefined;
}

export class PasswordFile {
  readonly #path: string;
  readonly #files: Pick<Files, "stat" | "readText">;
  readonly #clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly #fast: BcryptCheck | undefined;
  #read: Promise<PasswordEntries> | undefined;
  #info: FileInfo | undefined;
  /** Whether it had been as it is for a while when it was read. */
  #isSettled = false;
  #lookAgainMs = 0;

  constructor(
    path: string,
    files: Pick<Files, "stat" | "readText">,
    clock: Pick<Clock, "nowMs" | "wallMs">,
    fast?: BcryptCheck,
  ) {
    this.#path = path;
    this.#files = files;
    this.#clock = clock;
    this.#fast = fast;
  }

  /**
   * As {@link admitsUser}, by what the file has now.
   *
   * @throws {FileError} where the file cannot be read
   * @throws {TooManyChecksError}
   */
  async admits(user: string, password: string, gate: VerificationGate): Promise<boolean> {
    const { hashes } = await this.#entries();
    return await admitsUser(hashes, user, password, gate);
  }

  #entries(): Promise<PasswordEntries> {
    const nowMs = this.#clock.nowMs();
    if (this.#read !== undefined && nowMs < this.#lookAgainMs) return this.#read;
    this.#lookAgainMs = nowMs + LOOKED_AT_MS;
    const info = this.#files.stat(this.#path);
    const isKnown = this.#read !== undefined && this.#isSettled;
    if (isKnown && info !== undefined && isSame(info, this.#info)) return this.#read!;
    this.#isSettled = info !== undefined && this.#clock.wallMs() - info.changedMs >= SETTLED_MS;
    this.#info = info;
    const read = loadPasswordFile(this.#files, this.#path, this.#fast);
    this.#read = read;
    // The next one tries again.
    read.catch(() => this.#read = this.#read === read ? undefined : this.#read);
    return read;
  }
}

function isSame(a: FileInfo, b: FileInfo | undefined): boolean {
  return b !== undefined && a.inode === b.inode && a.device === b.device && a.size === b.size &&
    a.changedMs === b.changedMs;
}
