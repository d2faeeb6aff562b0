/**
 * The directory in which certificates, keys, accounts of authorities and locks are kept. Several
 * processes may share it; who changes something that another may change holds its lock. It knows
 * files by name and no certificate.
 */
import type { Clock } from "../runtime/clock.ts";
import {
  type PrivateDirectory,
  PrivateDirectoryError,
  type PrivateDirectoryOptions,
} from "../runtime/private_directory.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { LOCK_DIRECTORY, type StoreLock, waitForLock } from "./store_lock.ts";

export const STORE_DIRECTORIES = [
  "accounts",
  "certificates",
  "challenges",
  "failures",
  "internal",
] as const;
export type StoreDirectory = (typeof STORE_DIRECTORIES)[number];

/** Most characters of a name that become a file's name as they are; behind them comes a hash. */
const NAME_LENGTH_MAX = 120;

export class CertificateStore {
  readonly #directory: PrivateDirectory;
  readonly #clock: Clock;

  /**
   * Opens it, and makes it where there is none. With `owner`, files are his where we are root.
   *
   * @throws {PrivateDirectoryError}
   */
  static open(
    path: string,
    runtime: Pick<Runtime, "openPrivateDirectory" | "clock">,
    owner?: PrivateDirectoryOptions["owner"],
  ): CertificateStore {
    const directories = [...STORE_DIRECTORIES, LOCK_DIRECTORY];
    const directory = runtime.openPrivateDirectory(path, { owner, directories });
    return new CertificateStore(directory, runtime.clock);
  }

  constructor(directory: PrivateDirectory, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  get path(): string {
    return this.#directory.path;
  }

  /** Undefined when there is none. @throws {PrivateDirectoryError} */
  read(directory: StoreDirectory, name: string): string | undefined {
    return this.#directory.read(`${directory}/${name}`);
  }

  /** Replaces it as a whole. @throws {PrivateDirectoryError} */
  async write(directory: StoreDirectory, name: string, text: string): Promise<void> {
    await this.#directory.write(`${directory}/${name}`, text);
  }

  /** False where there is one: that one stays. @throws {PrivateDirectoryError} */
  create(directory: StoreDirectory, name: string, text: string): boolean {
    return this.#directory.create(`${directory}/${name}`, text);
  }

  /** @throws {PrivateDirectoryError} */
  remove(directory: StoreDirectory, name: string): void {
    this.#directory.remove(`${directory}/${name}`);
  }

  /** @throws {PrivateDirectoryError} */
  list(directory: StoreDirectory): readonly string[] {
    return this.#directory.list(directory);
  }

  /**
   * Waits for the lock of this name, which one holder has at a time among all processes. A holder
   * that has died is found out after some seconds.
   *
   * @throws {PrivateDirectoryError}
   * @throws the signal's reason once it has fired
   */
  async lock(name: string, signal?: AbortSignal): Promise<StoreLock> {
    return await waitForLock(this.#directory, this.#clock, name, signal);
  }

  /** Runs an action while the lock is held; its signal fires when the lock is lost. */
  async withLock<T>(
    name: string,
    action: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const lock = await this.lock(name, signal);
    try {
      return await action(lock.lost);
    } finally {
      await lock.release();
    }
  }
}

/**
 * A name that is one in the store, and no other name's: `*.example.com` becomes
 * `_.example.com-` and a part of its hash, as does everything that is not letters, digits, dots and
 * hyphens in lower case.
 */
export async function storeName(name: string): Promise<string> {
  const plain = name.replace(/[^a-z0-9.-]/g, "_").slice(0, NAME_LENGTH_MAX);
  if (plain === name && /^[a-z0-9]/.test(name)) return name;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name));
  const hash = Array.from(new Uint8Array(digest).subarray(0, 8), hexByte).join("");
  return `${plain.replace(/^[^a-z0-9_]|^$/, "_")}-${hash}`;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

export { PrivateDirectoryError, type StoreLock };
