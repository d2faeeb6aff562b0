/** The reply of the system call `statx` of Linux: its layout is the same on every processor. */
import type { FileInfo } from "./file_info.ts";

/** `struct statx`. */
export const STATX_LENGTH = 256;
const MODE = 28;
const INODE = 32;
const SIZE = 40;
const CHANGED = 96;
const MODIFIED = 112;

const DEVICE_MAJOR = 136;
const DEVICE_MINOR = 140;

const KIND_BITS = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;

/** What it says, in our terms. */
export function readStatx(reply: DataView): FileInfo {
  const kind = reply.getUint16(MODE, true) & KIND_BITS;
  return {
    kind: kind === REGULAR ? "file" : kind === DIRECTORY ? "directory" : "other",
    size: longAt(reply, SIZE),
    modifiedMs: Math.floor(timeAt(reply, MODIFIED)),
    changedMs: timeAt(reply, CHANGED),
    inode: longAt(reply, INODE),
    device: deviceOf(reply.getUint32(DEVICE_MAJOR, true), reply.getUint32(DEVICE_MINOR, true)),
  };
}

/** One number of the two, as `stat` has it (`makedev` of the C library). */
function deviceOf(major: number, minor: number): number {
  const high = Math.floor(major / 2 ** 12) * 2 ** 44 + Math.floor(minor / 2 ** 8) * 2 ** 20;
  return high + (major % 2 ** 12) * 2 ** 8 + minor % 2 ** 8;
}

/** Beyond 2^53 it is not exact, as in `node:fs`. */
function longAt(reply: DataView, offset: number): number {
  return reply.getUint32(offset, true) + reply.getUint32(offset + 4, true) * 2 ** 32;
}

/** Seconds with a sign, then nanoseconds; in milliseconds. */
function timeAt(reply: DataView, offset: number): number {
  const seconds = reply.getUint32(offset, true) + reply.getInt32(offset + 4, true) * 2 ** 32;
  return seconds * 1000 + reply.getUint32(offset + 8, true) / 1e6;
}
