/**
 * The adapter for Bun: sockets from `Bun.connect` and `Bun.listen`, the rest from `node:`
 * modules as on Deno. It names `Bun` only inside functions, so importing this file does
 * nothing on another runtime. docs/runtimes.md lists what Bun does differently and what we do about it.
 */
import {
  type Address,
  formatAddress,
  type InheritedAddress,
  type ListenAddress,
  type UnixAddress,
} from "./address.ts";
import { connectBun, connectBunSocket } from "./bun_connect.ts";
import { BUN_SOCKET_HANDLERS, BunConnection, type BunSocket } from "./bun_connection.ts";
import {
  acceptBunDescriptors,
  adoptBunSockets,
  listenBunSockets,
} from "./bun_callback_listener.ts";
import { compressQuickly, createCompressor } from "./compressor.ts";
import { fileSystemCalls } from "./bun_file_calls.ts";
import { listenBunHttp3 } from "./bun_http3.ts";
import { openBunDescriptors, openBunLibC } from "./bun_libc.ts";
import { listenEverywhere } from "./every_interface.ts";
import { createFetchClient } from "./fetch_client.ts";
import { listenError } from "./failures.ts";
import { bindSocket } from "./socket_file.ts";
import { requireSocket } from "./inherited_socket.ts";
import { createNodeFiles } from "./node_files.ts";
import { createNodeResolver } from "./node_resolver.ts";
import { openPrivateDirectory } from "./node_private_directory.ts";
import { createNodeProcess, nodePlatform } from "./node_process.ts";
import { createNodeTls } from "./node_tls.ts";
import { createNodeSpawner } from "./node_spawner.ts";
import { peerHost } from "./peer.ts";
import type { SocketListenOptions } from "./callback_socket.ts";
import type { ByteConnection } from "./connection.ts";
import type { ByteListener } from "./listener.ts";
import type { Runtime } from "./runtime.ts";
import { createServiceManager } from "./service_manager.ts";
import { systemClock } from "./system_clock.ts";
import { clearStaleSocket, removeSocketFile } from "./unix_path.ts";
import { createWebThreads } from "./web_threads.ts";

/** What afcgi needs of the world, from Bun. */
export function createBunRuntime(): Runtime {
  return {
    name: "bun",
    version: Bun.version,
    platform: nodePlatform(),
    connect: connectBun,
    connectSocket: connectBunSocket,
    listen: (address, onConnection) =>
      listenEverywhere({ address }, (where) => listen(where, onConnection)),
    listenInherited,
    async listenSockets(options: SocketListenOptions) {
      if (options.descriptor !== undefined) return await listenBunSockets(options);
      if (options.address.transport === "unix") await clear(options.address);
      return await listenEverywhere(
        options,
        (address) => listenBunSockets({ ...options, address }),
      );
    },
    listenHttp3: listenBunHttp3,
    async acceptDescriptors(options, onDescriptor) {
      if (options.descriptor !== undefined) return acceptBunDescriptors(options, onDescriptor);
      if (options.address.transport === "unix") await clear(options.address);
      return await listenEverywhere(
        options,
        (address) => acceptBunDescriptors({ ...options, address }, onDescriptor),
      );
    },
    adoptSockets: adoptBunSockets,
    closeDescriptor: (descriptor) =>
      void openBunDescriptors().then((calls) => calls?.close(descriptor)),
    threads: createWebThreads(),
    tls: createNodeTls({ openDescriptors: openBunDescriptors }),
    createCompressor,
    compressQuickly,
    sendRequest: createFetchClient((ca) => ({ tls: { ca } }), { decompress: false }),
    clock: systemClock,
    files: createNodeFiles({ fast: fileSystemCalls }),
    openPrivateDirectory,
    resolver: createNodeResolver(async (name) => {
      // Its default on Linux reads resolv.conf and the hosts file by itself.
      const found = await Bun.dns.lookup(name, { backend: "system", socketType: "tcp" });
      return found.map(({ address }) => address);
    }),
    checkBcrypt: (password, hash) => Bun.password.verify(password, hash, "bcrypt"),
    process: createNodeProcess(),
    spawner: createNodeSpawner(openBunLibC),
    serviceManager: createServiceManager(openBunLibC),
    // Bun.gc() would throw compiled code away as well.
    collectGarbage: () => void import("bun:jsc").then(({ fullGC }) => fullGC()),
  };
}

async function listen(
  address: Address,
  onConnection: (connection: ByteConnection) => void,
): Promise<ByteListener> {
  if (address.transport === "unix") await clear(address);
  const options = listenOptions(address, onConnection);
  try {
    if (address.transport === "unix") {
      const listener = bindSocket(
        address,
        () => Bun.listen({ ...options, unix: address.path }),
        (bound) => bound.stop(),
      );
      return { address, close: () => closeUnix(listener, address) };
    }
    const listener = Bun.listen({ ...options, hostname: address.host, port: address.port });
    return { address: { ...address, port: listener.port }, close: () => listener.stop() };
  } catch (error) {
    throw listenError(address, error);
  }
}

async function listenInherited(
  descriptor: number,
  onConnection: (connection: ByteConnection) => void,
): Promise<ByteListener<InheritedAddress>> {
  const address = { transport: "inherited", descriptor } as const;
  requireSocket(address);
  // Bun takes a descriptor here, as for a connection, but its types do not say so.
  const options = { ...listenOptions(address, onConnection), fd: descriptor } as unknown;
  try {
    const listener = Bun.listen(options as Bun.UnixSocketOptions<BunConnection>);
    return { address, close: () => listener.stop() };
  } catch (error) {
    throw listenError(address, error);
  }
}

function listenOptions(address: ListenAddress, onConnection: (connection: ByteConnection) => void) {
  return {
    allowHalfOpen: true,
    // Bun wants a connection here; each socket gets its own as it opens.
    data: new BunConnection(formatAddress(address)),
    socket: {
      ...BUN_SOCKET_HANDLERS,
      open(socket: BunSocket) {
        const connection = new BunConnection(remoteOf(address, socket));
        socket.data = connection;
        connection.opened(socket);
        onConnection(connection);
      },
    },
  };
}

function remoteOf(address: ListenAddress, socket: BunSocket): string {
  // A unix socket's peer has no address.
  if (address.transport === "unix" || !socket.remoteAddress) return formatAddress(address);
  const host = peerHost(socket.remoteAddress);
  return formatAddress({ transport: "tcp", host, port: socket.remotePort });
}

function closeUnix(listener: { stop(): void }, address: UnixAddress): void {
  listener.stop();
  removeSocketFile(address);
}

function clear(address: UnixAddress): Promise<void> {
  return clearStaleSocket(address, () => connectBun(address));
}
