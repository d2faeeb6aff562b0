/**
 * `Bun.connect`, for streams and for raw sockets. Bun cannot call off a connect: a socket that opens
 * after all finds that nobody waits for it.
 */
import { type Address, formatAddress } from "./address.ts";
import { BUN_SOCKET_HANDLERS, BunConnection } from "./bun_connection.ts";
import { openPeerInspector } from "./bun_peer_progress.ts";
import { BUN_CALLBACK_HANDLERS, BunCallbackSocket } from "./bun_callback_socket.ts";
import { descriptorShortage } from "./descriptor_limit.ts";
import { connectAborted, connectError, errorCode } from "./failures.ts";
import type { SocketConnectOptions } from "./callback_socket.ts";
import type { ByteConnection } from "./connection.ts";
import { isListening } from "./unix_path.ts";

/** @throws {ConnectError} */
export async function connectBun(
  address: Address,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ByteConnection> {
  const data = new BunConnection(formatAddress(address));
  const opening = () => open(address, { data, socket: BUN_SOCKET_HANDLERS });
  await unlessAborted(address, signal, opening, () => data.destroy());
  return data;
}

/** @throws {ConnectError} */
export async function connectBunSocket(options: SocketConnectOptions): Promise<void> {
  const { address, signal, onSocket } = options;
  const data = new BunCallbackSocket(onSocket, undefined, await openPeerInspector());
  const opening = () => open(address, { data, socket: BUN_CALLBACK_HANDLERS });
  return unlessAborted(address, signal, opening, () => data.callOff());
}

async function unlessAborted(
  address: Address,
  signal: AbortSignal | undefined,
  opening: () => Promise<void>,
  callOff: () => void,
): Promise<void> {
  if (signal === undefined) return opening();
  if (signal.aborted) throw connectAborted(address, signal);
  const givenUp = Promise.withResolvers<never>();
  const onAbort = (): void => {
    callOff();
    givenUp.reject(connectAborted(address, signal));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([opening(), givenUp.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function open<Data>(
  address: Address,
  options: { readonly data: Data; readonly socket: Bun.SocketHandler<Data> },
): Promise<void> {
  const halfOpen = { ...options, allowHalfOpen: true };
  try {
    if (address.transport === "unix") {
      await Bun.connect({ ...halfOpen, unix: address.path });
    } else {
      await Bun.connect({ ...halfOpen, hostname: address.host, port: address.port });
    }
  } catch (error) {
    const cause = descriptorShortage() ?? fullQueueError(address, error) ?? error;
    throw connectError(address, cause);
  }
}

/** Bun reports ECONNREFUSED for every unix socket that does not take us, a full one too. */
function fullQueueError(address: Address, cause: unknown): Error | undefined {
  if (address.transport !== "unix" || errorCode(cause) !== "ECONNREFUSED") return undefined;
  if (!isListening(address)) return undefined;
  return Object.assign(new Error("The queue of new connections is full", { cause }), {
    code: "EAGAIN",
  });
}
