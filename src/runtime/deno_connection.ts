/**
 * A native Deno connection as a pair of Web Streams. Deno's own `conn.readable` allocates 64 KiB for
 * every read; here a connection keeps one buffer and gives away what a read filled: a copy when it is
 * little, the buffer itself when it is much. One read is always under way while there is room for a
 * piece, so the end of the peer is noticed at once.
 */
import { errorCode } from "./failures.ts";
import type { ByteConnection } from "./connection.ts";

/** Pieces that may wait to be read. */
const READ_AHEAD_PIECES = 1;
const BUFFER_LENGTH = 64 * 1024;
/** Beyond it a read's buffer is given away instead of copied. */
const COPY_LENGTH_MAX = BUFFER_LENGTH / 2;

/** One connection. */
export class DenoConnection implements ByteConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly remote: string;
  readonly #conn: Deno.Conn;
  #incoming!: ReadableStreamDefaultController<Uint8Array>;
  #outgoing!: WritableStreamDefaultController;
  #buffer = new Uint8Array(BUFFER_LENGTH);
  #receiveDone = false;
  #sendDone = false;
  #closed = false;
  /** A reset that a write met; the kernel tells it once, and reading then finds a clean end. */
  #reset: unknown;

  constructor(conn: Deno.Conn, remote: string) {
    this.#conn = conn;
    this.remote = remote;
    if (isTcp(conn)) conn.setNoDelay(true);
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#incoming = controller),
      pull: () => this.#read(),
      cancel: () => void this.#discardIncoming(),
    }, { highWaterMark: READ_AHEAD_PIECES });
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => void (this.#outgoing = controller),
      write: (chunk) => this.#write(chunk),
      close: () => this.#finish(),
      abort: () => this.destroy(),
    });
  }

  destroy(): void {
    if (this.#closed) return;
    const gone = new Error(`Connection with ${this.remote} was destroyed`);
    this.#failReadable(gone);
    this.#failWritable(gone);
    this.#close();
  }

  async #read(): Promise<void> {
    let count: number | null;
    try {
      count = await this.#conn.read(this.#buffer);
    } catch (error) {
      this.#broke(error);
      return;
    }
    if (this.#receiveDone) return;
    if (count === null && this.#reset !== undefined) {
      this.#broke(this.#reset);
    } else if (count === null) {
      this.#receiveDone = true;
      this.#incoming.close();
      this.#closeWhenDone();
    } else {
      this.#incoming.enqueue(this.#taken(count));
    }
  }

  #taken(count: number): Uint8Array {
    if (count <= COPY_LENGTH_MAX) return this.#buffer.slice(0, count);
    const full = this.#buffer.subarray(0, count);
    this.#buffer = new Uint8Array(BUFFER_LENGTH);
    return full;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    try {
      let rest = chunk;
      while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
    } catch (cause) {
      // The peer takes nothing more; what it sent before can still be read.
      if (errorCode(cause) === "ECONNRESET") this.#reset = cause;
      this.#sendDone = true;
      this.#closeWhenDone();
      throw new Error(`Connection with ${this.remote} was closed by the peer`, { cause });
    }
  }

  async #finish(): Promise<void> {
    this.#sendDone = true;
    if (this.#receiveDone) return this.#close();
    try {
      await this.#conn.closeWrite();
    } catch {
      // The peer was faster; reading tells what has become of the connection.
    }
  }

  /** The reader has left: what comes is dropped until the peer ends or we do. */
  async #discardIncoming(): Promise<void> {
    this.#receiveDone = true;
    this.#closeWhenDone();
    try {
      while (!this.#closed && await this.#conn.read(this.#buffer) !== null);
    } catch {
      this.#failWritable(new Error(`Connection with ${this.remote} broke`));
      this.#close();
    }
  }

  #broke(cause: unknown): void {
    if (this.#closed) return;
    const broken = new Error(`Connection with ${this.remote} broke`, { cause });
    this.#failReadable(broken);
    this.#failWritable(broken);
    this.#close();
  }

  #failReadable(reason: Error): void {
    if (this.#receiveDone) return;
    this.#receiveDone = true;
    this.#incoming.error(reason);
  }

  #failWritable(reason: Error): void {
    if (this.#sendDone) return;
    this.#sendDone = true;
    this.#outgoing.error(reason);
  }

  #closeWhenDone(): void {
    if (this.#receiveDone && this.#sendDone) this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }
}

function isTcp(conn: Deno.Conn): conn is Deno.TcpConn {
  return conn.remoteAddr.transport === "tcp";
}
