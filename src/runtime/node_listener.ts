/**
 * A listener on an inherited socket by way of `node:net`, for Deno, whose own listeners cannot be
 * made from a descriptor.
 */
import type { Server, Socket } from "node:net";
import { formatAddress, type InheritedAddress } from "./address.ts";
import { listenError } from "./failures.ts";
import { requireSocket } from "./inherited_socket.ts";
import { netModule } from "./lazy_modules.ts";
import { NodeConnection } from "./node_connection.ts";
import { peerHost } from "./peer.ts";
import type { ByteConnection } from "./connection.ts";
import type { ByteListener } from "./listener.ts";

/** @throws {ListenError} when the descriptor is no listening socket */
export async function listenInheritedByNode(
  descriptor: number,
  onConnection: (connection: ByteConnection) => void,
): Promise<ByteListener<InheritedAddress>> {
  const address = { transport: "inherited", descriptor } as const;
  requireSocket(address);
  const server = netModule().createServer({ allowHalfOpen: true }, (socket) => {
    onConnection(new NodeConnection(socket, remoteOf(address, socket)));
  });
  try {
    await listening(server, descriptor);
  } catch (error) {
    throw listenError(address, error);
  }
  return { address, close: () => void server.close() };
}

function listening(server: Server, descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd: descriptor }, () => {
      server.off("error", reject);
      // Mostly for want of descriptors; the connections that wait are tried again.
      server.on("error", () => {});
      resolve();
    });
  });
}

/** A unix socket's peer has no address. */
function remoteOf(address: InheritedAddress, socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  if (!remoteAddress || remotePort === undefined) return formatAddress(address);
  return formatAddress({ transport: "tcp", host: peerHost(remoteAddress), port: remotePort });
}
