/** A client's connection as its server looks after it, whatever version of HTTP is spoken on it. */
import type { SocketEvents } from "../runtime/callback_socket.ts";
import type { ClientPhase } from "./client_phase.ts";

export interface ServedConnection extends SocketEvents {
  readonly phase: ClientPhase;
  /** Whether all that was to say is with the system. */
  readonly isFlushed: boolean;
  /** Resolves when it {@link isFlushed}; asked once. */
  untilFlushed(): Promise<void>;
  /** The server stops soon: a client that can be told so is. */
  announceStop(): void;
  /** Ends the connection softly when it has nothing to do. */
  stop(): void;
  /** Ends the connection at once; a client that lacks some of a response sees that it does. */
  destroy(): void;
  /** Called now and then: ends what has taken too long. */
  checkTimeouts(nowMs: number): void;
}
