/**
 * `Bun.listen` as a listener of raw sockets. Over TLS it is `node:tls`: `Bun.listen` keeps its first
 * certificate for ever, asks nobody for another, and ends no handshake that stands still.
 */
import { type Address, formatAddress } from "./address.ts";
import { type BunDescriptorCalls, openBunDescriptors } from "./bun_descriptors.ts";
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
import { listenAtPath } from "./libc.ts";
import { SpawnError } from "./spawner.ts";
import { isAbstract, removeSocketFile } from "./unix_path.ts";

/** Connections that wait to be accepted, as far as the system allows as many. */
const BACKLOG = 1024;

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
  const { descriptor } = options;
  try {
    const first = descriptor === undefined
      ? bindSocket(
        address,
        () => open(options, files, boundDescriptor(address, calls)),
        (bound) => bound.stop(),
      )
      : open(options, files, descriptor);
    const hasPort = address.transport === "tcp" && descriptor === undefined;
    const inForce = hasPort ? { ...address, port: first.port } : address;
    let keepsFile = false;
    const close = (listener: Pick<Accepting, "stop">) => () => {
      listener.stop();
      if (address.transport === "unix" && !keepsFile) removeSocketFile(address);
    };
    const keepFile = () => void (keepsFile = true);
    if (calls === undefined) return { address: inForce, close: close(first), keepFile };
    const pausable = new PausableListener(calls, first, (fd) => open(options, files, fd));
    return {
      address: inForce,
      get descriptor() {
        return pausable.descriptor;
      },
      duplicate: () => pausable.duplicate(),
      close: close({ stop: () => pausable.close() }),
      keepFile,
      pause: (reason) => pausable.pause(reason),
      resume: (reason) => pausable.resume(reason),
    };
  } catch (error) {
    throw listenError(address, error);
  }
}

/**
 * A unix socket that we have bound ourselves: Bun 1.4.5 removes the path of its own whenever it stops
 * accepting. Undefined where it cannot be; then Bun tries, and says why.
 */
function boundDescriptor(
  address: Address,
  calls: BunDescriptorCalls | undefined,
): number | undefined {
  if (address.transport !== "unix" || calls === undefined || isAbstract(address)) return undefined;
  try {
    return listenAtPath(calls, address.path, BACKLOG);
  } catch (error) {
    if (error instanceof SpawnError) return undefined;
    throw error;
  }
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
