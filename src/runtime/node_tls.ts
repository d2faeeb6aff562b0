/**
 * Byte streams over TLS by way of `node:tls`, which both runtimes have. How clients are accepted is
 * in `node_tls_server.ts`.
 */
import { connect as connectSocket, type TLSSocket } from "node:tls";
import { formatAddress, type TcpAddress } from "./address.ts";
import { listenEverywhere, type WhereOptions } from "./every_interface.ts";
import { connectAborted, connectError } from "./failures.ts";
import { checkCiphers, checkIdentity, readCertificates } from "./node_certificate.ts";
import { NodeConnection } from "./node_connection.ts";
import { listenTls, tlsDetails } from "./node_tls_server.ts";
import type { DescriptorCalls } from "./pausable_listener.ts";
import type { HttpPeer } from "./connection.ts";
import type {
  PeerCertificate,
  TlsConnection,
  TlsConnectOptions,
  TlsListener,
  TlsListenOptions,
  TlsNetwork,
} from "./tls.ts";

export interface NodeTlsOptions extends Pick<WhereOptions<TcpAddress>, "isIpv6Alone"> {
  /** As that of {@link TlsNetwork}; yes, when left out. */
  readonly showsChallenges?: boolean;
  /** Listeners can pause where descriptors can be had. */
  readonly openDescriptors?: () => Promise<DescriptorCalls | undefined>;
}

export function createNodeTls(
  { openDescriptors, showsChallenges = true, ...where }: NodeTlsOptions = {},
): TlsNetwork {
  return {
    showsChallenges,
    listen: async (options) => {
      const calls = await openDescriptors?.();
      if (options.descriptor !== undefined) return await listen(options, calls);
      return await listenEverywhere(
        { ...where, address: options.address },
        (address) => listen({ ...options, address }, calls),
      );
    },
    connect,
    readCertificates,
    checkCiphers,
    checkIdentity,
  };
}

class NodeTlsConnection extends NodeConnection implements TlsConnection {
  readonly peer: HttpPeer;
  readonly serverName: string | undefined;
  readonly version: string;
  readonly cipher: string;
  readonly certificate: PeerCertificate | undefined;
  readonly intermediates: readonly PeerCertificate[];

  constructor(socket: TLSSocket, peer: HttpPeer, name: string) {
    super(socket, formatAddress({ transport: "tcp", ...peer }));
    this.peer = peer;
    const details = tlsDetails(socket, name);
    const { serverName, version, cipher, certificate, intermediates } = details;
    this.serverName = serverName;
    this.version = version;
    this.cipher = cipher;
    this.certificate = certificate;
    this.intermediates = intermediates;
  }
}

async function listen(
  options: TlsListenOptions,
  calls: DescriptorCalls | undefined,
): Promise<TlsListener> {
  return await listenTls({
    ...options,
    protocols: [],
    asksForCertificate: true,
    onSecure: (socket, _tcp, peer, serverName) => {
      options.onConnection(new NodeTlsConnection(socket, peer, serverName));
    },
  }, calls);
}

async function connect(
  address: TcpAddress,
  { serverName, identity, signal }: TlsConnectOptions = {},
): Promise<TlsConnection> {
  if (signal?.aborted) throw connectAborted(address, signal);
  const { promise, resolve, reject } = Promise.withResolvers<TlsConnection>();
  const socket = connectSocket({
    host: address.host,
    port: address.port,
    // The caller trusts on first use, not by a list of authorities.
    rejectUnauthorized: false,
    ...(serverName !== undefined && { servername: serverName }),
    ...(identity && { cert: identity.cert, key: identity.key }),
  });
  const onAbort = () => {
    socket.destroy();
    reject(connectAborted(address, signal!));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const onError = (error: Error) => reject(connectError(address, error));
  socket.once("error", onError);
  socket.once("secureConnect", () => {
    signal?.removeEventListener("abort", onAbort);
    const peer = { host: address.host, port: address.port };
    resolve(new NodeTlsConnection(socket, peer, serverName ?? ""));
    socket.off("error", onError);
  });
  return await promise;
}
