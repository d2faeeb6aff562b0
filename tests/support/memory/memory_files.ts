/**
 * A file system in memory for tests: absolute paths to contents, and symlinks. Directories exist
 * where a file lies below them. Every file has the same time, unless a test says otherwise.
 */
import type { CopyName, FileCopy } from "../../../src/runtime/file_copy.ts";
import { FileError } from "../../../src/runtime/file_error.ts";
import type { FileInfo, FilePiece } from "../../../src/runtime/file_info.ts";
import type {
  DirectoryNames,
  FileAccess,
  Files,
  TemporaryFile,
} from "../../../src/runtime/files.ts";
import type { OpenFile } from "../../../src/runtime/open_file.ts";
import type { TextSink } from "../../../src/runtime/text_sink.ts";

const SYMLINKS_MAX = 16;
/** Bits of `chmod` without which nobody may read a file. */
const EVERYBODY = 0o444;
const encoder = new TextEncoder();

/** Files that a test lays out. */
export class MemoryFiles implements Files {
  readonly #contents = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #symlinks = new Map<string, string>();
  readonly #modifiedMs = new Map<string, number>();
  readonly #modes = new Map<string, number>();
  readonly #inodes = new Map<string, number>();
  #inodeCount = 0;
  /** Files that were opened and not closed. */
  openCount = 0;
  /** Temporary files that were not closed. */
  temporaryCount = 0;
  /** Copies in the making. */
  copyCount = 0;
  /** Why no copy can be made, or added to; undefined: each can. */
  copyError: string | undefined;
  appendError: string | undefined;

