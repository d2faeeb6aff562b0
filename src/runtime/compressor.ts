/**
 * Content codings by way of `node:zlib`, which both runtimes have with all three (measured: a flush
 * gives out everything that was written before it). What one compressor holds is bounded by its
 * window: 32 KiB for gzip, 256 KiB for br, 512 KiB for zstd, each with tables of two to four times
 * as much.
 */
import type { Compressor, CompressorOptions } from "./content_coding.ts";
import { zlibModule } from "./lazy_modules.ts";

const BROTLI_WINDOW_BITS = 18;
const ZSTD_WINDOW_BITS = 19;

/** The codings' own levels: what they cost differs, what they mean does not. */
const LEVELS = {
  fast: { gzip: 1, br: 1, zstd: 1 },
  balanced: { gzip: 5, br: 4, zstd: 3 },
  small: { gzip: 9, br: 7, zstd: 9 },
} as const;

type Zlib = ReturnType<typeof zlibModule>;
type ZlibStream = ReturnType<Zlib["createGzip"]> | ReturnType<Zlib["createZstdCompress"]>;

/** See `Runtime.createCompressor`. */
export function createCompressor(options: CompressorOptions): Compressor {
  const { constants, createBrotliCompress, createGzip, createZstdCompress } = zlibModule();
  switch (options.coding) {
    case "gzip":
      return new NodeCompressor(
        createGzip({ level: LEVELS[options.level].gzip }),
        constants.Z_SYNC_FLUSH,
      );
    case "br":
      return new NodeCompressor(
        createBrotliCompress({
          params: {
            [constants.BROTLI_PARAM_QUALITY]: LEVELS[options.level].br,
            [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
          },
        }),
        constants.BROTLI_OPERATION_FLUSH,
      );
    case "zstd":
      return new NodeCompressor(
        createZstdCompress({
          params: {
            [constants.ZSTD_c_compressionLevel]: LEVELS[options.level].zstd,
            [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_BITS,
          },
        }),
        constants.ZSTD_e_flush,
      );
  }
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
