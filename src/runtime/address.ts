/**
 * Where a socket listens or connects: `tcp://host:port`, `host:port`, `[::1]:9000`, `:8080` (every
 * interface, listeners only), `unix:/path`, `unix:@name` (abstract, Linux). Pure text to value; the
 * adapters beside this file turn the value into what their runtime takes.
 */

/**
 * A TCP endpoint; `host` is a name, an IPv4 or a bare IPv6 address. For the name of a service
 * (`_fcgi._tcp.example.com`) `port` is 0: its records (SRV) say the port.
 */
export interface TcpAddress {
  readonly transport: "tcp";
  readonly host: string;
  readonly port: number;
}

/** A unix socket; an abstract one (Linux) has its name after a leading NUL. */
export interface UnixAddress {
  readonly transport: "unix";
  readonly path: string;
  /** Of listeners: who may connect. Left out: whom the process's umask lets. */
  readonly file?: SocketFile;
}

/** Who may connect to a listener's socket, by the file that stands for it. */
export interface SocketFile {
  /** Permission bits; to connect takes the right to write. */
  readonly mode: number;
  /** Its owner and its group, by name or number; left out: ours. */
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
}

export type Address = TcpAddress | UnixAddress;

/**
 * A socket that listens already and is ours under a descriptor: who started us opened it. A web
 * server leaves it under 0 (FCGI_LISTENSOCK_FILENO, section 2.2), systemd under 3.
 */
export interface InheritedAddress {
  readonly transport: "inherited";
  readonly descriptor: number;
}

export type ListenAddress = Address | InheritedAddress;

/** The sockets that systemd has opened for us under this name (`FileDescriptorName=`). */
export interface SystemdAddress {
  readonly transport: "systemd";
  readonly name: string;
}

export type ServeAddress = ListenAddress | SystemdAddress;

/** What may be left out. */
export interface AddressRules {
  /** The port where none is given; without it a port is required. */
  defaultPort?: number;
  /** Whether `:8080` stands for every interface, of IPv6 and IPv4: `::`. */
  anyHost?: boolean;
  /** Whether `_service._tcp.name` stands for what its SRV records say. */
  services?: boolean;
}

/** An upstream's default port: `:9000` is what php-fpm listens on. */
export const FASTCGI_PORT = 9000;

/** Names of services that may stand for a port. */
const SERVICE_PORTS: ReadonlyMap<string, number> = new Map([
  ["fcgi", FASTCGI_PORT],
  ["fastcgi", FASTCGI_PORT],
  ["http", 80],
  ["https", 443],
]);

/** RFC 2782: only TCP carries FastCGI. */
const SERVICE_NAME = /^_[a-z0-9-]+\._tcp\.[^.]/i;

const UNIX_PATH_MAX = 107;

/** An address that cannot be read; its message says what would be right. */
export class AddressError extends Error {
  override readonly name = "AddressError";
}

/** Reads an address. @throws {AddressError} */
export function parseAddress(text: string, rules: AddressRules = {}): Address {
  if (text.startsWith("unix:")) return parseUnix(text);
  if (/^(fd|systemd):/i.test(text)) {
    fail(text, "a socket that was opened by others is not taken here", 'use "host:port"');
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "tcp") {
    fail(text, `scheme "${scheme}" is not known`, 'use "tcp://host:port" or "unix:/path"');
  }
  if (text.startsWith("/")) fail(text, "a path wants a scheme", `use "unix:${text}"`);
  return parseTcp(text, scheme === undefined ? text : text.slice("tcp://".length), rules);
}

/** Reads where to listen: an address, or `fd:0` for an inherited socket. @throws {AddressError} */
export function parseListenAddress(text: string, rules: AddressRules = {}): ListenAddress {
  if (!text.startsWith("fd:")) return parseAddress(text, { ...rules, anyHost: true });
  const descriptor = /^fd:(\d{1,6})$/.exec(text)?.[1];
  if (descriptor === undefined) fail(text, "the descriptor is not a number", 'use "fd:0"');
  return { transport: "inherited", descriptor: Number(descriptor) };
}

/** Reads where to serve HTTP: an address, `fd:3` or `systemd:NAME`. @throws {AddressError} */
export function parseServeAddress(text: string, rules: AddressRules = {}): ServeAddress {
  if (!text.startsWith("systemd:")) return parseListenAddress(text, rules);
  const name = text.slice("systemd:".length);
  if (!/^[\x21-\x39\x3b-\x7e]{1,255}$/.test(name)) {
    fail(text, "the name cannot be one", 'use that of FileDescriptorName=, such as "systemd:http"');
  }
  return { transport: "systemd", name };
}

