/**
 * Files by way of `node:fs`, which both runtimes have. Only a response body differs: Bun sends a
 * `Blob` of a file by itself, Deno wants a stream.
 */
import { open, openSync, readFile, realpathSync, type Stats, statSync } from "node:fs";
import { promisify } from "node:util";
import { DescriptorSink } from "./descriptor_sink.ts";
import { GuardedDescriptor } from "./guarded_descriptor.ts";
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
    return realpathSync.native(path);
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
  const file = new GuardedDescriptor(await openAsync(path, "r"));
  let position = start;
  return new ReadableStream({
    async pull(controller) {
      const bytes = new Uint8Array(Math.min(STREAM_PIECE_LENGTH, end - position));
      const count = bytes.length === 0 ? 0 : await file.read(bytes, position);
      position += count;
      if (count > 0) controller.enqueue(bytes.subarray(0, count));
      if (count > 0 && position < end) return;
      file.close();
      if (position < end) {
        controller.error(new Error(`Cannot read "${path}": it was cut meanwhile`));
      } else controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}
