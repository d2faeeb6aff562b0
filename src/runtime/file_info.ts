/** What a file is, and which of its bytes are meant. */

export interface FileInfo {
  readonly kind: "file" | "directory" | "other";
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** When anything of it last changed, its content or its name; milliseconds since 1970. */
  readonly changedMs: number;
  /** Tells files of one file system apart. */
  readonly inode: number;
  /** Tells file systems apart. */
  readonly device: number;
}

/** What a stream of a file is made of: bytes as they are, or some of the file's. */
export type FilePiece = Uint8Array<ArrayBuffer> | { readonly start: number; readonly end: number };
