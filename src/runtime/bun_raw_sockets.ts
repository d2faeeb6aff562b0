/**
 * `Bun.listen` as a listener of raw sockets. Bun hands over memory of its own for each piece that
 * comes in, and `socket.write` takes what the kernel takes; the rest waits here for `drain`. About
 * `end()` and `shutdown()` see bun_connection.ts.
 */
import { type Address, formatAddress } from "./address.ts";
import { openSendfile, type Sendfile } from "./bun_sendfile.ts";
import { listenError } from "./failures.ts";
import { peerHost } from "./peer.ts";
import type { RawListenOptions, RawSocket, RawSocketEvents } from "./raw_socket.ts";
import { type ByteListener, ListenError, type OpenFile } from "./runtime.ts";
import { removeSocketFile } from "./unix_path.ts";

type NativeSocket = Bun.Socket<BunRawSocket>;

class BunRawSocket implements RawSocket {
  readonly host: string;
  readonly port: number;
  /** Bun's types do not know the descriptor. */
  readonly #socket: NativeSocket & { readonly fd: number };
  readonly #sendfile: Sendfile | undefined;
  readonly events: RawSocketEvents;
  /** What the system did not take. */
  #waiting: Uint8Array[] = [];
  #unsentLength = 0;
  #isEnding = false;
  #isGone = false;

  constructor(
    socket: NativeSocket,
    onSocket: RawListenOptions["onSocket"],
    sendfile: Sendfile | undefined,
  ) {
    this.#socket = socket as NativeSocket & { readonly fd: number };
    this.#sendfile = sendfile;
    const { remoteAddress } = socket;
    this.host = remoteAddress ? peerHost(remoteAddress) : "";
    this.port = remoteAddress ? socket.remotePort : 0;
    this.events = onSocket(this);
  }

  get unsentLength(): number {
    return this.#unsentLength;
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

  #wait(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#unsentLength += bytes.length;
  }

  /** How many bytes the system took; -1 when the peer is gone, and `close` will say so. */
  #send(bytes: Uint8Array, length: number): number {
    if (this.#isGone) return -1;
    // An offset and a length cost less than to make a subarray, which takes 75 ns.
    return this.#waiting.length > 0 ? 0 : this.#socket.write(bytes, 0, length);
  }

  drain(): void {
    // Behind a TLS handshake it comes without a reason.
    if (this.#waiting.length === 0) return;
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const taken = this.#socket.write(bytes);
      if (taken < 0) return;
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
    if (this.#isGone || this.#waiting.length > 0 || this.#sendfile === undefined) return 0;
    return Math.max(0, this.#sendfile(this.#socket.fd, file.descriptor, offset, length));
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

  destroy(): void {
    if (!this.#isGone) this.#socket.end();
  }

  reset(): void {
    if (!this.#isGone) this.#socket.terminate();
  }

  closed(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#waiting = [];
    this.#unsentLength = 0;
    this.events.closed();
  }
}

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function listenBunRaw(options: RawListenOptions): Promise<ByteListener> {
  const { address } = options;
  if (address.transport === "unix" && options.tls) {
    throw new ListenError(`Cannot listen with TLS on ${formatAddress(address)}: use TCP`);
  }
  // What goes out over TLS has to be read first.
  const sendfile = options.tls === undefined ? await openSendfile() : undefined;
  try {
    return open(options, address, sendfile);
  } catch (error) {
    throw listenError(address, error);
  }
}

function open(
  { onSocket, tls, reusePort }: RawListenOptions,
  address: Address,
  sendfile: Sendfile | undefined,
): ByteListener {
  const options = {
    allowHalfOpen: true,
    // Each socket gets its own as it opens.
    data: undefined as unknown as BunRawSocket,
    socket: {
      binaryType: "uint8array",
      open(socket: NativeSocket) {
        socket.setNoDelay(true);
        socket.data = new BunRawSocket(socket, onSocket, sendfile);
      },
      data: (socket: NativeSocket, bytes: Uint8Array) => socket.data.events.received(bytes),
      drain: (socket: NativeSocket) => socket.data.drain(),
      end: (socket: NativeSocket) => socket.data.events.peerEnded(),
      close: (socket: NativeSocket) => socket.data?.closed(),
      error: (socket: NativeSocket) => socket.data?.reset(),
    },
  } as const;
  if (address.transport === "unix") {
    const listener = Bun.listen({ ...options, unix: address.path });
    const close = (): void => {
      listener.stop();
      removeSocketFile(address);
    };
    return { address, close };
  }
  const listener = Bun.listen({
    ...options,
    hostname: address.host,
    port: address.port,
    ...(reusePort && { reusePort }),
    ...(tls && { tls: { cert: tls.cert, key: tls.key } }),
  });
  return { address: { ...address, port: listener.port }, close: () => listener.stop() };
}
