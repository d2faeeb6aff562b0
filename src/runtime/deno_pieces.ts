/**
 * Reads and writes of a native Deno connection. Deno's own `conn.readable` allocates 64 KiB for
 * every read; here a connection keeps one buffer and gives away what a read filled: a copy when it is
 * little, the buffer itself when it is much.
 */
import { errorCode } from "./failures.ts";
import type { PieceConnection } from "./piece_socket.ts";

const BUFFER_LENGTH = 64 * 1024;
/** Beyond it a read's buffer is given away instead of copied. */
const COPY_LENGTH_MAX = BUFFER_LENGTH / 2;

export class DenoPieces implements PieceConnection {
  readonly #conn: Deno.Conn;
  #buffer = new Uint8Array(BUFFER_LENGTH);
  #isClosed = false;
  /** A reset that a write met; the kernel tells it once, and reading then finds a clean end. */
  #reset: unknown;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    if (isTcp(conn)) conn.setNoDelay(true);
  }

  async read(): Promise<Uint8Array | undefined> {
    const count = await this.#conn.read(this.#buffer);
    if (count === null && this.#reset !== undefined) throw this.#reset;
    return count === null ? undefined : this.#taken(count);
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      let rest = bytes;
      while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
    } catch (cause) {
      // The peer takes nothing more; what it sent before can still be read.
      if (errorCode(cause) === "ECONNRESET") this.#reset = cause;
      throw cause;
    }
  }

  async closeWrite(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch {
      // The peer was faster; reading tells what has become of the connection.
    }
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  #taken(count: number): Uint8Array {
    if (count <= COPY_LENGTH_MAX) return this.#buffer.slice(0, count);
    const full = this.#buffer.subarray(0, count);
    this.#buffer = new Uint8Array(BUFFER_LENGTH);
    return full;
  }
}

function isTcp(conn: Deno.Conn): conn is Deno.TcpConn {
  return conn.remoteAddr.transport === "tcp";
}
