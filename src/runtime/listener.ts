/** A listening socket, whatever its connections are handed over as. */
import type { Address, ListenAddress } from "./address.ts";

/** Why a listener accepts nothing for now: clients are too many, or descriptors have run out. */
export type PauseReason = "full" | "descriptors";

/** A listening socket. */
export interface ByteListener<Where extends ListenAddress = Address> {
  /** The address in force: with port 0, the port that the system chose. */
  readonly address: Where;
  /**
   * Accepts nothing more until {@link resume} was called for every reason; clients wait in the
   * system's queue meanwhile. Left out where that cannot be.
   */
  pause?(reason: PauseReason): void;
  resume?(reason: PauseReason): void;
  /** Stops accepting; connections live on. The path of a unix socket of our own is removed. */
  close(): void;
}
