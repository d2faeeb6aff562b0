/**
 * The adapter for tests: no socket, no file, no time of its own. Everything is deterministic and can
 * be looked into; the HTTP server takes `Request` values instead of bytes.
 */
import { type Address, formatAddress, type InheritedAddress } from "./address.ts";
import { createCompressor } from "./compressor.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFiles } from "./memory_files.ts";
import { MemoryNames } from "./memory_names.ts";
import { MemoryNetwork } from "./memory_network.ts";
import { MemoryTls } from "./memory_tls.ts";
import { MemoryProcess, type MemoryProcessOptions } from "./memory_process.ts";
import { MemorySpawning } from "./memory_spawning.ts";
import { asResponse } from "./http_answer.ts";
import {
  type ByteListener,
  type HttpListener,
  type HttpPeer,
  type HttpServeOptions,
  ListenError,
  type Runtime,
} from "./runtime.ts";

export { ManualClock } from "./manual_clock.ts";
export { MemoryConnection, memoryPair, type MemoryPairOptions } from "./memory_connection.ts";
export { MemoryFiles } from "./memory_files.ts";
export { MemoryNames } from "./memory_names.ts";
export { MemoryNetwork } from "./memory_network.ts";
export { MemoryTls } from "./memory_tls.ts";
export {
  MemoryExit,
  MemoryProcess,
  type MemoryProcessOptions,
  MemorySink,
} from "./memory_process.ts";
export { MemoryChild, MemorySpawning } from "./memory_spawning.ts";

const LOCAL_PEER: HttpPeer = { host: "127.0.0.1", port: 40_000 };

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
  readonly clock = new ManualClock();
  readonly files = new MemoryFiles();
  readonly names = new MemoryNames();
  readonly tls = new MemoryTls();
  readonly spawning = new MemorySpawning();
  readonly network: MemoryNetwork;
  readonly process: MemoryProcess;
  readonly connect: Runtime["connect"];
  readonly listen: Runtime["listen"];
  /** How often garbage was to be collected. */
  collections = 0;
  readonly #servers = new Map<string, MemoryHttpListener>();

  constructor(options: MemoryRuntimeOptions = {}) {
    const network = options.network ?? new MemoryNetwork();
    this.network = network;
    this.process = new MemoryProcess(options.process);
    this.connect = (address, connectOptions) => network.connect(address, connectOptions);
    this.listen = (address, onConnection) => network.listen(address, onConnection);
  }

  async listenInherited(descriptor: number): Promise<ByteListener<InheritedAddress>> {
    throw new ListenError(`Cannot listen on fd:${descriptor}: there are no descriptors in memory`);
  }

  async serveHttp(options: HttpServeOptions): Promise<HttpListener> {
    const name = formatAddress(options.address);
    if (this.#servers.has(name)) {
      throw new ListenError(`Cannot listen on ${name}: the address is in use`);
    }
    const server = new MemoryHttpListener(options, () => void this.#servers.delete(name));
    this.#servers.set(name, server);
    return server;
  }

  collectGarbage(): void {
    this.collections++;
  }

  /** What the HTTP server at the address answers. */
  request(address: Address, request: Request, peer: HttpPeer = LOCAL_PEER): Promise<Response> {
    const server = this.#servers.get(formatAddress(address));
    if (server) return server.answer(request, peer);
    return Promise.reject(new Error(`Nobody serves HTTP at ${formatAddress(address)}`));
  }
}

class MemoryHttpListener implements HttpListener {
  readonly dropsLengths = false;
  readonly address: Address;
  readonly #handler: HttpServeOptions["handler"];
  readonly #close: () => void;
  readonly #inFlight = new Set<Promise<unknown>>();

  constructor({ address, handler }: HttpServeOptions, close: () => void) {
    this.address = address;
    this.#handler = handler;
    this.#close = close;
  }

  async answer(request: Request, peer: HttpPeer): Promise<Response> {
    const response = Promise.resolve(asResponse(this.#handler(request, peer)));
    this.#inFlight.add(response);
    try {
      return await response;
    } finally {
      this.#inFlight.delete(response);
    }
  }

  async stop(): Promise<void> {
    this.#close();
    await Promise.allSettled(this.#inFlight);
  }

  destroy(): void {
    this.#close();
  }
}
