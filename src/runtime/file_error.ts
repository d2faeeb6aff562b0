/**
 * A file that cannot be looked at or opened, though that says nothing of whether it is there: out of
 * descriptors or memory, a disk that fails, a directory on the way that may not be entered. Nobody
 * may take it for a file that is missing, so it is thrown; what is missing is `undefined`.
 */
import { errorCode } from "./error_code.ts";

/** The path names nothing. The last two say that it cannot be the name of a file. */
const MISSING: ReadonlySet<string> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "EINVAL",
  "EILSEQ",
  // A NUL in it, which node:fs does not ask the system about.
  "ERR_INVALID_ARG_VALUE",
]);

/** We, or the system, have no more of what it takes; a moment later there may be some. */
const EXHAUSTED: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EAGAIN"]);

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EMFILE: "too many open files (raise the limit of open files)",
  ENFILE: "the system has too many open files",
  ENOMEM: "out of memory",
  ENOBUFS: "out of memory",
  EAGAIN: "another program holds it",
  EIO: "the disk failed",
  ESTALE: "the file server lost it, or it is replaced repeatedly",
  EACCES: "permission denied (look at it, and at the directories on the way)",
  EPERM: "permission denied (look at it, and at the directories on the way)",
};

export class FileError extends Error {
  override readonly name = "FileError";
  /** The system's name for what went wrong, such as "EMFILE"; empty where it has none. */
  readonly code: string;
  readonly path: string;

  /** `doing` is what could not be done, such as "open". */
  constructor(doing: string, path: string, code: string, options?: { cause?: unknown }) {
    super(`Cannot ${doing} "${path}": ${reasonOf(code, options?.cause)}`, options);
    this.code = code;
    this.path = path;
  }

  /** Whether it may go better in a moment. */
  get isExhausted(): boolean {
    return EXHAUSTED.has(this.code);
  }

  get isDenied(): boolean {
    return this.code === "EACCES" || this.code === "EPERM";
  }
}

/** What node:fs threw: undefined where that says that there is nothing. @throws {FileError} */
export function unlessMissing(doing: string, path: string, cause: unknown): undefined {
  const code = errorCode(cause);
  if (MISSING.has(code)) return undefined;
  throw new FileError(doing, path, code, { cause });
}

/** Whether a process without room for another descriptor says so by this code. */
export function isExhaustion(code: string): boolean {
  return EXHAUSTED.has(code);
}

function reasonOf(code: string, cause: unknown): string {
  const text = REASONS[code];
  if (text !== undefined) return `${code}, ${text}`;
  return cause instanceof Error ? cause.message : code;
}
