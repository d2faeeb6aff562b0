/**
 * Whether the other end of a connection has read what it was sent, as far as the system of this
 * machine tells. What is known of a program so: one that has read the last bytes of a request waits
 * for the next one, and one that has not is still busy with something else. For a unix socket the
 * system counts what the peer has not read (`SIOCOUTQ`); for TCP it is asked for the peer's own socket
 * (`sock_diag(7)`), which it has only where the peer is on this machine and in the same namespace.
 * This file knows the numbers of Linux; the adapters make the calls by their own FFI.
 */

/** `unknown` where the system does not tell. */
export type PeerProgress = "caught_up" | "behind" | "closed" | "unknown";

/** Both ends of a TCP connection as the runtime writes them. */
export interface SocketEnds {
  readonly localHost: string;
  readonly localPort: number;
  readonly peerHost: string;
  readonly peerPort: number;
}

export const AF_NETLINK = 16;
export const NETLINK_SOCK_DIAG = 4;
/** A datagram socket that blocks nobody, and that no child inherits. */
export const NETLINK_SOCKET_TYPE = 2 | 0o2000000 | 0o4000;
/** Where a message has its number, which the reply repeats. */
export const NETLINK_SEQUENCE = 8;
/** Bytes of a reply that are looked at; there is more behind them. */
export const DIAGNOSIS_LENGTH = 512;

const REQUEST_LENGTH = 72;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
const ANY = 0xffffffff;
const ESTABLISHED = 1;
/** Where things stand: in the request, and in the reply. */
const FAMILY = 16;
const STATES = 20;
const PORTS = 24;
const SOURCE = 28;
const DESTINATION = 44;
const COOKIE = 64;
const REPLY_STATE = 17;
const REPLY_UNREAD = 72;
const REPLY_LENGTH_MIN = 76;
const REPLY_INODE = 84;

const AF_UNIX = 1;
const UDIAG_SHOW_PEER = 4;
const UNIX_DIAG_PEER = 2;
const UNIX_REQUEST_LENGTH = 40;
const UNIX_STATES = 20;
const UNIX_REPLY_ATTRIBUTES = 32;

/**
 * The question after the peer's socket; undefined where the peer is certainly on another machine or
 * an address cannot be read.
 */
export function diagnosisOf(ends: SocketEnds): Uint8Array<ArrayBuffer> | undefined {
  const local = addressBytes(ends.localHost);
  const peer = addressBytes(ends.peerHost);
  if (local === undefined || peer === undefined || local.length !== peer.length) return undefined;
  const isLoopback = local.length === 4 && peer[0] === 127;
  if (!isLoopback && !local.every((byte, index) => byte === peer[index])) return undefined;
  const request = new Uint8Array(REQUEST_LENGTH);
  const view = new DataView(request.buffer);
  view.setUint32(0, REQUEST_LENGTH, true);
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  request[FAMILY] = local.length === 4 ? AF_INET : AF_INET6;
  request[FAMILY + 1] = IPPROTO_TCP;
  view.setUint32(STATES, ANY, true);
  // Seen from the peer: its own end comes first.
  view.setUint16(PORTS, ends.peerPort);
  view.setUint16(PORTS + 2, ends.localPort);
  request.set(peer, SOURCE);
  request.set(local, DESTINATION);
  view.setUint32(COOKIE, ANY, true);
  view.setUint32(COOKIE + 4, ANY, true);
  return request;
}

/** What the reply says; `unknown` where there is no such socket. */
export function readDiagnosis(reply: Uint8Array<ArrayBuffer>, length: number): PeerProgress {
  if (length < REPLY_LENGTH_MIN) return "unknown";
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  if (view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY) return "unknown";
  if (reply[REPLY_STATE] !== ESTABLISHED) return "closed";
  return view.getUint32(REPLY_UNREAD, true) === 0 ? "caught_up" : "behind";
}

/**
 * Whether a process has accepted the peer's end, by the reply after a TCP socket: before, the socket
 * belongs to no file. Undefined where there is no such socket.
 */
export function readAccepted(reply: Uint8Array<ArrayBuffer>, length: number): boolean | undefined {
  if (length < REPLY_INODE + 4) return undefined;
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  if (view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY) return undefined;
  return view.getUint32(REPLY_INODE, true) !== 0;
}

/** The question after the peer of our own unix socket, by the number of that. */
export function unixDiagnosisOf(inode: number): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(UNIX_REQUEST_LENGTH);
  const view = new DataView(request.buffer);
  view.setUint32(0, UNIX_REQUEST_LENGTH, true);
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  request[FAMILY] = AF_UNIX;
  view.setUint32(UNIX_STATES, ANY, true);
  view.setUint32(UNIX_STATES + 4, inode, true);
  view.setUint32(UNIX_STATES + 8, UDIAG_SHOW_PEER, true);
  view.setUint32(UNIX_STATES + 12, ANY, true);
  view.setUint32(UNIX_STATES + 16, ANY, true);
  return request;
}

/** As {@link readAccepted}, of a unix socket's reply. */
export function readUnixAccepted(
  reply: Uint8Array<ArrayBuffer>,
  length: number,
): boolean | undefined {
  if (length < UNIX_REPLY_ATTRIBUTES) return undefined;
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  if (view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY) return undefined;
  for (let offset = UNIX_REPLY_ATTRIBUTES; offset + 8 <= length;) {
    const attributeLength = view.getUint16(offset, true);
    if (view.getUint16(offset + 2, true) === UNIX_DIAG_PEER) {
      return view.getUint32(offset + 4, true) !== 0;
    }
    offset += Math.max(4, (attributeLength + 3) & ~3);
  }
  return undefined;
}

/** Four bytes, or sixteen; undefined for what is no address. Only `::1` of those with a gap. */
function addressBytes(host: string): Uint8Array | undefined {
  if (host === "::1") return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const parts = host.split(".").map(Number);
  const isIpv4 = parts.length === 4 &&
    parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256);
  return isIpv4 ? Uint8Array.from(parts) : undefined;
}
