/**
 * Files by way of `node:fs`, which both runtimes have. Only a response body differs: Bun sends a
 * `Blob` of a file by itself, Deno wants a stream.
 */
import {
  accessSync,
  closeSync,
  constants,
  opendir,
  openSync,
  readFile,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { DescriptorSink } from "./descriptor_sink.ts";
import { fileStream } from "./node_file_stream.ts";
import { createPrivateFile } from "./node_private_file.ts";
import { openTemporaryFile } from "./node_temporary_file.ts";
import type { FileAccess, FileInfo, Files, FolderNames, OpenFile } from "./runtime.ts";

const LOG_FILE_MODE = 0o640;
/** Permissions, without the bits that say what kind of file it is. */
const MODE_BITS = 0o7777;

const openFolder = promisify(opendir);
const readFileAsync = promisify(readFile);

/** What the runtimes do each in its own way. */
export interface NodeFilesParts {
  readonly body: Files["body"];
  /** A faster way to ask what lies at a path, given that of `node:fs`. */
  readonly stat?: (slow: Files["stat"]) => Files["stat"];
}

/** The file system. */
export function createNodeFiles(parts: NodeFilesParts): Files {
  return {
    stat: parts.stat?.(stat) ?? stat,
    access,
    realPath,
    readText: (path) => readFileAsync(path, "utf8"),
    createText: async (path, text) => createPrivateFile(path, text),
    body: parts.body,
    stream: fileStream,
    readNow,
    openNow,
    list,
    temporary: async () => openTemporaryFile(),
    whyNotAppend,
    appendStream: async (path) => new DescriptorSink(openSync(path, "a", LOG_FILE_MODE), path),
  };
}

/** Without making it. */
function whyNotAppend(path: string): string | undefined {
  const found = statsOf(path);
  if (found?.isDirectory()) return "it is a folder (name a file in it)";
  const folder = dirname(path);
  if (found === undefined && !statsOf(folder)?.isDirectory()) {
    return `there is no folder "${folder}" (create it)`;
  }
  try {
    accessSync(found === undefined ? folder : path, constants.W_OK);
    return undefined;
  } catch (error) {
    return `${error instanceof Error ? error.message : error} (let afcgi write there)`;
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // No permission, a loop of links, a part of the path that is no folder, a NUL in it.
    return undefined;
  }
}

function access(path: string): FileAccess | undefined {
  const found = process.platform === "win32" ? undefined : statsOf(path);
  return found && { mode: found.mode & MODE_BITS, owner: found.uid, group: found.gid };
}

function stat(path: string): FileInfo | undefined {
  const stats = statsOf(path);
  if (stats === undefined) return undefined;
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
  return {
    kind,
    size: stats.size,
    modifiedMs: Math.floor(stats.mtimeMs),
    changedMs: stats.ctimeMs,
    inode: stats.ino,
  };
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

function openNow(path: string): OpenFile | undefined {
  try {
    return new NodeOpenFile(openSync(path, "r"));
  } catch {
    return undefined;
  }
}

class NodeOpenFile implements OpenFile {
  readonly descriptor: number;
  #isOpen = true;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  read(bytes: Uint8Array, offset: number): number {
    return readSync(this.descriptor, bytes, 0, bytes.length, offset);
  }

  close(): void {
    if (this.#isOpen) closeSync(this.descriptor);
    this.#isOpen = false;
  }
}

function readNow(path: string, length: number): Uint8Array<ArrayBuffer> | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const count = readSync(descriptor, bytes, filled, length - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

async function list(path: string, namesMax: number): Promise<FolderNames> {
  const folder = await openFolder(path);
  const names: string[] = [];
  try {
    for (;;) {
      const entry = await folder.read();
      if (entry === null) return { names, hasMore: false };
      if (names.length === namesMax) return { names, hasMore: true };
      names.push(entry.name);
    }
  } finally {
    await folder.close();
  }
}
