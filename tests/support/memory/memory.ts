/**
 * The adapter for tests: no socket, no file, no time of its own. Everything is deterministic and can
 * be looked into; a client of a raw listener is a socket that a test hands in.
 */
import {
  type Address,
  formatAddress,
  type InheritedAddress,
} from "../../../src/runtime/address.ts";
import { compressQuickly, createCompressor } from "../../../src/runtime/compressor.ts";
import { OutgoingError, type SendRequest } from "../../../src/runtime/https_client.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFiles } from "./memory_files.ts";
import { MemoryResolver } from "./memory_resolver.ts";
import { MemoryNetwork } from "./memory_network.ts";
import { MemoryPrivateDirectory } from "./memory_private_directory.ts";
import { MemoryTls } from "./memory_tls.ts";
import { MemoryProcess, type MemoryProcessOptions } from "./memory_process.ts";
import { MemorySpawner } from "./memory_spawner.ts";
import type { ServiceManager } from "../../../src/runtime/service_manager.ts";
import type {
  AcceptedSocket,
  SocketEvents,
  SocketListenOptions,
} from "../../../src/runtime/callback_socket.ts";
import type { ByteListener } from "../../../src/runtime/listener.ts";
import { ListenError } from "../../../src/runtime/network.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";

export { ManualClock } from "./manual_clock.ts";
export { MemoryConnection, memoryPair, type MemoryPairOptions } from "./memory_connection.ts";
export { MemoryFiles } from "./memory_files.ts";
export { MemoryResolver } from "./memory_resolver.ts";
export { MemoryNetwork } from "./memory_network.ts";
export { MemoryTls } from "./memory_tls.ts";
export {
  MemoryExit,
  MemoryProcess,
  type MemoryProcessOptions,
  MemorySink,
} from "./memory_process.ts";
export { MemoryChild, MemorySpawner } from "./memory_spawner.ts";

export interface MemoryRuntimeOptions {
  readonly network?: MemoryNetwork;
  readonly process?: MemoryProcessOptions;
}

/** A runtime whose parts a test can look into. */
export class MemoryRuntime implements Runtime {
  readonly name = "memory";
  readonly version = "0";
  readonly platform = "memory";
  readonly createCompressor = createCompressor;
  readonly compressQuickly = compressQuickly;
  readonly clock = new ManualClock();
  readonly files = new MemoryFiles();
  readonly resolver = new MemoryResolver();
  readonly tls = new MemoryTls();
  readonly spawner = new MemorySpawner();
  /** What the service manager was told. */
  readonly told: string[] = [];
  readonly serviceManager: ServiceManager = {
    notify: (socket, text) => {
      this.told.push(`${socket} ${text}`);
      return Promise.resolve(true);
    },
  };
  readonly network: MemoryNetwork;
  readonly process: MemoryProcess;
  readonly connect: Runtime["connect"];
  readonly listen: Runtime["listen"];
  /** What lies in private directories, by their paths and then by name. */
  readonly privateTexts = new Map<string, Map<string, string>>();
  /** Set by a test: why a file of a private directory cannot be written. */
  privateWriteError: (name: string) => string | undefined = () => undefined;
  /** How often garbage was to be collected. */
  collections = 0;
  readonly #socketListeners = new Map<string, SocketListenOptions>();

  constructor(options: MemoryRuntimeOptions = {}) {
    const network = options.network ?? new MemoryNetwork();
    this.network = network;
    this.process = new MemoryProcess(options.process);
    this.connect = (address, connectOptions) => network.connect(address, connectOptions);
    this.listen = (address, onConnection) => network.listen(address, onConnection);
  }

  /** Nobody answers, until a test says who does. */
  sendRequest: SendRequest = ({ url }) =>
    Promise.reject(new OutgoingError(`Cannot ask ${url}: connection refused`));

  openPrivateDirectory(path: string): MemoryPrivateDirectory {
    const texts = this.privateTexts.get(path) ?? new Map<string, string>();
    this.privateTexts.set(path, texts);
    return new MemoryPrivateDirectory(path, texts, (name) => this.privateWriteError(name));
  }

  async listenInherited(descriptor: number): Promise<ByteListener<InheritedAddress>> {
    throw new ListenError(`Cannot listen on fd:${descriptor}: there are no descriptors in memory`);
  }

  async listenSockets(options: SocketListenOptions): Promise<ByteListener> {
    const { address } = options;
    const name = formatAddress(address);
    if (this.#socketListeners.has(name)) {
      throw new ListenError(`Cannot listen on ${name}: the address is in use`);
    }
    this.#socketListeners.set(name, options);
    return { address, close: () => void this.#socketListeners.delete(name) };
  }

  /** A client connects to the raw listener at the address. */
  connectClient(address: Address, socket: AcceptedSocket): SocketEvents {
    const listener = this.#socketListeners.get(formatAddress(address));
    if (listener !== undefined) return listener.onSocket(socket);
    throw new Error(`Nobody listens at ${formatAddress(address)}`);
  }

  collectGarbage(): void {
    this.collections++;
  }
}
