/**
 * What an upstream can be told: the configuration's `upstreams.NAME`, read and with every default
 * filled in. Times are milliseconds, sizes are bytes; 0 means "no limit" where it says so.
 */
import {
  type Address,
  type AddressRules,
  FASTCGI_PORT,
  formatAddress,
  parseAddress,
} from "../runtime/address.ts";
import type { ServerTlsOptions } from "../runtime/callback_socket.ts";

/** What the address of a server may leave out, and what it may be. */
export const SERVER_ADDRESS_RULES: AddressRules = { defaultPort: FASTCGI_PORT, services: true };

/** What servers speak. */
export type UpstreamProtocol = "fastcgi" | "http";

/** How HTTP servers are spoken to over TLS. */
export interface UpstreamTlsOptions extends ServerTlsOptions {
  /** Where `authorities` are read from when the program starts; left out: nowhere. */
  readonly caFile?: string | undefined;
}

/** Connections that have left HTTP, such as a WebSocket's. */
export interface TunnelOptions {
  /** Most at once. */
  readonly max: number;
  /** How long one may be silent in both directions. */
  readonly idleMs: number;
}

/** Whether requests share a connection; `auto` asks the application once. */
export type MultiplexMode = "auto" | "on" | "off";

export type BalanceMode = "round_robin" | "least_requests" | "hash";

export interface ServerOptions {
  readonly address: Address;
  readonly weight: number;
  /** Only used while no other server is up. */
  readonly backup: boolean;
}

export interface ConnectionOptions {
  /** Most connections to each server; `auto` finds out how many the application takes. */
  readonly max: number | "auto";
  /** Most requests at once on a connection that multiplexes. */
  readonly streamsMax: number;
  /** How long a connection without requests stays open; `undefined` picks by multiplexing. */
  readonly idleTimeoutMs: number | undefined;
  /** Requests after which a connection is closed; 0: no limit. */
  readonly requestsMax: number;
  /**
   * False: a connection for each request, without KEEP_CONN. `auto` keeps them unless the
   * application does not answer FCGI_GET_VALUES, or closes them all the same.
   */
  readonly reuse: boolean | "auto";
}

export interface TimeoutOptions {
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** Between two reads once the response has begun. */
  readonly idleMs: number;
  /** The whole exchange; 0: no limit. */
  readonly totalMs: number;
  /** Wait for END_REQUEST after ABORT_REQUEST. */
  readonly abortMs: number;
}

export interface UpstreamLimits {
  /** Most bytes of the application's CGI header block. */
  readonly responseHeaderMax: number;
  /** Most bytes of one response held in memory for a slow client. */
  readonly responseBufferMax: number;
  /** Most bytes of one response held in a temporary file for a slow client; 0: none. */
  readonly spillMax: number;
}

/** Active health: servers are asked repeatedly whether they are well. */
export interface HealthOptions {
  /** From one question to the next; 0: nobody asks. */
  readonly intervalMs: number;
  /** For one question and its response. */
  readonly timeoutMs: number;
  /** Responses in a row after which a server that was down is up. */
  readonly rise: number;
  /** Failures in a row after which a server is down. */
  readonly fall: number;
  /** Asked as SCRIPT_NAME; undefined: FCGI_GET_VALUES is asked. Of HTTP: the target of a GET. */
  readonly script: string | undefined;
}

/** How names of servers become addresses. */
export interface ResolveOptions {
  /** How long a response is good where the name service does not say. */
  readonly ttlMs: number;
  /** How long requests wait for a response. */
  readonly timeoutMs: number;
  readonly family: "any" | "ipv4" | "ipv6";
  /** Name servers as `address` or `address:port`; none: those of the system, and its hosts file. */
  readonly servers: readonly string[];
}

