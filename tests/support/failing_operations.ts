/**
 * Lets the n-th operation of a scenario fail, for every n until the scenario runs through without one:
 * connects, reads, writes, files, starts of programs. Whoever has operations counts them here.
 */
import assert from "node:assert/strict";
import type { Address } from "../../src/runtime/address.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";
import { type MemoryConnection, MemoryNetwork } from "./memory/memory.ts";
import { ConnectError } from "../../src/runtime/network.ts";
import type { MemoryFiles } from "./memory/memory.ts";
import type { TemporaryFile } from "../../src/runtime/files.ts";

/** More than any scenario has. */
const OPERATIONS_MAX = 300;

/** Counts operations; the chosen one fails, and no other. */
export class Operations {
  /** What has failed; undefined while nothing has. */
  failed: string | undefined;
  #left: number;

  constructor(failing: number) {
    this.#left = failing;
  }

  /** @throws where it is this one's turn */
  count(what: string): void {
    if (--this.#left !== 0) return;
    this.failed = what;
    throw Object.assign(new Error(`${what} fails`), { code: "EIO" });
  }
}

/** Runs the scenario with each operation failing in its turn; gives what could fail. */
export async function failEach(
  scenario: (operations: Operations) => Promise<void>,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (let n = 1; n <= OPERATIONS_MAX; n++) {
    const operations = new Operations(n);
    try {
      await scenario(operations);
    } catch (error) {
      throw new Error(`With operation ${n} failing (${operations.failed}): ${error}`, {
        cause: error,
      });
    }
    if (operations.failed === undefined) return failures;
    failures.push(operations.failed);
  }
  assert.fail(`The scenario does not end within ${OPERATIONS_MAX} operations`);
}

/** Connections of which our end fails in its turn: what a connect gives, or what a listener gets. */
export class FailingNetwork extends MemoryNetwork {
  readonly #operations: Operations;
  readonly #side: "client" | "server";

  constructor(operations: Operations, side: "client" | "server") {
    super();
    this.#operations = operations;
    this.#side = side;
  }

  override async connect(
    address: Address,
    options: { signal?: AbortSignal } = {},
  ): Promise<MemoryConnection> {
    if (this.#side === "server") return await super.connect(address, options);
    try {
      this.#operations.count("connect");
    } catch (cause) {
      throw new ConnectError("refused", "Cannot connect: it fails", { cause });
    }
    const connection = await super.connect(address, options);
    return failing(connection, this.#operations) as MemoryConnection;
  }

  override listen(
    address: Address,
    onConnection: (connection: ByteConnection) => void,
  ): Promise<ByteListener> {
    if (this.#side === "client") return super.listen(address, onConnection);
    return super.listen(address, (connection) => {
      onConnection(failing(connection as MemoryConnection, this.#operations));
    });
  }
}

/** The same connection, which breaks where a read or a write of this end fails. */
function failing(connection: MemoryConnection, operations: Operations): ByteConnection {
  const count = (what: string): void => {
    try {
      operations.count(what);
    } catch (error) {
      connection.break(error as Error);
      throw error;
    }
  };
  const reader = connection.readable.getReader();
  const writer = connection.writable.getWriter();
  writer.closed.catch(() => {});
  return {
    remote: connection.remote,
    destroy: () => connection.destroy(),
    readable: new ReadableStream<Uint8Array>({
      async pull(controller) {
        count("read");
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      start(controller) {
        writer.closed.catch((error) => controller.error(error));
      },
      async write(bytes) {
        count("write");
        await writer.write(bytes);
      },
      close: () => writer.close(),
      abort: () => connection.destroy(),
    }),
  };
}

/** Temporary files whose operations are counted. */
export function failTemporaryFiles(files: MemoryFiles, operations: Operations): void {
  const temporary = files.temporary.bind(files);
  files.temporary = async (): Promise<TemporaryFile> => {
    operations.count("open a temporary file");
    const file = await temporary();
    return {
      async append(pieces) {
        operations.count("append to a temporary file");
        await file.append(pieces);
      },
      async read(offset, length) {
        operations.count("read a temporary file");
        return await file.read(offset, length);
      },
      close: () => file.close(),
    };
  };
}
