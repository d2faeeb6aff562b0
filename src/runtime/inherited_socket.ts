/**
 * What is said of a descriptor before it is taken for an inherited listening socket. Deno closes one
 * that turns out to be none, so what is not even a socket is left alone. Where the socket listens is
 * in the kernel's tables, by its inode (proc_net_tcp(5), proc_net_unix(5)).
 */
import { closeSync, fstatSync, readFileSync, readlinkSync } from "node:fs";
import { type Address, formatAddress, type InheritedAddress } from "./address.ts";
import { ListenError } from "./network.ts";

/** @throws {ListenError} when the descriptor is closed, or stands for something else */
export function requireSocket(address: InheritedAddress): void {
  const name = formatAddress(address);
  let isSocket: boolean;
  try {
    isSocket = fstatSync(address.descriptor).isSocket();
  } catch (cause) {
    throw new ListenError(`Cannot listen on ${name}: there is no such descriptor`, { cause });
  }
  if (!isSocket) throw new ListenError(`Cannot listen on ${name}: it is not a socket`);
}

/** The state of a TCP socket that listens. */
const TCP_LISTENING = "0A";
/** The flag of a unix socket that accepts connections (`__SO_ACCEPTCON`). */
const UNIX_ACCEPTING = 0x10000;

/**
 * Where a socket listens that was handed to us.
 *
 * @throws {ListenError} when it is none, or does not listen
 */
export function inheritedAddress(descriptor: number): Address {
  const inherited = { transport: "inherited", descriptor } as const;
  requireSocket(inherited);
  const name = formatAddress(inherited);
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1];
    const found = inode && (tcpAddress(inode) ?? unixAddress(inode));
    if (found) return found;
  } catch (cause) {
    throw new ListenError(`Cannot listen on ${name}: /proc does not say where it is`, { cause });
  }
  throw new ListenError(`Cannot listen on ${name}: it is no TCP or unix socket that listens`);
}

/** Closes a socket that was handed to us and that nobody wants. */
export function closeInherited(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // Deno's node:fs closes only what it has opened.
  }
}

function tcpAddress(inode: string): Address | undefined {
  for (const table of ["/proc/self/net/tcp", "/proc/self/net/tcp6"]) {
    for (const line of linesOf(table)) {
      const columns = line.trim().split(/\s+/);
      if (columns[9] !== inode || columns[3] !== TCP_LISTENING) continue;
      const [host = "", port = ""] = columns[1]!.split(":");
      return { transport: "tcp", host: hostOf(host), port: parseInt(port, 16) };
    }
  }
  return undefined;
}

/** Each 32 bits of it are in the machine's byte order. */
function hostOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = new Uint8Array(Uint32Array.from(words, (word) => parseInt(word, 16)).buffer);
  if (bytes.length === 4) return bytes.join(".");
  const groups = [...new Uint16Array(bytes.buffer)]
    .map((_, index) => ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16));
  // A URL writes it in the short way.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function unixAddress(inode: string): Address | undefined {
  for (const line of linesOf("/proc/self/net/unix")) {
    const match = /^\S+ \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+)(?: (.*))?$/.exec(line);
    if (match === null || match[2] !== inode) continue;
    if ((parseInt(match[1]!, 16) & UNIX_ACCEPTING) === 0) return undefined;
    return { transport: "unix", path: (match[3] ?? "").replace(/^@/, "\0") };
  }
  return undefined;
}

function linesOf(table: string): string[] {
  try {
    return readFileSync(table, "utf8").split("\n");
  } catch {
    // Without IPv6 there is no table for it.
    return [];
  }
}
