/**
 * Bun's socket as a raw one. Bun hands over memory of its own for each piece that comes in, and
 * `socket.write` takes what the kernel takes; the rest waits here for `drain`. About `end()` and
 * `shutdown()` see bun_connection.ts. Callbacks are shared by all sockets and find ours in
 * `socket.data`, which Bun wants before there is a socket.
 */
import type { InspectedSocket, PeerInspector } from "./bun_peer_progress.ts";
import type { FileSender } from "./bun_sendfile.ts";
import { peerHost } from "./peer.ts";
import type { PeerProgress } from "./peer_progress.ts";
import type { AcceptedSocket, SocketEvents } from "./callback_socket.ts";
import type { OpenFile } from "./open_file.ts";
import { reportUnexpected } from "./unexpected.ts";

/** Bun's types do not know the descriptor. */
export type NativeSocket = Bun.Socket<BunCallbackSocket> & InspectedSocket;

/** What Bun calls for every raw socket of ours; it would take what they throw for an error of the socket. */
export const BUN_CALLBACK_HANDLERS = {
  binaryType: "uint8array",
  open: (socket) => openRaw(socket as NativeSocket),
  data(socket, bytes) {
    try {
      socket.data.events.received(bytes);
    } catch (error) {
      threw(socket, error, "received");
    }
  },
  drain(socket) {
    try {
      socket.data.drain();
    } catch (error) {
      threw(socket, error, "drained");
    }
  },
  end(socket) {
    try {
      socket.data.events.peerEnded();
    } catch (error) {
      threw(socket, error, "peerEnded");
    }
  },
  close(socket, error) {
    try {
      socket.data?.closed(error);
    } catch (thrown) {
      threw(socket, thrown, "closed");
    }
  },
  error: (socket, error) => socket.data?.broke(error),
  // Without it Bun reports a failed connect as an unhandled rejection too.
  connectError() {},
} as const satisfies Bun.SocketHandler<BunCallbackSocket>;

/** The socket is there; the address where it was asked for already. */
export function openRaw(socket: NativeSocket, remoteAddress = socket.remoteAddress): void {
  try {
    socket.data.opened(socket, remoteAddress);
  } catch (error) {
    threw(socket, error, "onSocket");
  }
}

/** A handler of ours threw: the connection is in no state that anybody knows, so it ends. */
function threw(socket: Bun.Socket<BunCallbackSocket>, error: unknown, handler: string): void {
  reportUnexpected(error, `${handler} of a socket`);
  socket.terminate();
}

/** Who hears of a socket that never opened. */
const NOBODY: SocketEvents = { received() {}, drained() {}, peerEnded() {}, closed() {} };

/** One socket; made before it is there. */
export class BunCallbackSocket implements AcceptedSocket {
  host = "";
  port = 0;
  events: SocketEvents = NOBODY;
  readonly #onSocket: (socket: BunCallbackSocket) => SocketEvents;
  readonly #files: FileSender | undefined;
  readonly #inspector: PeerInspector | undefined;
  /** For TCP: made when it is asked first; null where nobody could answer it. */
  #question: Uint8Array<ArrayBuffer> | null | undefined;
  /** Whether the system has ever known the peer's socket. */
  #isPeerKnown = false;
  #socket!: NativeSocket;
  /** What the system did not take. */
  #waiting: Uint8Array[] = [];
  #unsentLength = 0;
  #isBroken = false;
  #isEnding = false;
  #isGone = false;
  #error: Error | undefined;

  constructor(
    onSocket: (socket: BunCallbackSocket) => SocketEvents,
    files: FileSender | undefined = undefined,
    inspector: PeerInspector | undefined = undefined,
  ) {
    this.#onSocket = onSocket;
    this.#files = files;
    this.#inspector = inspector;
  }

  get unsentLength(): number {
    return this.#unsentLength;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  opened(socket: NativeSocket, remoteAddress: string): void {
    this.#socket = socket;
    if (this.#isGone) {
      socket.terminate();
      return;
    }
    socket.setNoDelay(true);
    if (remoteAddress) {
      this.host = peerHost(remoteAddress);
      this.port = socket.remotePort;
    }
    this.events = this.#onSocket(this);
  }

  /** Nobody waits for it any more: it is closed as it opens. */
  callOff(): void {
    this.#isGone = true;
  }

