/**
 * Compressing, one coding at a time; `compressor.ts` does it for both runtimes. Which coding a
 * response gets is not known here.
 */

/** Content codings by their names in HTTP. */
export type ContentCoding = "zstd" | "br" | "gzip";

export interface CompressorOptions {
  readonly coding: ContentCoding;
  readonly level: "fast" | "balanced" | "small";
}

/** Bytes in, compressed bytes out; one call at a time. Each gives what came out meanwhile. */
export interface Compressor {
  write(bytes: Uint8Array): Promise<readonly Uint8Array<ArrayBuffer>[]>;
  /** Brings out everything that was written. */
  flush(): Promise<readonly Uint8Array<ArrayBuffer>[]>;
  end(): Promise<readonly Uint8Array<ArrayBuffer>[]>;
  /** Frees what it holds; may be called again. */
  destroy(): void;
}
