/**
 * `Bun.listen` as a listener of raw sockets. Over TLS it is `node:tls`: `Bun.listen` keeps its first
 * certificate for ever, asks nobody for another, and ends no handshake that stands still.
 */
import { type Address, formatAddress } from "./address.ts";
import { type BunDescriptorCalls, openBunDescriptors } from "./bun_libc.ts";
import {
  BUN_CALLBACK_HANDLERS,
  BunCallbackSocket,
  type NativeSocket,
  openRaw,
} from "./bun_callback_socket.ts";
import { type FileSender, openFileSender } from "./bun_sendfile.ts";
import { listenError } from "./failures.ts";
import { adoptNodeSockets, listenNodeTlsSockets } from "./node_callback_sockets.ts";
import { type Accepting, PausableListener } from "./pausable_listener.ts";
import type { SocketListenOptions } from "./callback_socket.ts";
import type { ByteListener } from "./listener.ts";
import { ListenError, type SocketAdopter } from "./network.ts";
import { bindSocket } from "./socket_file.ts";
import { listenAtPath } from "./libc.ts";
import { SpawnError } from "./spawner.ts";
import { isAbstract, removeSocketFile } from "./unix_path.ts";

/** Connections that wait to be accepted, as far as the system allows as many. */
const BACKLOG = 1024;

type PlainOptions = Omit<SocketListenOptions, "onSocket" | "tls">;

/** Who gets clients as descriptors. */
type GiveAway = (descriptor: number) => void;

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
  return listenPlain(options, calls, openerOf(options, await openFileSender()));
}

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function acceptBunDescriptors(
  options: PlainOptions,
  onDescriptor: GiveAway,
): Promise<ByteListener> {
  const calls = await openBunDescriptors();
  if (calls === undefined) throw new ListenError("Cannot hand over connections: this is no Linux");
  return listenPlain(options, calls, (socket) => {
    const descriptor = calls.dup((socket as NativeSocket).fd);
    // The connection goes on under the other descriptor; nothing of it was read.
    socket.close();
    if (descriptor >= 0) onDescriptor(descriptor);
  });
}

/** What becomes of a client that has connected. */
type OpenClient = (socket: Bun.Socket<BunCallbackSocket>) => void;

function openerOf(
  { address, onSocket }: SocketListenOptions,
  files: FileSender | undefined,
): OpenClient {
  return (socket) => {
    // It has left before it was accepted, and must not pass for one that has no address.
    const { remoteAddress } = socket;
    if (address.transport === "tcp" && !remoteAddress) return void socket.terminate();
    socket.data = new BunCallbackSocket(onSocket, files);
    // Asked once: by the next look it may have left.
    openRaw(socket as NativeSocket, remoteAddress);
  };
}

function listenPlain(
  options: PlainOptions,
  calls: BunDescriptorCalls | undefined,
  openClient: OpenClient,
): ByteListener {
  const { address, descriptor } = options;
  try {
    const first = descriptor === undefined
      ? bindSocket(
        address,
        () => open(options, openClient, boundDescriptor(address, calls)),
        (bound) => bound.stop(),
      )
      : open(options, openClient, descriptor);
    const hasPort = address.transport === "tcp" && descriptor === undefined;
    const inForce = hasPort ? { ...address, port: first.port } : address;
    let keepsFile = false;
    const close = (listener: Pick<Accepting, "stop">) => () => {
      listener.stop();
      if (address.transport === "unix" && !keepsFile) removeSocketFile(address);
    };
    const keepFile = () => void (keepsFile = true);
    if (calls === undefined) return { address: inForce, close: close(first), keepFile };
    const pausable = new PausableListener(calls, first, (fd) => open(options, openClient, fd));
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

/** Serves what `onDescriptor` gives. */
export async function adoptBunSockets(options: SocketListenOptions): Promise<SocketAdopter> {
  const calls = await openBunDescriptors();
  const close = (descriptor: number) => void calls?.close(descriptor);
  if (options.tls !== undefined) {
    return await adoptNodeSockets(options, (create, descriptor) => {
      const socket = new create({ allowHalfOpen: true });
      // Bun 1.4.5 takes a connection's descriptor here alone; its types do not say so.
      return socket.connect({ fd: descriptor } as never);
    });
  }
  const files = await openFileSender();
  const isTcp = options.address.transport === "tcp";
  const open = (socket: Bun.Socket<BunCallbackSocket>): void => {
    const { remoteAddress } = socket;
    // It has left meanwhile.
    if (isTcp && !remoteAddress) socket.terminate();
    else openRaw(socket as NativeSocket, remoteAddress);
  };
  const adopt = (descriptor: number, onGone: () => void): void => {
    const adopted = {
      fd: descriptor,
      allowHalfOpen: true,
      data: new BunCallbackSocket(options.onSocket, files),
      socket: {
        ...BUN_CALLBACK_HANDLERS,
        open,
        close(socket: Bun.Socket<BunCallbackSocket>, error?: Error) {
          BUN_CALLBACK_HANDLERS.close(socket, error);
          onGone();
        },
      },
    };
    Bun.connect(adopted as unknown as Bun.UnixSocketOptions<BunCallbackSocket>).catch(() => {
      close(descriptor);
      onGone();
    });
  };
  return { adopt, configureTls() {}, close() {} };
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
  { address, reusePort }: PlainOptions,
  openClient: OpenClient,
  descriptor?: number,
): Accepting & { readonly port: number } {
  const options = {
    allowHalfOpen: true,
    // Each socket gets its own as it opens.
    data: undefined as unknown as BunCallbackSocket,
    socket: {
      ...BUN_CALLBACK_HANDLERS,
      open: openClient,
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