  write(bytes: Uint8Array): boolean {
    const taken = this.#send(bytes, bytes.length);
    if (taken === bytes.length) return true;
    if (taken >= 0) this.#wait(bytes.subarray(taken));
    return false;
  }

  writeLent(bytes: Uint8Array, length: number): boolean {
    const taken = this.#send(bytes, length);
    if (taken === length) return true;
    if (taken >= 0) this.#wait(bytes.slice(taken, length));
    return false;
  }

  writeAhead(bytes: Uint8Array, length: number): boolean {
    const isFree = !this.#isGone && !this.#isBroken && this.#waiting.length === 0;
    if (this.#files === undefined || !isFree) return this.writeLent(bytes, length);
    const taken = Math.max(0, this.#files.sendAhead(this.#socket.fd, bytes, length));
    if (taken === length) return true;
    // Only what Bun itself could not send makes it wait for room.
    return this.writeLent(bytes.subarray(taken), length - taken);
  }

  #wait(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#unsentLength += bytes.length;
  }

  /** How many bytes the system took; -1 when the peer is gone, and `close` will say so. */
  #send(bytes: Uint8Array, length: number): number {
    if (this.#isGone || this.#isBroken) return -1;
    if (this.#waiting.length > 0) return 0;
    // An offset and a length cost less than to make a subarray, which takes 75 ns.
    const taken = this.#socket.write(bytes, 0, length);
    if (taken < 0) this.#isBroken = true;
    return taken;
  }

  drain(): void {
    // Behind a TLS handshake it comes without a reason.
    if (this.#waiting.length === 0) return;
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const taken = this.#socket.write(bytes);
      if (taken < 0) {
        this.#isBroken = true;
        this.#dropWaiting();
        this.events.drained();
        return;
      }
      this.#unsentLength -= taken;
      if (taken < bytes.length) {
        this.#waiting[0] = bytes.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#isEnding) this.#socket.shutdown();
    this.events.drained();
  }

  transfer(file: OpenFile, offset: number, length: number): number {
    if (this.#isGone || this.#waiting.length > 0 || this.#files === undefined) return 0;
    return Math.max(0, this.#files.sendFile(this.#socket.fd, file.descriptor, offset, length));
  }

  pause(): void {
    if (!this.#isGone) this.#socket.pause();
  }

  resume(): void {
    if (!this.#isGone) this.#socket.resume();
  }

  end(): void {
    this.#isEnding = true;
    if (this.#waiting.length === 0 && !this.#isGone) this.#socket.shutdown();
  }

  handOver(events: SocketEvents): void {
    this.events = events;
  }

  destroy(): void {
    if (!this.#isGone) this.#socket.end();
  }

  reset(): void {
    if (!this.#isGone) this.#socket.terminate();
  }

  peerProgress(mustBeOpen: boolean): PeerProgress {
    if (this.#inspector === undefined) return "unknown";
    if (this.#isGone || this.#isBroken) return "closed";
    if (this.#waiting.length > 0) return "behind";
    if (this.port === 0) return this.#inspector.ofUnix(this.#socket.fd, mustBeOpen);
    this.#question ??= this.#inspector.questionOf(this.#socket) ?? null;
    if (this.#question === null) return "unknown";
    const progress = this.#inspector.ofTcp(this.#question);
    if (progress !== "unknown") this.#isPeerKnown = true;
    return progress === "unknown" && this.#isPeerKnown ? "closed" : progress;
  }

  isAccepted(): boolean | undefined {
    if (this.#inspector === undefined || this.#isGone || this.#isBroken) return undefined;
    if (this.port === 0) return this.#inspector.isUnixAccepted(this.#socket.fd);
    this.#question ??= this.#inspector.questionOf(this.#socket) ?? null;
    return this.#question === null ? undefined : this.#inspector.isTcpAccepted(this.#question);
  }

  /** Bun has met an error; the end of the socket is told by itself. */
  broke(error: Error): void {
    this.#error = error;
    this.reset();
  }

  closed(error: Error | undefined): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#dropWaiting();
    this.events.closed(error ?? this.#error);
  }

  #dropWaiting(): void {
    this.#waiting = [];
    this.#unsentLength = 0;
  }
}
