/**
 * An operating system's error code in our terms: why a connection or a listener could not be opened,
 * with a text that says what would help. Both adapters meet the same codes under different messages,
 * so only the code is looked at.
 */
import { type Address, formatAddress, type ListenAddress } from "./address.ts";
import { errorCode } from "./error_code.ts";
import { ConnectError, type ConnectFailure, ListenError } from "./network.ts";

export { errorCode } from "./error_code.ts";

type ConnectReason = readonly [failure: ConnectFailure, text: string];

const REFUSED: ConnectReason = ["refused", "connection refused (is the application running?)"];
const NAME_UNKNOWN: ConnectReason = ["unreachable", "the host's name is not known"];

const CONNECT_REASONS: Readonly<Record<string, ConnectReason>> = {
  ECONNREFUSED: REFUSED,
  ECONNRESET: ["refused", "the connection was reset while it was made"],
  ENOENT: ["refused", "there is no such socket (is the application running?)"],
  ENOTDIR: ["refused", "a part of the path is not a directory"],
  EACCES: ["refused", "permission denied (look at the socket's owner and mode)"],
  EPERM: ["refused", "permission denied (look at the socket's owner and mode)"],
  EPROTOTYPE: ["refused", "the socket is not a stream socket"],
  EAGAIN: ["full", "the application's queue of new connections is full"],
  ENOTFOUND: NAME_UNKNOWN,
  EAI_AGAIN: ["unreachable", "the name service does not answer"],
  EHOSTUNREACH: ["unreachable", "there is no way to the host"],
  ENETUNREACH: ["unreachable", "there is no way to the host's network"],
  EHOSTDOWN: ["unreachable", "the host is down"],
  ETIMEDOUT: ["unreachable", "the host does not answer"],
  EMFILE: ["local", "afcgi has too many open files (raise its limit of open files)"],
  ENFILE: ["local", "the system has too many open files"],
  ENOMEM: ["local", "the system is out of memory"],
  ENOBUFS: ["local", "the system is out of memory"],
  EADDRNOTAVAIL: ["local", "no local port is free"],
};

/** A connect that the runtime refused, as a {@link ConnectError}. */
export function connectError(address: Address, cause: unknown): ConnectError {
  const [failure, text] = CONNECT_REASONS[errorCode(cause)] ??
    (isNameFailure(cause) ? NAME_UNKNOWN : ["refused", messageOf(cause)] as const);
  return new ConnectError(failure, `Cannot connect to ${formatAddress(address)}: ${text}`, {
    cause,
  });
}

/** A connect that its caller gave up. */
export function connectAborted(address: Address, signal: AbortSignal): ConnectError {
  const message = `Cannot connect to ${formatAddress(address)}: given up before it stood`;
  return new ConnectError("aborted", message, { cause: signal.reason });
}

/** A listen that the runtime refused, as a {@link ListenError}. */
export function listenError(address: ListenAddress, cause: unknown): ListenError {
  if (cause instanceof ListenError) return cause;
  const target = address.transport === "tcp"
    ? formatAddress(address).slice("tcp://".length)
    : formatAddress(address);
  return new ListenError(`Cannot listen on ${target}: ${listenReason(address, cause)}`, { cause });
}

function listenReason(address: ListenAddress, cause: unknown): string {
  switch (errorCode(cause)) {
    case "EADDRINUSE":
      return address.transport === "tcp"
        ? "the port is in use (stop what listens there, or choose another)"
        : "the address is in use (another process accepts connections there)";
    case "EINVAL":
      return address.transport === "inherited" ? "it is not a listening socket" : messageOf(cause);
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EADDRNOTAVAIL":
      return "no network interface has this address";
    case "EAFNOSUPPORT":
      return "the system does not support this kind of address";
    case "ENOENT":
      return "the socket's directory does not exist";
    case "ENOTDIR":
      return "a part of the path is not a directory";
    case "EROFS":
      return "the file system is read-only";
    case "EMFILE":
    case "ENFILE":
      return "too many open files (raise the limit of open files)";
    default:
      return isNameFailure(cause) ? "the host's name is not known" : messageOf(cause);
  }
}

/** Deno gives a failed look-up no code, only getaddrinfo's text. */
function isNameFailure(cause: unknown): boolean {
  return /lookup address|not known/i.test(messageOf(cause));
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
