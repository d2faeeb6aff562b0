/**
 * The few calls of the C library that no runtime offers: a socket that listens while nobody accepts,
 * its close (Deno's node:fs closes only what it has opened), a datagram to a service manager, waiting for a child that somebody
 * else has left to us, a pipe that outlives the child at its other end, and who we are. The adapters load it by their own FFI; this file knows the numbers of Linux and
 * how its addresses look in memory.
 */
import { SpawnError } from "./spawner.ts";

/** The library as programs with glibc name it, and as those with musl do. */
export const LIBC_NAMES: readonly string[] = [
  "libc.so.6",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
];

export interface LibC {
  socket(domain: number, type: number, protocol: number): number;
  bind(descriptor: number, address: Uint8Array<ArrayBuffer>, length: number): number;
  listen(descriptor: number, backlog: number): number;
  close(descriptor: number): number;
  waitpid(pid: number, options: number): number;
  pipe2(descriptors: Uint8Array<ArrayBuffer>, flags: number): number;
  fcntl(descriptor: number, command: number, argument: number): number;
  setgroups(count: number, groups: Uint8Array<ArrayBuffer>): number;
  setresgid(real: number, effective: number, saved: number): number;
  setresuid(real: number, effective: number, saved: number): number;
  prctl(option: number, second: number, third: number, fourth: number, fifth: number): number;
  write(descriptor: number, bytes: Uint8Array<ArrayBuffer>, length: number): number;
  connect(descriptor: number, address: Uint8Array<ArrayBuffer>, length: number): number;
  clock_gettime(clock: number, time: Uint8Array<ArrayBuffer>): number;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const CLOCK_MONOTONIC = 1;
/** Children get it as descriptor 0 or not at all. */
const SOCK_CLOEXEC = 0o2000000;
const WNOHANG = 1;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;

const FAMILY_LENGTH = 2;
/** `sun_path`, with the zero at its end. */
const PATH_LENGTH = 108;

/** A descriptor that listens at the path. @throws {SpawnError} */
export function listenAtPath(
  libc: Pick<LibC, "socket" | "bind" | "listen" | "close">,
  path: string,
  backlog: number,
): number {
  const address = unixSocketAddress(path);
  const descriptor = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const isFine = descriptor >= 0 && libc.bind(descriptor, address, address.length) === 0 &&
    libc.listen(descriptor, backlog) === 0;
  if (isFine) return descriptor;
  if (descriptor >= 0) libc.close(descriptor);
  throw new SpawnError(`Cannot listen on "${path}": the system refuses it`);
}

/**
 * Sends one datagram to a unix socket, of a path or of an abstract name behind "@". False when it was
 * not taken: nobody is there, or it is full; nothing waits.
 */
export function sendDatagram(libc: LibC, path: string, text: string): boolean {
  const name = new TextEncoder().encode(path.replace(/^@/, "\0"));
  if (name.length >= PATH_LENGTH) return false;
  const address = new Uint8Array(FAMILY_LENGTH + name.length);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(name, FAMILY_LENGTH);
  const descriptor = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return false;
  try {
    return libc.connect(descriptor, address, address.length) === 0 &&
      writeTo(libc, descriptor, text);
  } finally {
    libc.close(descriptor);
  }
}

/** Microseconds of the clock that a service manager compares with (CLOCK_MONOTONIC). */
export function monotonicUs(libc: LibC): bigint {
  const time = new BigInt64Array(2);
  libc.clock_gettime(CLOCK_MONOTONIC, new Uint8Array(time.buffer));
  return time[0]! * 1_000_000n + time[1]! / 1_000n;
}

/** Waits for a child that has ended; one that still runs is left alone. */
export function reap(libc: LibC, pid: number): void {
  libc.waitpid(pid, WNOHANG);
}

/** Both ends of a new pipe; no child inherits them, and writing never waits. */
export function openPipe(
  libc: LibC,
): { readonly read: number; readonly write: number } | undefined {
  const ends = new Int32Array(2);
  if (libc.pipe2(new Uint8Array(ends.buffer), O_CLOEXEC) !== 0) return undefined;
  const [read, write] = ends as unknown as readonly [number, number];
  libc.fcntl(write, F_SETFL, O_NONBLOCK);
  return { read, write };
}

/** False when nothing of it was taken. */
export function writeTo(libc: LibC, descriptor: number, text: string): boolean {
  const bytes = new TextEncoder().encode(text);
  return libc.write(descriptor, bytes, bytes.length) === bytes.length;
}

/** `struct sockaddr_un`: the family in the machine's byte order, the path, a zero. */
export function unixSocketAddress(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length >= PATH_LENGTH) {
    const limit = PATH_LENGTH - 1;
    throw new SpawnError(
      `Cannot listen on "${path}": the path has over ${limit} bytes (set TMPDIR to a shorter one)`,
    );
  }
  const address = new Uint8Array(FAMILY_LENGTH + PATH_LENGTH);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(bytes, FAMILY_LENGTH);
  return address;
}
