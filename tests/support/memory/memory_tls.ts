/**
 * TLS in memory for tests: nothing is encrypted, names and certificates are what the test says. A
 * name that the listener does not know fails the connect, as a handshake would.
 */
import { type Address, formatAddress, type TcpAddress } from "../../../src/runtime/address.ts";
import type { ServerTlsOptions } from "../../../src/runtime/callback_socket.ts";
import { memoryPair } from "./memory_connection.ts";
import type { HttpPeer } from "../../../src/runtime/connection.ts";
import { ConnectError, ListenError } from "../../../src/runtime/network.ts";
import type {
  CertificateFacts,
  PeerCertificate,
  TlsConnection,
  TlsConnectOptions,
  TlsListener,
  TlsListenOptions,
  TlsNetwork,
} from "../../../src/runtime/tls.ts";

const FIRST_PORT = 50_000;

const MEMORY_HELLO = { protocols: [], signatureSchemes: [], cipherSuites: [], speaks13: true };

export interface MemoryTlsConnectOptions extends TlsConnectOptions {
  readonly certificate?: PeerCertificate;
  readonly peer?: HttpPeer;
}

export class MemoryTls implements TlsNetwork {
  readonly showsChallenges = true;
  readonly #listeners = new Map<string, TlsListenOptions>();
  #nextPort = FIRST_PORT;

  async listen(options: TlsListenOptions): Promise<TlsListener> {
    const port = options.address.port || this.#nextPort++;
    const address = { ...options.address, port };
    const name = formatAddress(address);
    if (this.#listeners.has(name)) {
      throw new ListenError(`Cannot listen on ${name}: the address is in use`);
    }
    this.#listeners.set(name, options);
    return { address, close: () => void this.#listeners.delete(name) };
  }

  /** @throws {ConnectError} also when the listener does not admit the client */
  async connect(
    address: TcpAddress,
    options: MemoryTlsConnectOptions = {},
  ): Promise<TlsConnection> {
    const listener = this.#listeners.get(formatAddress(address));
    const peer = options.peer ?? { host: "127.0.0.1", port: this.#nextPort++ };
    const refuse = (why: string) => new ConnectError("refused", `Cannot connect: ${why}`);
    if (listener === undefined) throw refuse("nobody listens");
    if (!listener.admit(peer)) throw refuse("not admitted");
    const serverName = options.serverName ?? "";
    const hello = { ...MEMORY_HELLO, serverName };
    if (await listener.identify(serverName, hello, address.host) === undefined) {
      listener.onHandshakeFailed(peer, "no such name", "unknown_name");
      listener.onGone(peer);
      throw refuse("no such name");
    }
    const [ours, theirs] = memoryPair();
    const facts = { serverName: options.serverName, version: "TLSv1.3", cipher: "none" };
    const destroy = theirs.destroy.bind(theirs);
    let isGone = false;
    theirs.destroy = () => {
      destroy();
      if (!isGone) listener.onGone(peer);
      isGone = true;
    };
    listener.onConnection(
      Object.assign(theirs, {
        ...facts,
        peer,
        certificate: options.certificate,
        intermediates: [],
      }),
    );
    return Object.assign(ours, {
      ...facts,
      peer: { host: address.host, port: address.port },
      certificate: undefined,
      intermediates: [],
    });
  }

  /** Nobody vouches for anybody here: the name is all that is checked. */
  async connectChecked(address: Address, { serverName }: ServerTlsOptions): Promise<TlsConnection> {
    if (address.transport === "unix") throw new ConnectError("refused", "Cannot connect: no TLS");
    return await this.connect(address, { serverName: serverName ?? address.host });
  }

  readCertificates(pem: string): readonly CertificateFacts[] {
    const facts: CertificateFacts = {
      names: [],
      keyKind: "p256",
      sha256: pem,
      sha1: pem,
      der: new Uint8Array(0),
      subject: pem,
      issuer: pem,
      serial: "01",
      notBeforeMs: 0,
      notAfterMs: Number.MAX_SAFE_INTEGER,
      hasIssued: () => true,
      hasKey: () => true,
    };
    return [facts];
  }

  checkCiphers(): void {}

  checkIdentity(): void {}
}