export interface UpstreamOptions {
  readonly name: string;
  /** Those at the start; empty only with `supplied`. */
  readonly servers: readonly ServerOptions[];
  /** Servers come and go by `Upstream.useServers()`; requests wait while there is none. */
  readonly supplied?: boolean;
  readonly protocol: UpstreamProtocol;
  /** Of HTTP servers; left out: no TLS. */
  readonly tls?: UpstreamTlsOptions | undefined;
  readonly tunnels: TunnelOptions;
  readonly multiplex: MultiplexMode;
  readonly balance: BalanceMode;
  /** The parameter whose value keeps requests together with `balance: "hash"`. */
  readonly hash: string;
  readonly connections: ConnectionOptions;
  readonly queue: { readonly lengthMax: number; readonly timeoutMs: number };
  readonly timeouts: TimeoutOptions;
  readonly retry: {
    readonly attemptsMax: number;
    readonly methods: readonly string[];
    readonly delayMs: number;
    /** Whether what may have run is repeated on the server that lost it, where there is no other. */
    readonly sameServer: boolean;
  };
  readonly health: HealthOptions;
  /** In which a server that came back, or joined, grows to its full share; 0: at once. */
  readonly slowStartMs: number;
  readonly resolve: ResolveOptions;
  readonly limits: UpstreamLimits;
}

/** `idle_timeout` where none is configured: shorter where an idle connection pins a worker. */
export const IDLE_TIMEOUT_MULTIPLEXED_MS = 60_000;
export const IDLE_TIMEOUT_SINGLE_MS = 5_000;

/** How long a connection without requests stays open. */
export function idleTimeoutMs(connections: ConnectionOptions, multiplexed: boolean): number {
  return connections.idleTimeoutMs ??
    (multiplexed ? IDLE_TIMEOUT_MULTIPLEXED_MS : IDLE_TIMEOUT_SINGLE_MS);
}

const MIB = 1024 * 1024;

/** Every default but the name and the servers. */
export const UPSTREAM_DEFAULTS: Omit<UpstreamOptions, "name" | "servers"> = {
  protocol: "fastcgi",
  tunnels: { max: 1024, idleMs: 3_600_000 },
  multiplex: "auto",
  balance: "least_requests",
  hash: "REMOTE_ADDR",
  connections: {
    max: "auto",
    streamsMax: 1024,
    idleTimeoutMs: undefined,
    requestsMax: 0,
    reuse: "auto",
  },
  queue: { lengthMax: 1024, timeoutMs: 30_000 },
  timeouts: { connectMs: 3_000, firstByteMs: 60_000, idleMs: 60_000, totalMs: 0, abortMs: 5_000 },
  retry: {
    attemptsMax: 2,
    methods: ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"],
    delayMs: 250,
    sameServer: false,
  },
  health: { intervalMs: 0, timeoutMs: 2_000, rise: 2, fall: 3, script: undefined },
  slowStartMs: 0,
  resolve: { ttlMs: 30_000, timeoutMs: 5_000, family: "any", servers: [] },
  limits: { responseHeaderMax: 64 * 1024, responseBufferMax: 256 * 1024, spillMax: 1024 * MIB },
};

/** What a program may say of an upstream; what it leaves out has its default. */
export interface UpstreamSettings extends Partial<Omit<UpstreamOptions, "servers">> {
  /**
   * Such as `tcp://127.0.0.1:9000`, `tcp://app.internal`, `_fcgi._tcp.app.internal` (SRV) or
   * `unix:/run/app.sock`; at least one.
   */
  readonly servers: readonly (string | ServerOptions)[];
}

/**
 * Fills in the defaults.
 *
 * @throws {AddressError} when an address cannot be read
 * @throws {RangeError} when there is no server
 */
export function fillUpstreamOptions(settings: string | UpstreamSettings): UpstreamOptions {
  const given = typeof settings === "string" ? { servers: [settings] } : settings;
  const servers = given.servers.map((server) =>
    typeof server === "string"
      ? {
        address: parseAddress(server, SERVER_ADDRESS_RULES),
        weight: 1,
        backup: false,
      }
      : server
  );
  const [first] = servers;
  if (first === undefined && given.supplied !== true) {
    throw new RangeError("Cannot use an upstream without servers");
  }
  const name = first === undefined ? "supplied" : formatAddress(first.address);
  return { ...UPSTREAM_DEFAULTS, name, ...given, servers };
}
