/**
 * Content codings by way of `node:zlib`, which both runtimes have with all three (measured: a flush
 * gives out everything that was written before it). What one compressor holds is bounded by its
 * window: 32 KiB for gzip, 256 KiB for br, 512 KiB for zstd, each with tables of two to four times
 * as much.
 */
import type { Compressor, CompressorOptions, ContentCoding } from "./content_coding.ts";
import { zlibModule } from "./lazy_modules.ts";

const BROTLI_WINDOW_BITS = 18;
const ZSTD_WINDOW_BITS = 19;

/** A longer body is compressed in pieces, on another thread. */
export const QUICK_LENGTH_MAX = 64 * 1024;

/** The codings' own levels: what they cost differs, what they mean does not. */
const LEVELS = {
  fast: { gzip: 1, br: 1, zstd: 1 },
  balanced: { gzip: 5, br: 4, zstd: 3 },
  small: { gzip: 9, br: 7, zstd: 9 },
} as const;

/** Levels at which a body of 64 KiB takes half a millisecond, and not several. */
const QUICK_LEVELS: Readonly<Record<ContentCoding, readonly CompressorOptions["level"][]>> = {
  gzip: ["fast", "balanced"],
  br: ["fast"],
  zstd: ["fast", "balanced"],
};

type Zlib = ReturnType<typeof zlibModule>;
type ZlibStream = ReturnType<Zlib["createGzip"]> | ReturnType<Zlib["createZstdCompress"]>;

/** See `Runtime.createCompressor`. */
export function createCompressor(options: CompressorOptions): Compressor {
  const { constants, createBrotliCompress, createGzip, createZstdCompress } = zlibModule();
  switch (options.coding) {
    case "gzip":
      return new NodeCompressor(createGzip(gzipOptions(options)), constants.Z_SYNC_FLUSH);
    case "br":
      return new NodeCompressor(
        createBrotliCompress(brotliOptions(options)),
        constants.BROTLI_OPERATION_FLUSH,
      );
    case "zstd":
      return new NodeCompressor(createZstdCompress(zstdOptions(options)), constants.ZSTD_e_flush);
  }
}

/** See `Runtime.compressQuickly`. */
export function compressQuickly(
  bytes: Uint8Array,
  options: CompressorOptions,
): Uint8Array<ArrayBuffer> | undefined {
  const { coding, level } = options;
  if (bytes.length > QUICK_LENGTH_MAX || !QUICK_LEVELS[coding].includes(level)) return undefined;
  const { brotliCompressSync, gzipSync, zstdCompressSync } = zlibModule();
  switch (coding) {
    case "gzip":
      return gzipSync(bytes, gzipOptions(options));
    case "br":
      return brotliCompressSync(bytes, brotliOptions(options));
    case "zstd":
      return zstdCompressSync(bytes, zstdOptions(options));
  }
}

function gzipOptions({ level }: CompressorOptions) {
  return { level: LEVELS[level].gzip };
}

function brotliOptions({ level }: CompressorOptions) {
  const { constants } = zlibModule();
  return {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: LEVELS[level].br,
      [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
    },
  };
}

function zstdOptions({ level }: CompressorOptions) {
  const { constants } = zlibModule();
  return {
    params: {
      [constants.ZSTD_c_compressionLevel]: LEVELS[level].zstd,
      [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_BITS,
    },
  };
}

class NodeCompressor implements Compressor {
  readonly #stream: ZlibStream;
  readonly #flushKind: number;
  #output: Uint8Array<ArrayBuffer>[] = [];
  #reject: ((error: Error) => void) | undefined;

  constructor(stream: ZlibStream, flushKind: number) {
    this.#stream = stream;
    this.#flushKind = flushKind;
    stream.on("data", (bytes: Uint8Array<ArrayBuffer>) => this.#output.push(bytes));
    stream.on("error", (error) => this.#reject?.(error));
  }

  write(bytes: Uint8Array): Promise<readonly Uint8Array<ArrayBuffer>[]> {
    return this.#step((done) => this.#stream.write(bytes, done));
  }

  flush(): Promise<readonly Uint8Array<ArrayBuffer>[]> {
    return this.#step((done) => this.#stream.flush(this.#flushKind, done));
  }

  end(): Promise<readonly Uint8Array<ArrayBuffer>[]> {
    return this.#step((done) => {
      this.#stream.once("end", done);
      this.#stream.end();
    });
  }

  destroy(): void {
    this.#stream.destroy();
  }

  /** One thing at a time; gives what came out meanwhile. */
  #step(start: (done: () => void) => void): Promise<readonly Uint8Array<ArrayBuffer>[]> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      start(() => {
        const output = this.#output;
        this.#output = [];
        resolve(output);
      });
    });
  }
}
