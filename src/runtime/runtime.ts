/**
 * All that afcgi wants of the world outside: sockets, files, time, its process.
 * One interface; `bun.ts` and `deno.ts` are its adapters, `memory.ts` is the one for tests. An
 * adapter is handed in, nobody reaches for a global. Only this folder names Bun, Deno or node:*.
 */
import type { Address, InheritedAddress } from "./address.ts";
import type { ByteConnection } from "./connection.ts";
import type { FileInfo } from "./file_info.ts";
import type { ByteListener } from "./listener.ts";
import type { OpenFile } from "./open_file.ts";
import type { RawConnectOptions, RawListenOptions } from "./raw_socket.ts";
import type { TlsNetwork } from "./tls.ts";
import type { Spawning } from "./spawning.ts";

export type { ByteListener, PauseReason } from "./listener.ts";
export type { ByteConnection, HttpPeer, TlsFiles } from "./connection.ts";
export type { FileInfo, FilePiece } from "./file_info.ts";
export type { OpenFile } from "./open_file.ts";

/** Names in a folder, in the order of the file system. */
export interface FolderNames {
  readonly names: readonly string[];
  /** Whether there are more than were asked for. */
  readonly hasMore: boolean;
}

/** Whom a file belongs to, and what its owner, its group and others may do (`chmod`). */
export interface FileAccess {
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
}

/** A file without a name that holds what does not fit in memory; closing it frees its space. */
export interface TemporaryFile {
  /** All of the pieces, one behind the other. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Up to `length` bytes from `offset`; fewer only at the end of what was appended. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/**
 * Look-ups are synchronous: from the page cache they take some microseconds, a thread more. What is
 * not there is `undefined`, and only that: where the system cannot tell, it is a {@link FileError}.
 */
export interface Files {
  /** Follows links; undefined when there is nothing. @throws {FileError} */
  stat(path: string): FileInfo | undefined;
  /**
   * Who may do what with it; undefined when there is nothing, or where nobody knows (Windows).
   *
   * @throws {FileError}
   */
  access(path: string): FileAccess | undefined;
  /** The path without links and dots; undefined when there is nothing there. @throws {FileError} */
  realPath(path: string): string | undefined;
  /** Of a regular file, which is read at once. @throws {FileError} also when there is none */
  readText(path: string): Promise<string>;
  /**
   * Writes a file that only we may read, unless there is one: false. It is there whole or not at
   * all, whoever else does the same, and its folder is made if need be.
   *
   * @throws with the operating system's reason
   */
  createText(path: string, text: string): Promise<boolean>;
  /**
   * Opens a regular file for reading, by a path without links. Undefined when there is none: nothing,
   * a link by now, a folder, a FIFO, a socket, a device.
   *
   * @throws {FileError} also when it may not be read (`isDenied`)
   */
  openNow(path: string): OpenFile | undefined;
  /** Names in a folder, at most `namesMax`. @throws {FileError} also when there is none */
  list(path: string, namesMax: number): Promise<FolderNames>;
  /** In the system's folder for temporary files; no other process can open it. */
  temporary(): Promise<TemporaryFile>;
  /** Why lines could not be appended to a file; undefined: they could. Left out: nobody knows. */
  readonly whyNotAppend?: (path: string) => string | undefined;
  /** A stream that appends lines to a file, for logs. */
  appendStream(path: string): Promise<TextSink>;
}

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

/** Where text goes; writes are batched by who calls. */
export interface TextSink {
  write(text: string): void;
  /** Resolves when all text is with the operating system, or when nobody takes it. */
  flush(): Promise<void>;
  /** Lines that were lost because nobody took them; left out where none ever is. */
  readonly lostLines?: number;
  /** Set by who wants to know that lines are taken again, and how many were not. */
  onRecovered?: ((lines: number) => void) | undefined;
  /** Opens the file at the same path anew; left out where there is none. */
  reopen?(): void;
}

/** A running timer. */
export type TimerId = { readonly brand: "timer" } | number;

/** Time; a test hands in one that it moves by hand. */
export interface Clock {
  /** Milliseconds that never go back; their zero means nothing. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Calls once after `delayMs`. */
  setTimer(callback: () => void, delayMs: number): TimerId;
  clearTimer(id: TimerId): void;
  /** Calls once after every event of this turn of the event loop has been handled. */
  atTurnEnd(callback: () => void): void;
}

export type Signal =
  | "SIGTERM"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGHUP"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGWINCH";

/** Our own process. */
export interface Process {
  /** Arguments behind the program's name. */
  readonly args: readonly string[];
  readonly pid: number;
  readonly cpuCount: number;
  /** How many descriptors may be open; undefined where nobody knows. */
  readonly descriptorLimit: number | undefined;
  /** Whether so many more could be opened now; yes, where nobody knows. */
  hasDescriptors(count: number): boolean;
  env(name: string): string | undefined;
  /** Every variable, for programs that we start. */
  allEnv(): Readonly<Record<string, string>>;
  cwd(): string;
  exit(code: number): never;
  onSignal(signal: Signal, callback: () => void): void;
  readonly stdout: TextSink & { readonly isTerminal: boolean };
  readonly stderr: TextSink & { readonly isTerminal: boolean };
  /** From here on, standard output and error never make the program wait; they may lose lines. */
  unblockOutput(): void;
  /** Writes bytes to standard output and waits until they are taken. */
  writeStdout(bytes: Uint8Array): Promise<void>;
  readonly stdin: ReadableStream<Uint8Array>;
}

/**
 * Why a connection could not be made; "full" means alive but without room (EAGAIN), "local" that we
 * have no descriptor, memory or port for it, which says nothing of the other side.
 */
export type ConnectFailure = "refused" | "full" | "unreachable" | "aborted" | "local";

/** A connection that could not be made. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly failure: ConnectFailure;

  constructor(failure: ConnectFailure, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.failure = failure;
  }
}

/** A listener that could not be opened: port in use, no such folder, no permission. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** What the name service says of a host. */
export interface HostAnswer {
  /** IPv4 and IPv6 addresses; at least one. */
  readonly addresses: readonly string[];
  /** How long it is good; undefined where the name service does not tell. */
  readonly ttlMs: number | undefined;
}

/** One record of a service (SRV, RFC 2782). */
export interface ServiceRecord {
  readonly host: string;
  readonly port: number;
  /** The lowest first. */
  readonly priority: number;
  readonly weight: number;
}

export interface ServiceAnswer {
  /** At least one. */
  readonly records: readonly ServiceRecord[];
  readonly ttlMs: number | undefined;
}

/**
 * From names to addresses. `nameServers` are addresses with or without a port; with none the system
 * is asked, for hosts as every program asks it (getaddrinfo: hosts file, then DNS). A question ends
 * by itself; it cannot be called off.
 */
export interface Names {
  /** @throws {NameError} */
  host(name: string, nameServers: readonly string[]): Promise<HostAnswer>;
  /** @throws {NameError} */
  service(name: string, nameServers: readonly string[]): Promise<ServiceAnswer>;
}

/** A name that has no address: `unknown` is an answer, `unavailable` is none. */
export type NameFailure = "unknown" | "unavailable";

/** A name that could not be looked up. */
export class NameError extends Error {
  override readonly name = "NameError";
  readonly failure: NameFailure;

