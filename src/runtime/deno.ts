/**
 * The adapter for Deno: sockets from `Deno.connect` and `Deno.listen`, the rest from `node:`
 * modules as on Bun. It names `Deno` only inside functions, so importing this file
 * does nothing on another runtime. docs/runtimes.md lists what Deno does differently and what we do
 * about it.
 */
import { type Address, formatAddress, type UnixAddress } from "./address.ts";
import { DenoConnection } from "./deno_connection.ts";
import { compressQuickly, createCompressor } from "./compressor.ts";
import { openDenoLibC } from "./deno_libc.ts";
import { listenEverywhere } from "./every_interface.ts";
import { createFetchClient, type TrustOptions } from "./fetch_client.ts";
import { connectAborted, connectError, listenError } from "./failures.ts";
import { createNodeFiles } from "./node_files.ts";
import { listenInheritedByNode } from "./node_listener.ts";
import { createNodeResolver, lookupWithNode } from "./node_resolver.ts";
import { openPrivateDirectory } from "./node_private_directory.ts";
import { openSocketWrite } from "./deno_socket_write.ts";
import { createNodeProcess, nodePlatform } from "./node_process.ts";
import { acceptDenoDescriptors, closeDenoDescriptor } from "./deno_accept.ts";
import { adoptNodeSockets, listenNodeSockets } from "./node_callback_sockets.ts";
import { bindSocket } from "./socket_file.ts";
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

/** The wait after an accept that failed, mostly for want of descriptors, before the next. */
const ACCEPT_RETRY_MS = 50;

/** What afcgi needs of the world, from Deno. */
export function createDenoRuntime(): Runtime {
  return {
    name: "deno",
    version: Deno.version.deno,
    platform: nodePlatform(),
    connect,
    listen: (address, onConnection) =>
      listenEverywhere({ address, isIpv6Alone }, (where) => listen(where, onConnection)),
    listenInherited: listenInheritedByNode,
    async listenSockets(options: SocketListenOptions) {
      if (options.descriptor !== undefined) return await listenNodeSockets(options);
      if (options.address.transport === "unix") await clear(options.address);
      return await listenEverywhere(
        { ...options, isIpv6Alone },
        (address) => listenNodeSockets({ ...options, address }),
      );
    },
    async acceptDescriptors(options, onDescriptor) {
      if (options.descriptor !== undefined) return acceptDenoDescriptors(options, onDescriptor);
      if (options.address.transport === "unix") await clear(options.address);
      return await listenEverywhere(
        { ...options, isIpv6Alone },
        (address) => acceptDenoDescriptors({ ...options, address }, onDescriptor),
      );
    },
    closeDescriptor: closeDenoDescriptor,
    adoptSockets: (options) =>
      adoptNodeSockets(
        options,
        (create, descriptor) =>
          new create({ fd: descriptor, allowHalfOpen: true, readable: true, writable: true }),
      ),
    threads: createWebThreads(),
    // Deno 2.9.6: rustls refuses a certificate of its own with an extension that it does not know.
    tls: createNodeTls({ isIpv6Alone, showsChallenges: false }),
    createCompressor,
    compressQuickly,
    sendRequest: createFetchClient(trusting()),
    clock: systemClock,
    files: createNodeFiles(),
    openPrivateDirectory,
    resolver: createNodeResolver(lookupWithNode),
    process: createNodeProcess(openSocketWrite),
    spawner: createNodeSpawner(openDenoLibC),
    serviceManager: createServiceManager(openDenoLibC),
    // V8 offers it only to those who start it with a flag.
    collectGarbage: () => {},
  };
}

/** A client for each set of authorities, of which a configuration names one. */
function trusting(): TrustOptions {
  const clients = new Map<string, Deno.HttpClient>();
  return (authorities) => {
    const client = clients.get(authorities) ?? Deno.createHttpClient({ caCerts: [authorities] });
    clients.set(authorities, client);
    return { client };
  };
}

/** Deno 2.9.6 leaves IPV6_V6ONLY as the system has it, where others turn it off. */
function isIpv6Alone(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/net/ipv6/bindv6only").startsWith("1");
  } catch {
    return false;
  }
}

async function connect(
  address: Address,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ByteConnection> {
  if (signal?.aborted) throw connectAborted(address, signal);
  try {
    const conn = await open(address, signal);
    return new DenoConnection(conn, formatAddress(address));
  } catch (error) {
    if (signal?.aborted) throw connectAborted(address, signal);
    throw connectError(address, error);
  }
}

async function open(address: Address, signal: AbortSignal | undefined): Promise<Deno.Conn> {
  if (address.transport === "tcp") {
    return Deno.connect({
      hostname: address.host,
      port: address.port,
      ...(signal && { signal }),
    });
  }
  // A unix socket connects at once or not at all.
  const conn = await Deno.connect({ transport: "unix", path: address.path });
  if (!signal?.aborted) return conn;
  conn.close();
  throw signal.reason;
}

async function listen(
  address: Address,
  onConnection: (connection: ByteConnection) => void,
): Promise<ByteListener> {
  if (address.transport === "unix") await clear(address);
  try {
    if (address.transport === "unix") {
      const listener = bindSocket(
        address,
        () => Deno.listen({ transport: "unix", path: address.path }),
        closeOnce,
      );
      void acceptAll(listener, () => formatAddress(address), onConnection);
      return { address, close: () => closeUnix(listener, address) };
    }
    const listener = Deno.listen({ hostname: address.host, port: address.port });
    void acceptAll(listener, (conn) => formatRemote(conn.remoteAddr), onConnection);
    return { address: { ...address, port: listener.addr.port }, close: () => closeOnce(listener) };
  } catch (error) {
    throw listenError(address, error);
  }
}

/** Accepts until the listener is closed. */
async function acceptAll<Conn extends Deno.Conn>(
  listener: { accept(): Promise<Conn> },
  remoteOf: (conn: Conn) => string,
  onConnection: (connection: ByteConnection) => void,
): Promise<void> {
  for (;;) {
    let conn: Conn;
    try {
      conn = await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return;
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      continue;
    }
    onConnection(new DenoConnection(conn, remoteOf(conn)));
  }
}

function formatRemote(address: Deno.NetAddr): string {
  return formatAddress({
    transport: "tcp",
    host: peerHost(address.hostname),
    port: address.port,
  });
}

function closeUnix(listener: Deno.UnixListener, address: UnixAddress): void {
  closeOnce(listener);
  removeSocketFile(address);
}

function closeOnce(listener: { close(): void }): void {
  try {
    listener.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function clear(address: UnixAddress): Promise<void> {
  return clearStaleSocket(address, () => connect(address));
}
