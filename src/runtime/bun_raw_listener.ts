/** `Bun.listen` as a listener of raw sockets. */
import { type Address, formatAddress } from "./address.ts";
import { BUN_RAW_HANDLERS, BunRawSocket, type NativeSocket } from "./bun_raw_socket.ts";
import { type FileSender, openFileSender } from "./bun_sendfile.ts";
import { listenError } from "./failures.ts";
import type { RawListenOptions } from "./raw_socket.ts";
import { type ByteListener, ListenError } from "./runtime.ts";
import { removeSocketFile } from "./unix_path.ts";

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function listenBunRaw(options: RawListenOptions): Promise<ByteListener> {
  const { address } = options;
  if (address.transport === "unix" && options.tls) {
    throw new ListenError(`Cannot listen with TLS on ${formatAddress(address)}: use TCP`);
  }
  // What goes out over TLS has to be read first.
  const files = options.tls === undefined ? await openFileSender() : undefined;
  try {
    return open(options, address, files);
  } catch (error) {
    throw listenError(address, error);
  }
}

function open(
  { onSocket, tls, reusePort }: RawListenOptions,
  address: Address,
  files: FileSender | undefined,
): ByteListener {
  const options = {
    allowHalfOpen: true,
    // Each socket gets its own as it opens.
    data: undefined as unknown as BunRawSocket,
    socket: {
      ...BUN_RAW_HANDLERS,
      open(socket: Bun.Socket<BunRawSocket>) {
        socket.data = new BunRawSocket(onSocket, files);
        socket.data.opened(socket as NativeSocket);
      },
    },
  };
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
