/**
 * The runtime of a simulation: time, connects and temporary files move only when a step moves them,
 * so one seed is one order of events. Made for `Upstream` alone: there is no HTTP server.
 */
import { MemoryPrivateDirectory } from "../support/memory/memory_private_directory.ts";
import { compressQuickly, createCompressor } from "../../src/runtime/compressor.ts";
import { setImmediate } from "node:timers";
import { type Address, formatAddress } from "../../src/runtime/address.ts";
import {
  ManualClock,
  MemoryFiles,
  MemoryProcess,
  MemoryResolver,
  MemorySpawner,
  MemoryTls,
} from "../support/memory/memory.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { TemporaryFile } from "../../src/runtime/files.ts";
import { ConnectError } from "../../src/runtime/network.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { SimulatedSocket } from "./simulated_socket.ts";

/** Connects within one step beyond which something runs in circles. */
const CONNECTS_PER_STEP_MAX = 200;

class SimulatedClock extends ManualClock {
  turnEnds: (() => void)[] = [];

  override atTurnEnd(callback: () => void): void {
    this.turnEnds.push(callback);
  }
}

/** A connect that is on its way. */
export interface PendingConnect {
  readonly address: string;
  accept(): SimulatedSocket;
  fail(failure: "refused" | "full"): void;
}

/** Temporary files whose reads and writes take their time, and may fail. */
class SimulatedFiles extends MemoryFiles {
  readonly pending: ((fails: boolean) => void)[] = [];

  override async temporary(): Promise<TemporaryFile> {
    await this.#step();
    const file = await super.temporary();
    return {
      append: async (bytes) => {
        await this.#step();
        await file.append(bytes);
      },
      read: async (offset, length) => {
        await this.#step();
        return await file.read(offset, length);
      },
      close: () => file.close(),
    };
  }

  #step(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push((fails) =>
        fails ? reject(new Error("No space left on device")) : resolve()
      );
    });
  }
}

export class SimulatedRuntime implements Runtime {
  readonly createCompressor = createCompressor;
  readonly compressQuickly = compressQuickly;
  readonly name = "memory";
  readonly version = "0";
  readonly platform = "memory";
  readonly clock = new SimulatedClock();
  readonly files = new SimulatedFiles();
  readonly resolver = new MemoryResolver();
  readonly process = new MemoryProcess();
  readonly tls = new MemoryTls();
  readonly spawner = new MemorySpawner();
  readonly connecting = new Set<PendingConnect>();
  readonly sockets: SimulatedSocket[] = [];
  /** Addresses that refuse at once. */
  readonly refusing = new Set<string>();
  #connectsInStep = 0;

  sendRequest(): Promise<never> {
    return Promise.reject(new Error("Nobody answers"));
  }

  openPrivateDirectory(path: string): MemoryPrivateDirectory {
    return new MemoryPrivateDirectory(path);
  }

  collectGarbage(): void {}

  connect(address: Address, options: { signal?: AbortSignal } = {}): Promise<ByteConnection> {
    const { signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<ByteConnection>();
    // Left unanswered, what runs in circles stands still and can be reported.
    if (++this.#connectsInStep > CONNECTS_PER_STEP_MAX) return promise;
    const settle = (): void => {
      this.connecting.delete(pending);
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(new ConnectError("aborted", "Given up"));
    };
    const pending: PendingConnect = {
      address: formatAddress(address),
      accept: () => {
        settle();
        const socket = new SimulatedSocket();
        this.sockets.push(socket);
        resolve(socket);
        return socket;
      },
      fail: (failure) => {
        settle();
        reject(new ConnectError(failure, `Cannot connect: ${failure}`));
      },
    };
    if (signal?.aborted) onAbort();
    else if (this.refusing.has(pending.address)) pending.fail("refused");
    else {
      signal?.addEventListener("abort", onAbort);
      this.connecting.add(pending);
    }
    return promise;
  }

  listen(): never {
    throw new Error("Nobody listens in a simulation");
  }

  listenInherited(): never {
    throw new Error("Nobody listens in a simulation");
  }

  listenSockets(): never {
    throw new Error("Nobody listens in a simulation");
  }

  /** Lets everything run that does not wait for a step. */
  async settle(): Promise<void> {
    this.#connectsInStep = 0;
    for (;;) {
      await new Promise<void>((resolve) => void setImmediate(resolve));
      const callbacks = this.clock.turnEnds;
      if (callbacks.length === 0) break;
      this.clock.turnEnds = [];
      for (const callback of callbacks) callback();
    }
    if (this.#connectsInStep > CONNECTS_PER_STEP_MAX) {
      throw new Error(`Upstream connected ${this.#connectsInStep} times in one step`);
    }
  }
}