  constructor(failure: NameFailure, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.failure = failure;
  }
}

/** What a runtime gives; see the head of this file. */
export interface Runtime {
  readonly name: "bun" | "deno" | "memory";
  readonly version: string;
  /** Such as `linux-x64`. */
  readonly platform: string;
  /** @throws {ConnectError} also when `signal` fires before the connection stands */
  connect(address: Address, options?: { signal?: AbortSignal }): Promise<ByteConnection>;
  /**
   * As `connect`, but to a socket with callbacks; left out where there are none.
   *
   * @throws {ConnectError}
   */
  readonly connectRaw?: (options: RawConnectOptions) => Promise<void>;
  /** @throws {ListenError} */
  listen(
    address: Address,
    onConnection: (connection: ByteConnection) => void,
  ): Promise<ByteListener>;
  /**
   * Accepts on a socket that listens already. A peer without an address of its own is called after
   * the descriptor.
   *
   * @throws {ListenError} when the descriptor is no listening socket
   */
  listenInherited(
    descriptor: number,
    onConnection: (connection: ByteConnection) => void,
  ): Promise<ByteListener<InheritedAddress>>;
  /**
   * Accepts clients as sockets with callbacks.
   *
   * @throws {ListenError}
   */
  listenRaw(options: RawListenOptions): Promise<ByteListener>;
  /** Byte streams over TLS. */
  readonly tls: TlsNetwork;
  createCompressor(options: CompressorOptions): Compressor;
  readonly clock: Clock;
  readonly files: Files;
  readonly names: Names;
  readonly process: Process;
  readonly spawning: Spawning;
  /**
   * Frees what nobody uses any more, which stops everything for some milliseconds; where the runtime
   * has no such call, or sees to it well enough by itself, nothing.
   */
  collectGarbage(): void;
}