  write(path: string, content: string | Uint8Array, modifiedMs = 0): void {
    this.#contents.set(
      path,
      typeof content === "string" ? encoder.encode(content) : content.slice(),
    );
    this.#modifiedMs.set(path, modifiedMs);
  }

  /** A symlink; the target is an absolute path. */
  symlink(path: string, target: string): void {
    this.#symlinks.set(path, target);
  }

  /** Without it everybody may read a file and enter a directory. */
  chmod(path: string, mode: number): void {
    this.#modes.set(path, mode);
  }

  access(path: string): FileAccess | undefined {
    const info = this.stat(path);
    if (info === undefined) return undefined;
    const usual = info.kind === "file" ? 0o644 : 0o755;
    return { mode: this.#modes.get(path) ?? usual, owner: 0, group: 0 };
  }

  remove(path: string): void {
    this.#inodes.delete(path);
    this.#contents.delete(path);
    this.#symlinks.delete(path);
  }

  stat(path: string): FileInfo | undefined {
    const real = this.realPath(path);
    if (real === undefined) return undefined;
    const content = this.#contents.get(real);
    const modifiedMs = this.#modifiedMs.get(real) ?? 0;
    const common = { modifiedMs, changedMs: modifiedMs, inode: this.#inodeOf(real), device: 0 };
    return content
      ? { kind: "file", size: content.length, ...common }
      : { kind: "directory", size: 0, ...common };
  }

  realPath(path: string): string | undefined {
    let resolved = "";
    const rest = path.split("/").filter((part) => part !== "" && part !== ".");
    for (let symlinks = 0; rest.length > 0;) {
      const part = rest.shift();
      resolved = part === ".." ? resolved.replace(/\/[^/]*$/, "") : `${resolved}/${part}`;
      const target = this.#symlinks.get(resolved);
      if (target === undefined) continue;
      if (++symlinks > SYMLINKS_MAX) return undefined;
      rest.unshift(...target.split("/").filter((name) => name !== "" && name !== "."));
      resolved = "";
    }
    return this.#exists(resolved) ? resolved || "/" : undefined;
  }

  async readText(path: string): Promise<string> {
    return new TextDecoder().decode(this.#contentOf(path));
  }

  async createText(path: string, text: string): Promise<boolean> {
    if (this.#contents.has(path)) return false;
    this.write(path, text);
    return true;
  }

  openNow(path: string): OpenFile | undefined {
    const info = this.stat(path);
    const real = this.realPath(path);
    const content = this.#contents.get(real ?? "");
    if (info === undefined || content === undefined) return undefined;
    if (((this.#modes.get(real!) ?? EVERYBODY) & EVERYBODY) === 0) {
      throw new FileError("open", path, "EACCES");
    }
    return new MemoryOpenFile(info, real, content, (count) => this.openCount += count);
  }

  async list(path: string, namesMax: number): Promise<DirectoryNames> {
    const directory = `${this.realPath(path) ?? path}/`;
    const names = new Set<string>();
    for (const name of [...this.#contents.keys(), ...this.#symlinks.keys()]) {
      if (name.startsWith(directory)) names.add(name.slice(directory.length).split("/")[0]!);
    }
    return { names: [...names].slice(0, namesMax), hasMore: names.size > namesMax };
  }

  async temporary(): Promise<TemporaryFile> {
    this.temporaryCount++;
    return new MemoryTemporaryFile(() => void this.temporaryCount--);
  }

  createCopy(directory: string, name: CopyName, mode: number): FileCopy {
    const path = [directory, ...name].join("/");
    if (this.copyError !== undefined) throw new FileError("write", path, this.copyError);
    const pieces: Uint8Array[] = [];
    let isOpen = true;
    this.copyCount++;
    const end = (): boolean => {
      if (isOpen) this.copyCount--;
      const wasOpen = isOpen;
      isOpen = false;
      return wasOpen;
    };
    return {
      append: async (more) => {
        if (this.appendError !== undefined) throw new FileError("write", path, this.appendError);
        pieces.push(...more.map((bytes) => bytes.slice()));
      },
      commit: async () => {
        if (!end()) return;
        this.write(path, Buffer.concat(pieces));
        this.chmod(path, mode);
      },
      discard: () => void end(),
    };
  }

  async appendStream(path: string): Promise<TextSink> {
    if (!this.#contents.has(path)) this.write(path, "");
    return {
      write: (text) => {
        this.write(path, new TextDecoder().decode(this.#contents.get(path)) + text);
      },
      flush: () => Promise.resolve(),
    };
  }

  #exists(path: string): boolean {
    if (path === "" || this.#contents.has(path)) return true;
    for (const name of [...this.#contents.keys(), ...this.#symlinks.keys()]) {
      if (name.startsWith(`${path}/`)) return true;
    }
    return false;
  }

  /** Directories have one as well, from their first look on. */
  #inodeOf(path: string): number {
    const known = this.#inodes.get(path) ?? ++this.#inodeCount;
    this.#inodes.set(path, known);
    return known;
  }

  #contentOf(path: string): Uint8Array<ArrayBuffer> {
    const content = this.#contents.get(this.realPath(path) ?? "");
    if (content === undefined) throw new FileError("read", path, "ENOENT");
    return content;
  }
}

class MemoryOpenFile implements OpenFile {
  readonly descriptor = -1;
  readonly info: FileInfo;
  readonly path: string | undefined;
  readonly #content: Uint8Array<ArrayBuffer>;
  readonly #count: (change: number) => void;
  #isOurs = true;

  constructor(
    info: FileInfo,
    path: string | undefined,
    content: Uint8Array<ArrayBuffer>,
    count: (change: number) => void,
  ) {
    this.info = info;
    this.path = path;
    this.#content = content;
    this.#count = count;
    count(1);
  }

  read(bytes: Uint8Array, offset: number): number {
    const piece = this.#content.subarray(offset, offset + bytes.length);
    bytes.set(piece);
    return piece.length;
  }

  stream(pieces: readonly FilePiece[]): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (!this.#isOurs) throw new Error("Cannot read a file once it is closed");
    this.#isOurs = false;
    let isOpen = true;
    const end = (): void => {
      if (isOpen) this.#count(-1);
      isOpen = false;
    };
    const rest = [...pieces];
    return new ReadableStream({
      pull: (controller) => {
        const piece = rest.shift();
        if (piece === undefined) {
          end();
          controller.close();
        } else if (piece instanceof Uint8Array) controller.enqueue(piece);
        else controller.enqueue(this.#content.slice(piece.start, piece.end));
      },
      cancel: end,
    }, { highWaterMark: 0 });
  }

  close(): void {
    if (this.#isOurs) this.#count(-1);
    this.#isOurs = false;
  }
}

class MemoryTemporaryFile implements TemporaryFile {
  readonly #onClose: () => void;
  #bytes = new Uint8Array(0);
  #closed = false;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    this.#requireOpen();
    for (const bytes of pieces) {
      const longer = new Uint8Array(this.#bytes.length + bytes.length);
      longer.set(this.#bytes);
      longer.set(bytes, this.#bytes.length);
      this.#bytes = longer;
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#requireOpen();
    return this.#bytes.slice(offset, offset + length);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
  }

  #requireOpen(): void {
    if (this.#closed) throw new Error("Cannot use a temporary file once closed");
  }
}
