/**
 * Clients of a TLS listener from their TCP connection on, because a client that never finishes its
 * handshake is a client too. A handshake has a time limit, fails once, with one reason, and is known
 * by its TCP socket, which is there before TLS is (the error of a handshake has forgotten on Deno
 * whose it was).
 */
import type { Socket } from "node:net";
import type { HttpPeer } from "./connection.ts";
import type { OnHandshakeFailed } from "./callback_socket.ts";
import type { HandshakeFailure } from "./tls_details.ts";

/** How long a client that spoke plain text may take to read that it should not have. */
const PLAIN_CLOSE_MS = 1_000;

export interface Handshake {
  readonly peer: HttpPeer;
  /** The name that the client asks for, once it has; empty where it asks for none. */
  serverName: string;
  timer: ReturnType<typeof setTimeout>;
}

export interface HandshakeWatch {
  readonly handshakeTimeoutMs: number;
  readonly onGone?: (peer: HttpPeer) => void;
  readonly onHandshakeFailed?: OnHandshakeFailed;
}

export class Handshakes {
  #watch: HandshakeWatch;
  readonly #open = new Map<Socket, Handshake>();
  /** Clients that were told something, and have yet to read it. */
  readonly #told = new Set<Socket>();

  constructor(watch: HandshakeWatch) {
    this.#watch = watch;
  }

  /** Holds for handshakes from now on. */
  configure(watch: HandshakeWatch): void {
    this.#watch = watch;
  }

  /** A client has connected. */
  begin(socket: Socket, peer: HttpPeer): void {
    const timer = setTimeout(() => {
      this.fail(socket, "timeout", "It was not done in time");
    }, this.#watch.handshakeTimeoutMs);
    this.#open.set(socket, { peer, serverName: "", timer });
    // What it says, "close" says as well.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#told.delete(socket);
      this.fail(socket, "client_left", "The client left");
      this.#watch.onGone?.(peer);
    });
  }

  /** What the client asks for is known. */
  named(socket: Socket, serverName: string): void {
    const handshake = this.#open.get(socket);
    if (handshake !== undefined) handshake.serverName = serverName;
  }

  isOpen(socket: Socket): boolean {
    return this.#open.has(socket);
  }

  /** Whose handshake is done; undefined where it had failed before. */
  end(socket: Socket): Handshake | undefined {
    const handshake = this.#open.get(socket);
    clearTimeout(handshake?.timer);
    this.#open.delete(socket);
    return handshake;
  }

  /** Ends the connection, behind a last word where there is one; the first reason counts. */
  fail(socket: Socket, failure: HandshakeFailure, message: string, lastWord?: Uint8Array): void {
    const handshake = this.end(socket);
    if (handshake === undefined) return;
    this.#watch.onHandshakeFailed?.(handshake.peer, message, failure);
    if (lastWord === undefined) return void socket.destroy();
    this.#told.add(socket);
    const timer = setTimeout(() => socket.destroy(), PLAIN_CLOSE_MS);
    socket.on("close", () => clearTimeout(timer));
    socket.on("end", () => socket.destroy());
    // What is not read would reset the connection, and the word be lost.
    socket.resume();
    socket.end(lastWord);
  }

  /** Nobody is to become a client any more. */
  cut(): void {
    for (const socket of [...this.#open.keys(), ...this.#told]) {
      this.end(socket);
      socket.destroy();
    }
  }
}
