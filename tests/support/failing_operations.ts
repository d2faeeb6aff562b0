/**
 * Lets the n-th operation of a scenario fail, for every n until the scenario runs through without one:
 * connects, accepts, reads, writes, files, timers, starts of programs. Whoever has operations counts them here.
 */
import assert from "node:assert/strict";
import type { Address } from "../../src/runtime/address.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";
import { type ManualClock, type MemoryConnection, MemoryNetwork } from "./memory/memory.ts";
import { ConnectError } from "../../src/runtime/network.ts";
import type { MemoryFiles } from "./memory/memory.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import type { TemporaryFile } from "../../src/runtime/files.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { MemoryCallbackSocket } from "./memory_callback_socket.ts";

/** More than any scenario has. */
const OPERATIONS_MAX = 300;

/** Counts operations; the chosen one fails, and no other. */
export class Operations {
  /** What has failed; undefined while nothing has. */
  failed: string | undefined;
  /** Whether they count: not those of a start, for example. */
  isArmed = true;
  #left: number;

  constructor(failing: number) {
    this.#left = failing;
  }

  /** @throws where it is this one's turn */
  count(what: string): void {
    if (this.fails(what)) throw Object.assign(new Error(`${what} fails`), { code: "EIO" });
  }

  /** The same of what does not throw. */
  fails(what: string): boolean {
    if (!this.isArmed || --this.#left !== 0) return false;
    this.failed = what;
    return true;
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
      // It has gone before anybody could look at it.
      if (this.#operations.fails("accept")) return connection.destroy();
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

/** What is set repeatedly for as long fails so often in its turn. */
const SAME_TIMERS_MAX = 3;

/** A clock of which the n-th timer fires at once, as if all of its time had passed meanwhile. */
export function failTimers(clock: ManualClock, operations: Operations): void {
  const setTimer = clock.setTimer.bind(clock);
  const counts = new Map<number, number>();
  clock.setTimer = (callback, delayMs) => {
    if (!operations.isArmed) return setTimer(callback, delayMs);
    const count = (counts.get(delayMs) ?? 0) + 1;
    counts.set(delayMs, count);
    const isEarly = count <= SAME_TIMERS_MAX && operations.fails("timer");
    return setTimer(callback, isEarly ? 0 : delayMs);
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

/** Files of which each look, opening, listing and read is counted. */
export function failFiles(files: MemoryFiles, operations: Operations): void {
  const count = (what: string, path: string): void => {
    try {
      operations.count(what);
    } catch {
      throw new FileError("look at", path, "EIO");
    }
  };
  const stat = files.stat.bind(files);
  const realPath = files.realPath.bind(files);
  const openNow = files.openNow.bind(files);
  const list = files.list.bind(files);
  // The files ask themselves, too: only what others ask counts.
  let isInside = false;
  const asked = <Result>(what: string, path: string, run: () => Result): Result => {
    if (isInside) return run();
    count(what, path);
    isInside = true;
    try {
      return run();
    } finally {
      isInside = false;
    }
  };
  files.stat = (path) => asked("stat", path, () => stat(path));
  files.realPath = (path) => asked("realPath", path, () => realPath(path));
  files.openNow = (path) => {
    const file = asked("openNow", path, () => openNow(path));
    return file && countReads(file, () => count("read a file", path));
  };
  files.list = async (path, namesMax) => {
    count("list", path);
    return await list(path, namesMax);
  };
}

function countReads(file: OpenFile, count: () => void): OpenFile {
  return {
    descriptor: file.descriptor,
    info: file.info,
    path: file.path,
    read(bytes, offset) {
      count();
      return file.read(bytes, offset);
    },
    stream(pieces) {
      const reader = file.stream(pieces).getReader();
      return new ReadableStream({
        async pull(controller) {
          try {
            count();
          } catch (error) {
            await reader.cancel();
            throw error;
          }
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      }, { highWaterMark: 0 });
    },
    close: () => file.close(),
  };
}

/** A client to whom a write, or the sending of a file, fails in its turn: it is gone then. */
export class FailingClient extends MemoryCallbackSocket {
  readonly #operations: Operations;

  constructor(operations: Operations) {
    super();
    this.canTransfer = true;
    this.#operations = operations;
  }

  override write(bytes: Uint8Array): boolean {
    if (this.#fails("write to a client")) return false;
    return super.write(bytes);
  }

  override transfer(file: OpenFile, offset: number, length: number): number {
    if (this.#fails("send a file")) return 0;
    return super.transfer(file, offset, length);
  }

  #fails(what: string): boolean {
    if (!this.#operations.fails(what)) return false;
    queueMicrotask(() => {
      if (!this.isClosed) this.close();
    });
    return true;
  }
}
