/**
 * A file that lines are appended to. A line that a full disk or a crash has torn gets an end before
 * the next one begins. A FIFO is taken too, without ever waiting for its reader.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { DescriptorSink } from "./descriptor_sink.ts";
import type { TextSink } from "./text_sink.ts";

const MODE = 0o640;
const LINE_END = 0x0a;
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK |
  constants.O_NOCTTY;

export function openLog(path: string): TextSink {
  const sink = new DescriptorSink(openSync(path, FLAGS, MODE), path);
  if (endsTorn(path)) sink.write("\n");
  return Object.assign(sink, {
    reopen: () => sink.replace(openSync(path, FLAGS, MODE)),
    close: () => sink.closeDescriptor(),
  });
}

/** Whether the file's last line has no end; one that we may not read has one. */
function endsTorn(path: string): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size === 0) return false;
    const last = new Uint8Array(1);
    readSync(descriptor, last, 0, 1, stats.size - 1);
    return last[0] !== LINE_END;
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
