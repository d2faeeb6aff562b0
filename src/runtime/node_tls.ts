/**
 * Byte streams over TLS by way of `node:tls`, which both runtimes have. How clients are accepted is
 * in `node_tls_server.ts`.
 */
import type { TLSSocket } from "node:tls";
import { type Address, formatAddress, type TcpAddress } from "./address.ts";
import type { ServerTlsOptions } from "./callback_socket.ts";
import { netModule, tlsModule } from "./lazy_modules.ts";
import { ConnectError } from "./network.ts";
import { errorCode } from "./error_code.ts";
import { listenEverywhere, type WhereOptions } from "./every_interface.ts";
import { connectAborted, connectError } from "./failures.ts";
import { checkCiphers, checkIdentity, readCertificates } from "./node_certificate.ts";
import { NodeConnection } from "./node_connection.ts";
import { listenTls, tlsDetails } from "./node_tls_server.ts";
import type { DescriptorCalls } from "./pausable_listener.ts";
import type { ByteConnection, HttpPeer } from "./connection.ts";
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
    connectChecked,
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
  const socket = tlsModule().connect({
    host: address.host,
    port: address.port,
    // The caller trusts on first use, not by a list of authorities.
    rejectUnauthorized: false,
    ...(serverName !== undefined && { servername: serverName }),
    ...(identity && { cert: identity.cert, key: identity.key }),
  });
  const peer = { host: address.host, port: address.port };
  const made = () => new NodeTlsConnection(socket, peer, serverName ?? "");
  return await untilSecure(socket, address, signal, connectError, made);
}

/** What is made of the socket as soon as its handshake is done. */
function untilSecure<Connection>(
  socket: TLSSocket,
  address: Address,
  signal: AbortSignal | undefined,
  describe: (address: Address, error: Error) => ConnectError,
  made: () => Connection,
): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const onAbort = () => {
    socket.destroy();
    reject(connectAborted(address, signal!));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const onError = (error: Error) => reject(describe(address, error));
  socket.once("error", onError);
  socket.once("close", () => onError(new Error("it closed in the handshake")));
  socket.once("secureConnect", () => {
    signal?.removeEventListener("abort", onAbort);
    resolve(made());
    socket.off("error", onError);
  });
  return promise;
}

const UNTRUSTED = "its certificate is not trusted (name its authority in tls.ca)";

/** What the runtimes say of a certificate, in words that help. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name (see tls.server_name)",
};

/** A certificate that will not do is a failure of the server's, not of the network. */
function checkedError(address: Address, error: Error): ConnectError {
  const fault = CERTIFICATE_FAULTS[errorCode(error)] ??
    (/UnknownIssuer/.test(error.message)
      ? UNTRUSTED
      : /NotValidForName/.test(error.message)
      ? CERTIFICATE_FAULTS["ERR_TLS_CERT_ALTNAME_INVALID"]
      : undefined);
  if (fault === undefined) return connectError(address, error);
  const message = `Cannot connect to ${formatAddress(address)}: ${fault}`;
  return new ConnectError("refused", message, { cause: error });
}

async function connectChecked(
  address: Address,
  { serverName, authorities }: ServerTlsOptions,
  signal?: AbortSignal,
): Promise<ByteConnection> {
  if (signal?.aborted) throw connectAborted(address, signal);
  const where = address.transport === "unix"
    ? { path: address.path }
    : { host: address.host, port: address.port };
  const name = serverName ?? (address.transport === "tcp" ? address.host : "localhost");
  const socket = tlsModule().connect({
    ...where,
    // An address is no name to ask for (RFC 6066 section 3), but a certificate may be for it.
    ...(netModule().isIP(name) === 0 && { servername: name }),
    ...(authorities !== undefined && { ca: authorities }),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: true,
  });
  const made = () => new NodeConnection(socket, formatAddress(address));
  return await untilSecure(socket, address, signal, checkedError, made);
}