function parseUnix(text: string): UnixAddress {
  const rest = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
  if (rest.includes("\0")) fail(text, "a NUL byte cannot be in a path", 'use "unix:@name"');
  if (rest.startsWith("@") && rest.length > 1) {
    requireUnixLength(text, rest);
    return { transport: "unix", path: "\0" + rest.slice(1) };
  }
  if (!rest.startsWith("/") && !rest.startsWith("./") && !rest.startsWith("../")) {
    fail(text, "the socket's path is missing or relative", 'use "unix:/path" or "unix:@name"');
  }
  requireUnixLength(text, rest);
  return { transport: "unix", path: rest };
}

function requireUnixLength(text: string, path: string): void {
  const length = new TextEncoder().encode(path).length;
  if (length > UNIX_PATH_MAX) {
    fail(text, `a socket's path of ${length} bytes is too long`, `${UNIX_PATH_MAX} is the most`);
  }
}

function parseTcp(text: string, rest: string, rules: AddressRules): TcpAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^:[\]/\s]*))(?::([A-Za-z0-9-]+))?$/.exec(
    rest,
  );
  if (match === null) fail(text, ...unreadable(rest));
  const host = match[1] ?? match[2] ?? "";
  if (rules.anyHost && host === "*") fail(text, '"*" is no host', `use "${rest.slice(1)}"`);
  // Resolvers take it for an address of old: 80 is 0.0.0.80.
  if (/^\d+$/.test(host)) {
    const remedy = rules.anyHost
      ? `use ":${match[3] ?? host}"`
      : `use "127.0.0.1:${match[3] ?? host}"`;
    fail(text, `"${host}" is a number, not a host`, remedy);
  }
  if (host === "" && !rules.anyHost) fail(text, "the host is missing", 'use "host:port"');
  const portText = match[3];
  if (rules.services && SERVICE_NAME.test(host)) {
    if (portText !== undefined) {
      fail(text, "the records of a service say its port", `use "${host}"`);
    }
    return { transport: "tcp", host, port: 0 };
  }
  const port = portText === undefined ? rules.defaultPort : parsePort(text, portText);
  if (port === undefined) fail(text, "the port is missing", `use "${rest}:PORT"`);
  return { transport: "tcp", host: host === "" ? "::" : host, port };
}

/** What is wrong with the text, and what would be right. */
function unreadable(text: string): [what: string, instead: string] {
  const first = text.split(/\s/, 1)[0]!;
  if (first !== "" && first !== text) return ["it has a space", `use "${first}" alone`];
  if (/^[0-9a-f]*:[0-9a-f:]*:[0-9a-f.]*$/i.test(text)) {
    const [, host = text, port = "PORT"] = /^(.*[^:]):(\d{2,5})$/.exec(text) ?? [];
    return ["an IPv6 address must be in brackets", `use "[${host}]:${port}"`];
  }
  return ["it cannot be read", 'use "host:port", "[::1]:port" or "unix:/path"'];
}

function parsePort(text: string, portText: string): number {
  const named = SERVICE_PORTS.get(portText.toLowerCase());
  if (named !== undefined) return named;
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : NaN;
  if (!(port >= 0 && port <= 65_535)) fail(text, `port "${portText}" is not one`, "use 0 to 65535");
  return port;
}

function fail(text: string, what: string, instead: string): never {
  throw new AddressError(`Cannot read address "${text}": ${what} (${instead})`);
}

/** Whether it names a service, whose SRV records say hosts and ports. */
export function isServiceName(address: Address): boolean {
  return address.transport === "tcp" && address.port === 0 && SERVICE_NAME.test(address.host);
}

/**
 * Whether it is a name that has to be looked up. `localhost` is this machine whatever anybody says
 * (RFC 6761), and a runtime tries its addresses itself.
 */
export function isServerName(address: Address): address is TcpAddress {
  if (address.transport !== "tcp") return false;
  const { host } = address;
  return !host.includes(":") && !/^[\d.]+$/.test(host) && !/^(.+\.)?localhost\.?$/i.test(host);
}

/** The address as a user would write it. */
export function formatAddress(address: ServeAddress): string {
  if (address.transport === "systemd") return `systemd:${address.name}`;
  if (address.transport === "inherited") return `fd:${address.descriptor}`;
  if (address.transport === "unix") return `unix:${address.path.replace(/^\0/, "@")}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  if (isServiceName(address)) return host;
  return `tcp://${host}:${address.port}`;
}
