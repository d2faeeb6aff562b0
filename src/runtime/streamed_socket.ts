/** A raw socket over a connection of streams, where the runtime has no better one. */
import type { SocketConnectOptions } from "./callback_socket.ts";
import type { ByteConnection } from "./connection.ts";
import type { PeerProgress } from "./peer_progress.ts";
import { openPieceSocket, type PieceConnection } from "./piece_socket.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Connects with the runtime's raw sockets, or over its streams.
 *
 * @throws {ConnectError} also when the signal fires before the connection stands
 */
export async function connectSocket(
  runtime: Pick<Runtime, "connect" | "connectSocket"> & Partial<Pick<Runtime, "tls">>,
  options: SocketConnectOptions,
): Promise<void> {
  const { address, tls, signal, onSocket } = options;
  if (tls === undefined && runtime.connectSocket !== undefined) {
    return runtime.connectSocket(options);
  }
  const connection = tls === undefined
    ? await runtime.connect(address, signal && { signal })
    : await runtime.tls!.connectChecked(address, tls, signal);
  openPieceSocket(new StreamPieces(connection), onSocket);
}

class StreamPieces implements PieceConnection {
  readonly #connection: ByteConnection;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(connection: ByteConnection) {
    this.#connection = connection;
    this.#reader = connection.readable.getReader();
    this.#writer = connection.writable.getWriter();
    // Each write tells of its own failure.
    this.#writer.closed.catch(() => {});
  }

  async read(): Promise<Uint8Array | undefined> {
    return (await this.#reader.read()).value;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#writer.close();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  peerProgress(mustBeOpen: boolean): PeerProgress {
    return this.#connection.peerProgress?.(mustBeOpen) ?? "unknown";
  }

  isAccepted(): boolean | undefined {
    return this.#connection.isAccepted?.();
  }
}
