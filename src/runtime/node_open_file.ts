/**
 * Opens regular files by way of `node:fs`, and nothing else: never waits at a FIFO that lies where a
 * file was a moment ago, and asks the open file what it is and where it lies, because a path can name
 * another file with each call.
 */
import type { Buffer } from "node:buffer";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { systemPath, textOfSystemPath } from "./system_path.ts";
import { unlessMissing } from "./file_error.ts";
import { errorCode } from "./error_code.ts";
import { fileStream } from "./node_file_stream.ts";
import type { OpenFile } from "./open_file.ts";
import type { FileInfo, FilePiece } from "./file_info.ts";

/** Windows knows neither of the two, and has no FIFOs among its files. */
const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
const READ = O_RDONLY | O_NONBLOCK;

/** A socket's path, or a device without a driver. */
const NO_FILES: ReadonlySet<string> = new Set(["ENXIO", "ENODEV"]);

/**
 * Undefined where the path, which must have no symlink at its end, names no regular file.
 *
 * @throws {FileError}
 */
export function openRegular(path: string): OpenFile | undefined {
  return open(path, READ | O_NOFOLLOW);
}

/** As {@link openRegular}, and follows a symlink at the path's end. @throws {FileError} */
export function openFollowed(path: string): OpenFile | undefined {
  return open(path, READ);
}

function open(path: string, flags: number): OpenFile | undefined {
  const name = systemPath(path);
  if (name === undefined) return undefined;
  let descriptor: number;
  try {
    descriptor = openSync(name, flags);
  } catch (error) {
    return NO_FILES.has(errorCode(error)) ? undefined : unlessMissing("open", path, error);
  }
  try {
    const stats = fstatSync(descriptor);
    if (stats.isFile()) {
      return new SystemOpenFile(descriptor, infoOf(stats), whereIs(descriptor, name));
    }
  } catch (error) {
    closeSync(descriptor);
    return unlessMissing("look at", path, error);
  }
  closeSync(descriptor);
  return undefined;
}

/** What `stat` says, in our terms. */
export function infoOf(stats: Stats): FileInfo {
  return {
    kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other",
    size: stats.size,
    modifiedMs: Math.floor(stats.mtimeMs),
    changedMs: stats.ctimeMs,
    inode: stats.ino,
    device: stats.dev,
  };
}

/** Linux tells it, where /proc is mounted; in bytes where it was named so. */
function whereIs(descriptor: number, name: string | Buffer): string | undefined {
  const link = `/proc/self/fd/${descriptor}`;
  try {
    return typeof name === "string"
      ? readlinkSync(link)
      : textOfSystemPath(readlinkSync(link, "buffer"));
  } catch {
    return undefined;
  }
}

/** By its descriptor, which it owns. */
export class SystemOpenFile implements OpenFile {
  readonly descriptor: number;
  readonly info: FileInfo;
  readonly path: string | undefined;
  #isOurs = true;

  constructor(descriptor: number, info: FileInfo, path: string | undefined) {
    this.descriptor = descriptor;
    this.info = info;
    this.path = path;
  }

  read(bytes: Uint8Array, offset: number): number {
    return readSync(this.descriptor, bytes, 0, bytes.length, offset);
  }

  stream(pieces: readonly FilePiece[]): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (!this.#isOurs) throw new Error("Cannot read a file once it is closed");
    this.#isOurs = false;
    return fileStream(this.descriptor, pieces);
  }

  close(): void {
    if (this.#isOurs) closeSync(this.descriptor);
    this.#isOurs = false;
  }
}
