/** A listening socket, whatever its connections are handed over as. */
import type { Address, ListenAddress } from "./address.ts";
import type { SocketTlsOptions } from "./callback_socket.ts";

/**
 * Why a listener accepts nothing for now: clients are too many, descriptors have run out, or its
 * configuration does not serve yet.
 */
export type PauseReason = "full" | "descriptors" | "preparing";

export interface ByteListener<Where extends ListenAddress = Address> {
  /** The address in force: with port 0, the port that the system chose. */
  readonly address: Where;
  /**
   * Accepts nothing more until {@link resume} was called for every reason; clients wait in the
   * system's queue meanwhile. Left out where that cannot be.
   */
  pause?(reason: PauseReason): void;
  resume?(reason: PauseReason): void;
  /** Handshakes from now on are done so; left out where there is no TLS. */
  configureTls?(tls: Partial<SocketTlsOptions>): void;
  /** That of the socket, to hand it over to another process; undefined where nobody knows it. */
  readonly descriptor?: number | undefined;
  /** Another descriptor of the same socket, the caller's; undefined where there is no room for it. */
  duplicate?(): number | undefined;
  /** Stops accepting; connections live on. The path of a unix socket of our own is removed. */
  close(): void;
  /** From now on `close` leaves the path of a unix socket alone: somebody else listens there, too. */
  keepFile?(): void;
}
