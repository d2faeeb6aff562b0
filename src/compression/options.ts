/** What compression can be told. */
import { type Encoding, ENCODINGS } from "./accept_encoding.ts";

/** How much work is put into it. */
export const COMPRESSION_LEVELS = ["fast", "balanced", "small"] as const;

export interface CompressionOptions {
  /** Codings to offer, the best first. */
  readonly encodings: readonly Encoding[];
  /** Fewest bytes of a body that is compressed; one of unknown length always is. */
  readonly minSize: number;
  /** Media types: exact, `text/*`, or a suffix such as `*+json`. */
  readonly types: readonly string[];
  readonly level: (typeof COMPRESSION_LEVELS)[number];
  /** Most responses that are compressed at a time; more go out as they are. */
  readonly concurrentMax: number;
}

/** Below a kilobyte a packet goes out either way. */
export const COMPRESSION_DEFAULTS: CompressionOptions = {
  encodings: ENCODINGS,
  minSize: 1024,
  types: [
    "text/*",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "application/manifest+json",
    "*+json",
    "*+xml",
    "font/ttf",
    "font/otf",
    "image/bmp",
    "image/vnd.microsoft.icon",
  ],
  level: "balanced",
  concurrentMax: 256,
};
