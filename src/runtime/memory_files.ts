/**
 * A file system in memory for tests: absolute paths to contents, and links. Folders exist where a
 * file lies below them. Every file has the same time, unless a test says otherwise.
 */
import type {
  FileAccess,
  FileInfo,
  FilePiece,
  Files,
  FolderNames,
  OpenFile,
  TemporaryFile,
  TextSink,
} from "./runtime.ts";

const LINKS_MAX = 16;
const encoder = new TextEncoder();

/** Files that a test lays out. */
export class MemoryFiles implements Files {
  readonly #contents = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #links = new Map<string, string>();
  readonly #modifiedMs = new Map<string, number>();
  readonly #modes = new Map<string, number>();
  /** Temporary files that were not closed. */
  temporaryCount = 0;

  write(path: string, content: string | Uint8Array, modifiedMs = 0): void {
    this.#contents.set(
      path,
      typeof content === "string" ? encoder.encode(content) : content.slice(),
    );
    this.#modifiedMs.set(path, modifiedMs);
  }

  /** A symbolic link; the target is an absolute path. */
  link(path: string, target: string): void {
    this.#links.set(path, target);
  }

  /** Without it everybody may read a file and enter a folder. */
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
    this.#contents.delete(path);
    this.#links.delete(path);
  }

  stat(path: string): FileInfo | undefined {
    const real = this.realPath(path);
    if (real === undefined) return undefined;
    const content = this.#contents.get(real);
    const modifiedMs = this.#modifiedMs.get(real) ?? 0;
    const common = { modifiedMs, changedMs: modifiedMs, inode: 0 };
    return content
      ? { kind: "file", size: content.length, ...common }
      : { kind: "directory", size: 0, ...common };
  }

  realPath(path: string): string | undefined {
    let resolved = "";
    const rest = path.split("/").filter((part) => part !== "" && part !== ".");
    for (let links = 0; rest.length > 0;) {
      const part = rest.shift();
      resolved = part === ".." ? resolved.replace(/\/[^/]*$/, "") : `${resolved}/${part}`;
      const target = this.#links.get(resolved);
      if (target === undefined) continue;
      if (++links > LINKS_MAX) return undefined;
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

  async body(path: string, start: number, end: number): Promise<BodyInit> {
    return this.#contentOf(path).slice(start, end);
  }

  async stream(
    path: string,
    pieces: readonly FilePiece[],
  ): Promise<ReadableStream<Uint8Array>> {
    const content = this.#contentOf(path);
    return new ReadableStream({
      start(controller) {
        for (const piece of pieces) {
          controller.enqueue(
            piece instanceof Uint8Array ? piece : content.slice(piece.start, piece.end),
          );
        }
        controller.close();
      },
    });
  }

  readNow(path: string, length: number): Uint8Array<ArrayBuffer> | undefined {
    return this.#contents.get(this.realPath(path) ?? "")?.slice(0, length);
  }

  openNow(path: string): OpenFile | undefined {
    const content = this.#contents.get(this.realPath(path) ?? "");
    if (content === undefined) return undefined;
    const read = (bytes: Uint8Array, offset: number): number => {
      const piece = content.subarray(offset, offset + bytes.length);
      bytes.set(piece);
      return piece.length;
    };
    return { descriptor: -1, read, close() {} };
  }

  async list(path: string, namesMax: number): Promise<FolderNames> {
    const folder = `${this.realPath(path) ?? path}/`;
    const names = new Set<string>();
    for (const name of [...this.#contents.keys(), ...this.#links.keys()]) {
      if (name.startsWith(folder)) names.add(name.slice(folder.length).split("/")[0]!);
    }
    return { names: [...names].slice(0, namesMax), hasMore: names.size > namesMax };
  }

  async temporary(): Promise<TemporaryFile> {
    this.temporaryCount++;
    return new MemoryTemporaryFile(() => void this.temporaryCount--);
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
    for (const name of [...this.#contents.keys(), ...this.#links.keys()]) {
      if (name.startsWith(`${path}/`)) return true;
    }
    return false;
  }

  #contentOf(path: string): Uint8Array<ArrayBuffer> {
    const content = this.#contents.get(this.realPath(path) ?? "");
    if (content === undefined) throw new Error(`Cannot read "${path}": no such file`);
    return content;
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
