/**
 * HTTP/3 by the runtime's own server, where it has one. That server reads and writes the protocol, so
 * what it makes of a request is Fetch's `Request`, and most limits are its own (docs/http3.md).
 */
import type { TcpAddress } from "./address.ts";
import type { HttpPeer, TlsFiles } from "./connection.ts";

/** A certificate for a name; the first of several is also for who asks for none of them. */
export interface NamedIdentity extends TlsFiles {
  /** In lower case, `*.` before it for a wildcard; empty: for no name in particular. */
  readonly serverName: string;
}

export interface Http3ListenOptions {
  /** The UDP port has the TCP port's number. */
  readonly address: TcpAddress;
  /** At least one. They stay as long as the listener does. */
  readonly identities: readonly NamedIdentity[];
  /** Between two requests of a connection, as far as the runtime can say it. */
  readonly idleMs: number;
  readonly handler: (request: Request, peer: HttpPeer) => Response | Promise<Response>;
}

/** A second one may listen on the same port while the first one ends. */
export interface Http3Listener {
  /** Takes no new connections; resolves when every request in flight has its response. */
  stop(): Promise<void>;
  /** Cuts every connection at once. */
  destroy(): void;
}

/** @throws {ListenError} */
export type ListenHttp3 = (options: Http3ListenOptions) => Http3Listener;
