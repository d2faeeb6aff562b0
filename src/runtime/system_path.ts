/**
 * A path as `node:fs` takes it. One with bytes that are no UTF-8 (`raw_bytes.ts`) is handed over as
 * bytes, which Bun does; Deno (2.9.6) makes U+FFFD of them, which is the name of another file, so there
 * is none under such a path.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { bytesOfText, hasRawBytes, textOfBytes } from "./raw_bytes.ts";

/** Undefined where no file can have it. */
export function systemPath(path: string): string | Buffer | undefined {
  if (!hasRawBytes(path)) return path;
  if (process.versions["bun"] === undefined) return undefined;
  return Buffer.from(bytesOfText(path), "latin1");
}

/** The other way. */
export function textOfSystemPath(bytes: Buffer): string {
  return textOfBytes(bytes.toString("latin1"));
}
