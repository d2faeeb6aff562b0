/**
 * A file that has lost its name: created for us alone and unlinked at once, so no other process can
 * open it and its space is free again even after a crash. Bytes are only appended; reading goes by
 * offset. Closing waits for the reads and writes under way, since their descriptor's number could
 * otherwise stand for another file.
 */
import { randomUUID } from "node:crypto";
import { close, constants, openSync, read, unlinkSync, write } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TemporaryFile } from "./runtime.ts";

const OWNER_ONLY = 0o600;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;

/** @throws with the operating system's reason */
export function openTemporaryFile(): TemporaryFile {
  const path = join(tmpdir(), `afcgi-${process.pid}-${randomUUID()}`);
  const descriptor = openSync(path, FLAGS, OWNER_ONLY);
  try {
    unlinkSync(path);
    return new NodeTemporaryFile(descriptor);
  } catch {
    // Windows keeps the name of an open file.
    return new NodeTemporaryFile(descriptor, path);
  }
}

/** What `read` and `write` of `node:fs` have in common. */
type PositionedOperation = (
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  callback: (error: Error | null, count: number) => void,
) => void;

class NodeTemporaryFile implements TemporaryFile {
  readonly #descriptor: number;
  readonly #path: string | undefined;
  #end = 0;
  #lastAppend: Promise<void> = Promise.resolve();
  #underWay = 0;
  #closed = false;

  constructor(descriptor: number, path?: string) {
    this.#descriptor = descriptor;
    this.#path = path;
  }

  append(bytes: Uint8Array): Promise<void> {
    const append = this.#lastAppend.then(() => this.#appendNow(bytes));
    this.#lastAppend = append.catch(() => {});
    return append;
  }

  /** The end moves only once all bytes are written, so a read never meets a hole. */
  async #appendNow(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      written += await this.#run(write, bytes.subarray(written), this.#end + written);
    }
    this.#end += written;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#end - offset)));
    let filled = 0;
    while (filled < bytes.length) {
      const count = await this.#run(read, bytes.subarray(filled), offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeWhenIdle();
  }

  #run(operation: PositionedOperation, bytes: Uint8Array, position: number): Promise<number> {
    if (this.#closed) return Promise.reject(new Error("Cannot use a temporary file once closed"));
    this.#underWay++;
    return new Promise((resolve, reject) => {
      operation(this.#descriptor, bytes, 0, bytes.length, position, (error, count) => {
        this.#underWay--;
        this.#closeWhenIdle();
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  #closeWhenIdle(): void {
    if (!this.#closed || this.#underWay > 0) return;
    close(this.#descriptor);
    if (this.#path !== undefined) unlinkSync(this.#path);
  }
}
