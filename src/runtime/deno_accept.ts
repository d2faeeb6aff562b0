/**
 * Accepts connections as descriptors on Deno, whose own listeners show none: a socket of the C
 * library, which a thread outside of the event loop waits for. Deno's listener is asked first, for it
 * knows names, and says what is wrong with an address.
 */
import { type Address, formatAddress, type TcpAddress } from "./address.ts";
import { openDenoCalls } from "./deno_libc.ts";
import { listenError } from "./failures.ts";
import { unixSocketAddress } from "./libc.ts";
import type { SocketListenOptions } from "./callback_socket.ts";
import type { ByteListener, PauseReason } from "./listener.ts";
import { ListenError } from "./network.ts";
import { bindSocket } from "./socket_file.ts";
import { isAbstract, removeSocketFile } from "./unix_path.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;
const POLLIN = 1;
/** How long a listener that was closed is still asked. */
const POLL_TIMEOUT_MS = 500;
/** How often a listener that accepts nothing looks whether it is to. */
const PAUSED_LOOK_MS = 10;
const FAMILY_LENGTH = 2;
const IPV4_LENGTH = 4;
const BACKLOG = 1024;

type Calls = ReturnType<typeof openCalls>;

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function acceptDenoDescriptors(
  { address, descriptor: given }: Pick<SocketListenOptions, "address" | "descriptor">,
  onDescriptor: (descriptor: number) => void,
): Promise<ByteListener> {
  const calls = openCalls(address);
  const isNew = given === undefined;
  const inForce = address.transport === "unix" || !isNew ? address : probe(address);
  const descriptor = given ?? bindSocket(
    address,
    () => ({ descriptor: listenAt(calls, inForce) }),
    (bound) => calls.close(bound.descriptor),
  ).descriptor;
  let isClosed = false;
  let keepsFile = false;
  const pauses = new Set<PauseReason>();
  const state = { isClosed: () => isClosed, isPaused: () => pauses.size > 0 };
  void acceptAll(calls, descriptor, state, onDescriptor);
  return {
    address: inForce.transport === "unix" ? inForce : { ...address, port: inForce.port } as Address,
    keepFile: () => void (keepsFile = true),
    pause: (reason) => void pauses.add(reason),
    resume: (reason) => void pauses.delete(reason),
    close() {
      if (isClosed) return;
      isClosed = true;
      // When the question that is open comes back the descriptor is closed.
      if (address.transport === "unix" && !keepsFile) removeSocketFile(address);
    },
  };
}

/** Of a connection that nobody wants. */
export function closeDenoDescriptor(descriptor: number): void {
  openCalls({ transport: "unix", path: "" }).close(descriptor);
}

async function acceptAll(
  calls: Calls,
  descriptor: number,
  { isClosed, isPaused }: { readonly isClosed: () => boolean; readonly isPaused: () => boolean },
  onDescriptor: (descriptor: number) => void,
): Promise<void> {
  calls.fcntl(descriptor, F_SETFL, O_NONBLOCK);
  const question = new Uint8Array(new Int32Array([descriptor, POLLIN]).buffer);
  while (!isClosed()) {
    if (isPaused()) {
      await new Promise((resolve) => setTimeout(resolve, PAUSED_LOOK_MS));
      continue;
    }
    if (await calls.poll(question, 1n, POLL_TIMEOUT_MS) <= 0) continue;
    for (;;) {
      if (isClosed() || isPaused()) break;
      const accepted = calls.accept4(descriptor, null, null, O_NONBLOCK | SOCK_CLOEXEC);
      if (accepted < 0) break;
      onDescriptor(accepted);
    }
    // An accept may fail for want of descriptors, and the question be answered at once again.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  calls.close(descriptor);
}

/** The address that Deno would listen on: a number for a name, and a port for 0. */
function probe(address: TcpAddress): TcpAddress {
  try {
    const listener = Deno.listen({ hostname: address.host, port: address.port });
    const { hostname, port } = listener.addr;
    listener.close();
    return { transport: "tcp", host: hostname, port };
  } catch (error) {
    throw listenError(address, error);
  }
}

/** @throws {ListenError} */
function listenAt(calls: Calls, address: Address): number {
  const { family, bytes } = socketAddress(address);
  const descriptor = calls.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const one = new Uint8Array(new Int32Array([1]).buffer);
  if (descriptor >= 0) calls.setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, one, one.length);
  const isFine = descriptor >= 0 && calls.bind(descriptor, bytes, bytes.length) === 0 &&
    calls.listen(descriptor, BACKLOG) === 0;
  if (isFine) return descriptor;
  if (descriptor >= 0) calls.close(descriptor);
  throw new ListenError(`Cannot listen on ${formatAddress(address)}: the system refuses it`);
}

function socketAddress(
  address: Address,
): { readonly family: number; readonly bytes: Uint8Array<ArrayBuffer> } {
  if (address.transport === "unix") {
    const bytes = unixSocketAddress(address.path);
    // An abstract name ends where it ends, a path with a zero.
    const length = FAMILY_LENGTH + new TextEncoder().encode(address.path).length;
    return { family: AF_UNIX, bytes: isAbstract(address) ? bytes.slice(0, length) : bytes };
  }
  const host = ipAddressBytes(address.host);
  const isIpv4 = host.length === IPV4_LENGTH;
  const bytes = new Uint8Array(isIpv4 ? 16 : 28);
  const family = isIpv4 ? AF_INET : AF_INET6;
  new Uint16Array(bytes.buffer, 0, 1)[0] = family;
  new DataView(bytes.buffer).setUint16(FAMILY_LENGTH, address.port);
  bytes.set(host, isIpv4 ? 4 : 8);
  return { family, bytes };
}

/** Of an address that Deno has written. */
function ipAddressBytes(host: string): Uint8Array {
  if (!host.includes(":")) return Uint8Array.from(host.split("."), Number);
  const [before = "", after] = host.split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((hex) => parseInt(hex, 16));
  const first = groups(before);
  const last = groups(after ?? "");
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  return Uint8Array.from([...first, ...zeros, ...last].flatMap((word) => [word >> 8, word & 0xff]));
}

/** @throws {ListenError} where there is no C library of Linux */
function openCalls(address: Address) {
  try {
    return openDenoCalls({
      socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
      bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
      listen: { parameters: ["i32", "i32"], result: "i32" },
      accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
      poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
      fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
      setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    });
  } catch (cause) {
    const name = formatAddress(address);
    const why = "there is no C library of Linux";
    throw new ListenError(`Cannot listen on ${name} for threads: ${why}`, { cause });
  }
}
