/**
 * All that afcgi wants of the world outside, put together from a file for each concern.
 * `bun.ts` and `deno.ts` are its adapters, `tests/support/memory/` has the one for tests. An adapter is handed in,
 * nobody reaches for a global. Only this directory names Bun, Deno or node:*.
 */
import type { Clock } from "./clock.ts";
import type { Compressor, CompressorOptions } from "./content_coding.ts";
import type { Files } from "./files.ts";
import type { ListenHttp3 } from "./http3.ts";
import type { SendRequest } from "./https_client.ts";
import type { Network } from "./network.ts";
import type { Process } from "./process.ts";
import type { PrivateDirectory, PrivateDirectoryOptions } from "./private_directory.ts";
import type { Resolver } from "./resolver.ts";
import type { ServiceManager } from "./service_manager.ts";
import type { Spawner } from "./spawner.ts";
import type { Threads } from "./threads.ts";

/** What a runtime gives; see the top of this file. */
export interface Runtime extends Network {
  readonly name: "bun" | "deno" | "memory";
  readonly version: string;
  /** Such as `linux-x64`. */
  readonly platform: string;
  createCompressor(options: CompressorOptions): Compressor;
  /**
   * A whole body compressed at once, on this thread: half of what it costs to send it to another and
   * back. Undefined where that would take long: longer than 64 KiB, or at a level that is slow.
   */
  compressQuickly(
    bytes: Uint8Array,
    options: CompressorOptions,
  ): Uint8Array<ArrayBuffer> | undefined;
  readonly sendRequest: SendRequest;
  /** Left out: the runtime has no HTTP/3. */
  readonly listenHttp3?: ListenHttp3;
  readonly clock: Clock;
  readonly files: Files;
  /**
   * Opens a directory that is ours alone, and makes it where there is none. With `owner`, where we are
   * root, it and what is written belong to him.
   *
   * @throws {PrivateDirectoryError} also where others may change it, or exchange it for another
   */
  openPrivateDirectory(path: string, options?: PrivateDirectoryOptions): PrivateDirectory;
  readonly resolver: Resolver;
  /**
   * Whether bytes, 72 at most, are the password of a bcrypt hash `$2b$…`, found out on other threads.
   * Left out: the runtime has none for it.
   */
  checkBcrypt?(password: Uint8Array<ArrayBuffer>, hash: string): Promise<boolean>;
  readonly process: Process;
  /** Left out where there are none. */
  readonly threads?: Threads;
  readonly spawner: Spawner;
  /** Who started us as a service; left out: nobody can be told. */
  readonly serviceManager?: ServiceManager;
  /**
   * Frees what nobody uses any more, which stops everything for some milliseconds; where the runtime
   * has no such call, or sees to it well enough by itself, nothing.
   */
  collectGarbage(): void;
}
