/**
 * A file that has lost its name: created for us alone and unlinked at once, so no other process can
 * open it and its space is free again even after a crash. Bytes are only appended, one append after
 * the other; reading goes by offset and sees what has been appended.
 */
import { constants, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { GuardedDescriptor } from "./guarded_descriptor.ts";
import type { TemporaryFile } from "./files.ts";
import { withoutFirst } from "./written_pieces.ts";

const OWNER_ONLY = 0o600;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;

/** @throws with the operating system's reason */
export function openTemporaryFile(): TemporaryFile {
  const path = join(tmpdir(), `afcgi-${process.pid}-${crypto.randomUUID()}`);
  const descriptor = openSync(path, FLAGS, OWNER_ONLY);
  try {
    unlinkSync(path);
    return new NodeTemporaryFile(new GuardedDescriptor(descriptor));
  } catch {
    // Windows keeps the name of an open file.
    return new NodeTemporaryFile(new GuardedDescriptor(descriptor, () => unlinkSync(path)));
  }
}

/** Most pieces of one write: IOV_MAX of Linux and macOS. */
const PIECES_MAX = 1024;

class NodeTemporaryFile implements TemporaryFile {
  readonly #file: GuardedDescriptor;
  #end = 0;
  #lastAppend: Promise<void> = Promise.resolve();

  constructor(file: GuardedDescriptor) {
    this.#file = file;
  }

  append(pieces: readonly Uint8Array[]): Promise<void> {
    const append = this.#lastAppend.then(() => this.#appendNow(pieces));
    this.#lastAppend = append.catch(() => {});
    return append;
  }

  /** The end moves only once all bytes are written, so a read never meets a hole. */
  async #appendNow(pieces: readonly Uint8Array[]): Promise<void> {
    let end = this.#end;
    let left = pieces;
    while (left.length > 0) {
      const written = await this.#file.write(left.slice(0, PIECES_MAX), end);
      end += written;
      left = withoutFirst(left, written);
    }
    this.#end = end;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#end - offset)));
    let filled = 0;
    while (filled < bytes.length) {
      const count = await this.#file.read(bytes.subarray(filled), offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  }

  close(): void {
    this.#file.close();
  }
}
