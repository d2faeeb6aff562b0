/**
 * A directory of small texts that nobody else may read or change: keys, certificates, locks. Several
 * processes of one user may use it at the same time. A name has one or two parts (`keys/one.pem`),
 * each of letters, digits and `._+@=-`, and begins with none of the signs but `_`: no name leads out.
 */

/** Most characters of a part of a name. */
export const PRIVATE_NAME_LENGTH_MAX = 200;

/** Most bytes of a file that is read. */
export const PRIVATE_FILE_LENGTH_MAX = 1024 * 1024;

/** Whom the files belong to where we are root, and will not stay so. */
export interface PrivateOwner {
  readonly user: number;
  readonly group: number;
}

/** In an owner's place, where we are root: whose the directory is, as who only reads wants it. */
export const PRESENT_OWNER = "present";

export interface PrivateDirectoryOptions {
  readonly owner?: PrivateOwner | typeof PRESENT_OWNER | undefined;
  /** Names of the directories in it: one of root's with no other in it becomes the owner's. */
  readonly directories?: readonly string[];
}

export interface PrivateDirectory {
  readonly path: string;
  /** Undefined when there is none. @throws {PrivateDirectoryError} */
  read(name: string): string | undefined;
  /**
   * Replaces a file, or makes it: whoever reads finds all of the old or all of the new, also after a
   * crash when `isDurable`, as it is when left out.
   *
   * @throws {PrivateDirectoryError}
   */
  write(name: string, text: string, isDurable?: boolean): Promise<void>;
  /** Makes a file, whole or not at all; false where there is one. @throws {PrivateDirectoryError} */
  create(name: string, text: string): boolean;
  /** Removes a file, if there is one. @throws {PrivateDirectoryError} */
  remove(name: string): void;
  /** Names of files in a directory below, in no order. @throws {PrivateDirectoryError} */
  list(directory: string): readonly string[];
}

/** A directory that is not ours alone, or does not work. */
export class PrivateDirectoryError extends Error {
  override readonly name = "PrivateDirectoryError";
}

const PART = /^[A-Za-z0-9_][A-Za-z0-9_.+@=-]*$/;

/** The parts of a name. @throws {PrivateDirectoryError} when it could be another file's */
export function privateNameParts(name: string): readonly string[] {
  const parts = name.split("/");
  const isGood = parts.length <= 2 &&
    parts.every((part) => part.length <= PRIVATE_NAME_LENGTH_MAX && PART.test(part));
  if (isGood) return parts;
  throw new PrivateDirectoryError(`Cannot keep a file under the name ${JSON.stringify(name)}`);
}
