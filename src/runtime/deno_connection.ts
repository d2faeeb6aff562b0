/**
 * A native Deno connection as a pair of Web Streams. Deno's own `conn.readable` allocates 64 KiB for
 * every read; here a connection keeps one buffer and gives away what a read filled: a copy when it is
 * little, the buffer itself when it is much. One read is always under way while there is room for a
 * piece, so the end of the peer is noticed at once.
 */
import { errorCode } from "./failures.ts";
import { StreamConnection } from "./stream_connection.ts";

const BUFFER_LENGTH = 64 * 1024;
/** Beyond it a read's buffer is given away instead of copied. */
const COPY_LENGTH_MAX = BUFFER_LENGTH / 2;

export class DenoConnection extends StreamConnection {
  readonly #conn: Deno.Conn;
  #buffer = new Uint8Array(BUFFER_LENGTH);
  #closed = false;
  /** A reset that a write met; the kernel tells it once, and reading then finds a clean end. */
  #reset: unknown;

  constructor(conn: Deno.Conn, remote: string) {
    super(remote);
    this.#conn = conn;
    if (isTcp(conn)) conn.setNoDelay(true);
  }

  destroy(): void {
    this.#end(this.failure("was destroyed"));
  }

  protected override async onRoom(): Promise<void> {
    let count: number | null;
    try {
      count = await this.#conn.read(this.#buffer);
    } catch (error) {
      this.#broke(error);
      return;
    }
    if (this.isReceiveDone) return;
    if (count === null && this.#reset !== undefined) {
      this.#broke(this.#reset);
    } else if (count === null) {
      this.closeReadable();
      this.#closeWhenDone();
    } else {
      this.give(this.#taken(count));
    }
  }

  #taken(count: number): Uint8Array {
    if (count <= COPY_LENGTH_MAX) return this.#buffer.slice(0, count);
    const full = this.#buffer.subarray(0, count);
    this.#buffer = new Uint8Array(BUFFER_LENGTH);
    return full;
  }

  protected override async send(chunk: Uint8Array): Promise<void> {
    try {
      let rest = chunk;
      while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
    } catch (cause) {
      // The peer takes nothing more; what it sent before can still be read.
      if (errorCode(cause) === "ECONNRESET") this.#reset = cause;
      this.isSendDone = true;
      this.#closeWhenDone();
      throw this.failure("was closed by the peer", cause);
    }
  }

  protected override async finish(): Promise<void> {
    if (this.isReceiveDone) return this.#close();
    try {
      await this.#conn.closeWrite();
    } catch {
      // The peer was faster; reading tells what has become of the connection.
    }
  }

  protected override async onReaderGone(): Promise<void> {
    this.#closeWhenDone();
    try {
      while (!this.#closed && await this.#conn.read(this.#buffer) !== null);
    } catch {
      this.failWritable(this.failure("broke"));
      this.#close();
    }
  }

  #broke(cause: unknown): void {
    this.#end(this.failure("broke", cause));
  }

  #end(reason: Error): void {
    if (this.#closed) return;
    this.failReadable(reason);
    this.failWritable(reason);
    this.#close();
  }

  #closeWhenDone(): void {
    if (this.isReceiveDone && this.isSendDone) this.#close();
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
