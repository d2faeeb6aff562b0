/**
 * Connections and listeners, and why there may be none. As streams (`connect`, `listen`) they are for
 * what is rare, as sockets with callbacks (`connectSocket`, `listenSockets`) for every request.
 */
import type { Address, InheritedAddress } from "./address.ts";
import type { ByteConnection } from "./connection.ts";
import type { ByteListener } from "./listener.ts";
import type {
  SocketConnectOptions,
  SocketListenOptions,
  SocketTlsOptions,
} from "./callback_socket.ts";
import type { TlsNetwork } from "./tls.ts";

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

/** A listener that could not be opened: port in use, no such directory, no permission. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Takes connections that somebody else has accepted. */
export interface SocketAdopter {
  /**
   * The descriptor of a client's connection; it is the adopter's from now on. `onGone` is called once,
   * when the connection is no more.
   */
  adopt(descriptor: number, onGone: () => void): void;
  /** As that of {@link ByteListener}. */
  configureTls(changes: Partial<SocketTlsOptions>): void;
  /** Cuts handshakes that are under way; connections live on. */
  close(): void;
}

/** What a runtime can connect to, and what it can listen on. */
export interface Network {
  /** @throws {ConnectError} also when `signal` fires before the connection stands */
  connect(address: Address, options?: { signal?: AbortSignal }): Promise<ByteConnection>;
  /**
   * As `connect`, but to a socket with callbacks; left out where there are none.
   *
   * @throws {ConnectError}
   */
  readonly connectSocket?: (options: SocketConnectOptions) => Promise<void>;
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
  /** Accepts clients as sockets with callbacks. @throws {ListenError} */
  listenSockets(options: SocketListenOptions): Promise<ByteListener>;
  /**
   * Accepts clients for others of the process: each is a descriptor, which is the receiver's to close.
   * Left out where that cannot be.
   *
   * @throws {ListenError}
   */
  readonly acceptDescriptors?: (
    options: Omit<SocketListenOptions, "onSocket" | "tls">,
    onDescriptor: (descriptor: number) => void,
  ) => Promise<ByteListener>;
  /** Serves clients that were accepted elsewhere in the process. Left out where that cannot be. */
  readonly adoptSockets?: (options: SocketListenOptions) => Promise<SocketAdopter>;
  readonly closeDescriptor?: (descriptor: number) => void;
  /** Byte streams over TLS. */
  readonly tls: TlsNetwork;
}
