/**
 * A native Deno connection as a pair of Web Streams. One read is always under way while there is room
 * for a piece, so the end of the peer is noticed at once.
 */
import { DenoPieces } from "./deno_pieces.ts";
import { StreamConnection } from "./stream_connection.ts";

export class DenoConnection extends StreamConnection {
  readonly #pieces: DenoPieces;
  #isClosed = false;

  constructor(conn: Deno.Conn, remote: string) {
    super(remote);
    this.#pieces = new DenoPieces(conn);
  }

  destroy(): void {
    this.#end(this.failure("was destroyed"));
  }

  protected override async onRoom(): Promise<void> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#pieces.read();
    } catch (error) {
      this.#end(this.failure("broke", error));
      return;
    }
    if (this.isReceiveDone) return;
    if (bytes !== undefined) {
      this.give(bytes);
      return;
    }
    this.closeReadable();
    this.#closeWhenDone();
  }

  protected override async send(chunk: Uint8Array): Promise<void> {
    try {
      await this.#pieces.write(chunk);
    } catch (cause) {
      this.isSendDone = true;
      this.#closeWhenDone();
      throw this.failure("was closed by the peer", cause);
    }
  }

  protected override async finish(): Promise<void> {
    if (this.isReceiveDone) return this.#close();
    await this.#pieces.closeWrite();
  }

  protected override async onReaderGone(): Promise<void> {
    this.#closeWhenDone();
    try {
      while (!this.#isClosed && await this.#pieces.read() !== undefined);
    } catch {
      this.failWritable(this.failure("broke"));
      this.#close();
    }
  }

  #end(reason: Error): void {
    if (this.#isClosed) return;
    this.failReadable(reason);
    this.failWritable(reason);
    this.#close();
  }

  #closeWhenDone(): void {
    if (this.isReceiveDone && this.isSendDone) this.#close();
  }

  #close(): void {
    this.#isClosed = true;
    this.#pieces.destroy();
  }
}
