/**
 * Files of which the n-th operation fails with a code of the system's, to try each place where one
 * may: looks, opens, reads, listings. All others are handed on.
 */
import { FileError } from "../../src/runtime/file_error.ts";
import type { DirectoryNames, Files } from "../../src/runtime/files.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";

export type FileOperation = "stat" | "realPath" | "openNow" | "read" | "list";

export class FailingFiles implements Files {
  readonly access: Files["access"];
  readonly readText: Files["readText"];
  readonly createText: Files["createText"];
  readonly temporary: Files["temporary"];
  readonly createCopy: Files["createCopy"];
  readonly appendStream: Files["appendStream"];
  readonly #files: Files;
  #left = Infinity;
  #code = "";
  /** The operation that failed; undefined while none did. */
  failed: FileOperation | undefined;

  constructor(files: Files) {
    this.#files = files;
    this.access = (path) => files.access(path);
    this.readText = (path) => files.readText(path);
    this.createText = (path, text) => files.createText(path, text);
    this.temporary = () => files.temporary();
    this.createCopy = (directory, name, mode) => files.createCopy(directory, name, mode);
    this.appendStream = (path) => files.appendStream(path);
  }

  /** The n-th operation from now on fails, counted from 1, and no other. */
  arm(n: number, code: string): void {
    this.#left = n;
    this.#code = code;
    this.failed = undefined;
  }

  disarm(): void {
    this.#left = Infinity;
  }

  // Not methods of a class alone: who spreads an adapter takes them along.
  readonly stat: Files["stat"] = (path) => {
    this.#count("stat", path);
    return this.#files.stat(path);
  };

  readonly realPath: Files["realPath"] = (path) => {
    this.#count("realPath", path);
    return this.#files.realPath(path);
  };

  readonly openNow: Files["openNow"] = (path) => {
    this.#count("openNow", path);
    const file = this.#files.openNow(path);
    return file && this.#watched(file);
  };

  readonly list = async (path: string, namesMax: number): Promise<DirectoryNames> => {
    this.#count("list", path);
    return await this.#files.list(path, namesMax);
  };

  #count(operation: FileOperation, path: string): void {
    if (--this.#left !== 0) return;
    this.failed = operation;
    throw new FileError("look at", path, this.#code);
  }

  #watched(file: OpenFile): OpenFile {
    const count = (operation: FileOperation) => this.#count(operation, file.path ?? "");
    return {
      descriptor: file.descriptor,
      info: file.info,
      path: file.path,
      read: (bytes, offset) => {
        count("read");
        return file.read(bytes, offset);
      },
      stream: (pieces) => file.stream(pieces),
      close: () => file.close(),
    };
  }
}
