/**
 * What lies at a path, and opening it, by system calls of Linux and FFI: Bun's `statSync` makes an
 * object of a dozen numbers and dates, and a request for a PHP page asks three or four times (measured:
 * 1.1 against 1.8 µs for a file, 0.7 against 1.4 for none). To open a file, look at it and ask where
 * it lies takes three calls of `node:fs`; `openat2` with `RESOLVE_NO_SYMLINKS` and `statx` are two, and
 * tell the same: what they open without meeting a symlink lies where the path says.
 *
 * The calls are looked for with the first path. Until then, where there are none (another system, a
 * kernel before 5.6, a sandbox that forbids them), and for whatever they refuse for another reason than
 * that nothing is there, the way of `node:fs` is taken.
 */
import { closeSync } from "node:fs";
import { readStatx, STATX_LENGTH } from "./bun_statx.ts";
import { hasRawBytes } from "./raw_bytes.ts";
import type { Files } from "./files.ts";
import { openBunCalls } from "./bun_libc.ts";
import { SystemOpenFile } from "./node_open_file.ts";

export type FileCalls = Pick<Files, "stat" | "openNow">;

/** Most bytes of a path, with the zero at its end; what is longer is left to `node:fs`. */
export const PATH_LENGTH_MAX = 4096;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
/** `STATX_BASIC_STATS`: what `stat` tells. */
const BASIC_STATS = 0x7ff;

/** The same number on every processor. */
const OPENAT2 = 437;
/** `struct open_how`: flags, mode, resolve; 64 bits each. */
const HOW_LENGTH = 24;
const RESOLVE = 16;
const O_NONBLOCK_CLOEXEC = 0o2004000;
const RESOLVE_NO_SYMLINKS = 4n;

/** The errors of most paths: there is nothing. */
const ENOENT = 2;
const ENOTDIR = 20;

/** As `slow`, and by system calls as soon as these are there. */
export function fileSystemCalls(slow: FileCalls): FileCalls {
  let calls = slow;
  let look = (): void => {
    look = () => {};
    void open(slow).then((fast) => calls = fast ?? slow);
  };
  calls = {
    stat: (path) => {
      look();
      return slow.stat(path);
    },
    openNow: slow.openNow,
  };
  return { stat: (path) => calls.stat(path), openNow: (path) => calls.openNow(path) };
}

/** Undefined where there are no such calls. */
async function open(slow: FileCalls): Promise<FileCalls | undefined> {
  const symbols = await openBunCalls({
    statx: { args: ["int", "ptr", "int", "u32", "ptr"], returns: "int" },
    syscall: { args: ["usize", "int", "ptr", "ptr", "usize"], returns: "int" },
    __errno_location: { args: [], returns: "ptr" },
  });
  if (symbols === undefined) return undefined;
  const { ptr, read } = await import("bun:ffi");
  // Of our thread, for as long as that lives.
  const errorAt = symbols.__errno_location()!;
  // In one piece, which is there as long as `path` is used: nothing else holds what only the
  // system reads, and it would be collected.
  const memory = new ArrayBuffer(PATH_LENGTH_MAX + STATX_LENGTH + HOW_LENGTH);
  const path = new Uint8Array(memory, 0, PATH_LENGTH_MAX);
  const reply = new DataView(memory, PATH_LENGTH_MAX, STATX_LENGTH);
  const how = new DataView(memory, PATH_LENGTH_MAX + STATX_LENGTH, HOW_LENGTH);
  how.setBigUint64(0, BigInt(O_NONBLOCK_CLOEXEC), true);
  how.setBigUint64(RESOLVE, RESOLVE_NO_SYMLINKS, true);
  const pathAt = ptr(path);
  const replyAt = ptr(memory, PATH_LENGTH_MAX);
  const howAt = ptr(memory, PATH_LENGTH_MAX + STATX_LENGTH);
  const calls: SystemCalls = {
    pathFits(text) {
      // Three bytes are the most that a character of a string can take.
      if (text.length * 3 >= PATH_LENGTH_MAX) return false;
      const { written } = encoder.encodeInto(text, path);
      path[written] = 0;
      // Bytes that are no UTF-8 are left to `node:fs`.
      return written === text.length || !hasRawBytes(text);
    },
    statPath: () => symbols.statx(AT_FDCWD, pathAt, 0, BASIC_STATS, replyAt) === 0,
    statDescriptor(descriptor) {
      path[0] = 0;
      return symbols.statx(descriptor, pathAt, AT_EMPTY_PATH, BASIC_STATS, replyAt) === 0;
    },
    openPath: () => symbols.syscall(OPENAT2, AT_FDCWD, pathAt, howAt, HOW_LENGTH),
    info: () => readStatx(reply),
    error: () => read.i32(errorAt),
  };
  return withFallback(calls, slow);
}

const encoder = new TextEncoder();

/** On one path and one reply in memory, both used by each call anew. */
interface SystemCalls {
  /** Takes the path for the next call; false where it is not for these calls. */
  pathFits(text: string): boolean;
  statPath(): boolean;
  statDescriptor(descriptor: number): boolean;
  /** The descriptor; negative: {@link error} tells why there is none. */
  openPath(): number;
  /** What was looked at last. */
  info(): ReturnType<typeof readStatx>;
  error(): number;
}

/** Where a sandbox or an old kernel forbids a call, it fails for every path. */
function withFallback(calls: SystemCalls, slow: FileCalls): FileCalls {
  calls.pathFits("/");
  const canStat = calls.statPath();
  calls.pathFits("/");
  const root = calls.openPath();
  const canOpen = canStat && root >= 0;
  if (root >= 0) closeSync(root);
  return {
    stat: canStat ? (path) => statOf(calls, slow, path) : slow.stat,
    openNow: canOpen ? (path) => openOf(calls, slow, path) : slow.openNow,
  };
}

function statOf(calls: SystemCalls, slow: FileCalls, path: string): ReturnType<FileCalls["stat"]> {
  if (hasZero(path)) return undefined;
  if (!calls.pathFits(path)) return slow.stat(path);
  if (calls.statPath()) return calls.info();
  const error = calls.error();
  return error === ENOENT || error === ENOTDIR ? undefined : slow.stat(path);
}

function openOf(
  calls: SystemCalls,
  slow: FileCalls,
  path: string,
): ReturnType<FileCalls["openNow"]> {
  if (hasZero(path)) return undefined;
  if (!path.startsWith("/") || !calls.pathFits(path)) return slow.openNow(path);
  const descriptor = calls.openPath();
  if (descriptor < 0) {
    const error = calls.error();
    // A symlink on the way: where that leads, the other way finds out.
    return error === ENOENT || error === ENOTDIR ? undefined : slow.openNow(path);
  }
  const isKnown = calls.statDescriptor(descriptor);
  const info = isKnown ? calls.info() : undefined;
  if (info?.kind === "file") return new SystemOpenFile(descriptor, info, path);
  closeSync(descriptor);
  return isKnown ? undefined : slow.openNow(path);
}

/** No file is called so, and the system would not read on behind it. */
function hasZero(path: string): boolean {
  return path.includes("\0");
}
