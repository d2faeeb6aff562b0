/**
 * `Bun.listen` as a listener of raw sockets. Over TLS it is `node:tls`: `Bun.listen` keeps its first
 * certificate for ever, asks nobody for another, and ends no handshake that stands still.
 */
import { formatAddress } from "./address.ts";
import { openBunDescriptors } from "./bun_descriptors.ts";
import {
  BUN_CALLBACK_HANDLERS,
  BunCallbackSocket,
  type NativeSocket,
  openRaw,
} from "./bun_callback_socket.ts";
import { type FileSender, openFileSender } from "./bun_sendfile.ts";
import { listenError } from "./failures.ts";
import { listenNodeTlsSockets } from "./node_callback_sockets.ts";
import { type Accepting, PausableListener } from "./pausable_listener.ts";
import type { SocketListenOptions } from "./callback_socket.ts";
import type { ByteListener } from "./listener.ts";
import { ListenError } from "./network.ts";
import { bindSocket } from "./socket_file.ts";
import { removeSocketFile } from "./unix_path.ts";

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function listenBunSockets(options: SocketListenOptions): Promise<ByteListener> {
  const { address, tls } = options;
  const calls = await openBunDescriptors();
  if (tls !== undefined) {
    if (address.transport === "tcp") {
      return listenNodeTlsSockets({ ...options, address, tls }, calls);
    }
    throw new ListenError(`Cannot listen with TLS on ${formatAddress(address)}: use TCP`);
  }
  const files = await openFileSender();
  try {
    const first = bindSocket(address, () => open(options, files), (bound) => bound.stop());
    const inForce = address.transport === "unix" ? address : { ...address, port: first.port };
    if (calls === undefined) return { address: inForce, close: () => closed(options, first) };
    const pausable = new PausableListener(calls, first, (fd) => open(options, files, fd));
    return {
      address: inForce,
      close: () => closed(options, { stop: () => pausable.close() }),
      pause: (reason) => pausable.pause(reason),
      resume: (reason) => pausable.resume(reason),
    };
  } catch (error) {
    throw listenError(address, error);
  }
}

function closed({ address }: SocketListenOptions, listener: Pick<Accepting, "stop">): void {
  listener.stop();
  if (address.transport === "unix") removeSocketFile(address);
}

function open(
  { onSocket, address, reusePort }: SocketListenOptions,
  files: FileSender | undefined,
  descriptor?: number,
): Accepting & { readonly port: number } {
  const options = {
    allowHalfOpen: true,
    // Each socket gets its own as it opens.
    data: undefined as unknown as BunCallbackSocket,
    socket: {
      ...BUN_CALLBACK_HANDLERS,
      open(socket: Bun.Socket<BunCallbackSocket>) {
        // It has left before it was accepted, and must not pass for one that has no address.
        const { remoteAddress } = socket;
        if (address.transport === "tcp" && !remoteAddress) return void socket.terminate();
        socket.data = new BunCallbackSocket(onSocket, files);
        // Asked once: by the next look it may have left.
        openRaw(socket as NativeSocket, remoteAddress);
      },
    },
  };
  const listener = descriptor !== undefined
    // Bun takes a descriptor here, as for a connection, but its types do not say so.
    ? Bun.listen(
      { ...options, fd: descriptor } as unknown as Bun.UnixSocketOptions<BunCallbackSocket>,
    )
    : address.transport === "unix"
    ? Bun.listen({ ...options, unix: address.path })
    : Bun.listen({
      ...options,
      hostname: address.host,
      port: address.port,
      ...(reusePort && { reusePort }),
    });
  const { fd, port } = listener as unknown as { readonly fd: number; readonly port: number };
  return { descriptor: fd, port, stop: () => listener.stop() };
}
