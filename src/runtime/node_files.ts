/**
 * Files by way of `node:fs`, which both runtimes have. Only a response body differs: Bun sends a
 * `Blob` of a file by itself, Deno wants a stream.
 */
import {
  close,
  closeSync,
  open,
  openSync,
  read,
  readFile,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { promisify } from "node:util";
import { DescriptorSink } from "./descriptor_sink.ts";
import { openTemporaryFile } from "./node_temporary_file.ts";
import type { FileInfo, Files } from "./runtime.ts";

const STREAM_PIECE_LENGTH = 64 * 1024;
const LOG_FILE_MODE = 0o640;

const openAsync = promisify(open);
const readFileAsync = promisify(readFile);

/** What the runtimes do each in its own way. */
export interface NodeFilesParts {
  readonly body: Files["body"];
}

/** The file system. */
export function createNodeFiles(parts: NodeFilesParts): Files {
  return {
    stat,
    realPath,
    readText: (path) => readFileAsync(path, "utf8"),
    body: parts.body,
    temporary: async () => openTemporaryFile(),
    appendStream: async (path) => new DescriptorSink(openSync(path, "a", LOG_FILE_MODE), path),
  };
}

function stat(path: string): FileInfo | undefined {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch {
    // No permission, a loop of links, a part of the path that is no folder, a NUL in it.
    return undefined;
  }
  if (stats === undefined) return undefined;
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
  return { kind, size: stats.size, modifiedMs: Math.floor(stats.mtimeMs) };
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Bytes `start` to `end` (exclusive) of a file as a stream. It errors when the file has become
 * shorter meanwhile: the length was promised.
 */
export async function fileRangeStream(
  path: string,
  start: number,
  end: number,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const descriptor = await openAsync(path, "r");
  let position = start;
  return new ReadableStream({
    async pull(controller) {
      if (position < end) {
        try {
          const length = Math.min(STREAM_PIECE_LENGTH, end - position);
          const bytes = await readAt(descriptor, length, position);
          if (bytes.length === 0) throw new Error(`Cannot read "${path}": it was cut meanwhile`);
          position += bytes.length;
          controller.enqueue(bytes);
        } catch (error) {
          closeSync(descriptor);
          throw error;
        }
      }
      if (position < end) return;
      closeSync(descriptor);
      controller.close();
    },
    cancel: () => close(descriptor),
  }, { highWaterMark: 0 });
}

function readAt(
  descriptor: number,
  length: number,
  position: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  return new Promise((resolve, reject) => {
    read(descriptor, bytes, 0, length, position, (error, count) => {
      if (error) reject(error);
      else resolve(bytes.subarray(0, count));
    });
  });
}
