/** Which requests leave in one write. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RECYCLED_CAPACITY_MAX } from "../../src/protocol/byte_buffer.ts";
import { HEADER_LENGTH, RecordType } from "../../src/protocol/constants.ts";
import type { CallbackSocket, SocketConnectOptions } from "../../src/runtime/callback_socket.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { WRITE_LENGTH_MAX } from "../../src/upstream/body_sender.ts";
import { type RequestParts, UpstreamWorld, type WorldSettings } from "../support/upstream_world.ts";

/** A socket that takes everything, and tells how many requests began with each write. */
class CountingSocket implements CallbackSocket {
  readonly isBroken = false;
  readonly #connection: ByteConnection;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #begun: number[];

  constructor(connection: ByteConnection, begun: number[]) {
    this.#connection = connection;
    this.#writer = connection.writable.getWriter();
    this.#begun = begun;
  }

  write(bytes: Uint8Array): boolean {
    this.#begun.push(countBegins(bytes));
    void this.#writer.write(bytes.slice());
    return true;
  }

  pause(): void {}
  resume(): void {}

  reset(): void {
    this.#connection.destroy();
  }
}

function countBegins(bytes: Uint8Array): number {
  let count = 0;
  for (let offset = 0; offset < bytes.length;) {
    if (bytes[offset + 1] === RecordType.BEGIN_REQUEST) count++;
    offset += HEADER_LENGTH + (bytes[offset + 4]! << 8 | bytes[offset + 5]!) + bytes[offset + 6]!;
  }
  return count;
}

/** A world with such sockets, and what they tell. */
async function countedWorld(settings: WorldSettings) {
  const world = new UpstreamWorld(settings);
  const application = await world.application();
  const begun: number[] = [];
  const { runtime } = world;
  const connectSocket = async ({ address, onSocket }: SocketConnectOptions): Promise<void> => {
    const connection = await runtime.connect(address);
    const events = onSocket(new CountingSocket(connection, begun));
    const read = async (): Promise<void> => {
      for await (const bytes of connection.readable) events.received(bytes);
      events.peerEnded();
    };
    void read().catch((error: Error) => events.closed(error));
  };
  Object.assign(runtime, { connectSocket } satisfies Pick<Runtime, "connectSocket">);
  /** Sends requests in one turn and answers them; says what had left before the turn was over. */
  const exchange = async (count: number, parts?: RequestParts): Promise<number[]> => {
    const responses = Array.from({ length: count }, () => world.send(parts));
    const atOnce = [...begun];
    for (let index = 0; index < count; index++) (await application.next()).answer();
    await Promise.all(responses);
    return atOnce;
  };
  return { world, begun, exchange };
}

test("Where requests share a connection, those of one turn leave in one write, a lone one at once", async () => {
  const { world, begun, exchange } = await countedWorld({ multiplex: "on" });
  await exchange(1);
  assert.deepEqual(begun, [1]);
  assert.deepEqual(await exchange(1), [1, 1], "alone, as the one before was");
  // That others follow it shows with the next turn.
  assert.deepEqual(await exchange(3), [1, 1, 1]);
  assert.deepEqual(begun, [1, 1, 1, 2]);
  assert.deepEqual(await exchange(3), [1, 1, 1, 2]);
  assert.deepEqual(begun, [1, 1, 1, 2, 3]);
  assert.deepEqual(await exchange(1), [1, 1, 1, 2, 3]);
  assert.deepEqual(await exchange(1), [1, 1, 1, 2, 3, 1, 1]);
  await world.close();
});

test("Where a connection carries one request at a time, each leaves at once", async () => {
  const { world, begun, exchange } = await countedWorld({
    multiplex: "off",
    connections: { max: 1 },
  });
  assert.deepEqual(await exchange(3), []);
  assert.deepEqual(begun, [1, 1, 1]);
  assert.deepEqual(await exchange(3), [1, 1, 1, 1]);
  assert.deepEqual(begun, [1, 1, 1, 1, 1, 1]);
  await world.close();
});

test("Where the parameters of one turn are long, a write takes no more of them than one that is kept", async () => {
  const { world, begun, exchange } = await countedWorld({ multiplex: "on" });
  await exchange(2);
  const length = 50_000;
  const parts = { params: [["HTTP_COOKIE", "x".repeat(length)]] } as const;
  const most = Math.ceil(WRITE_LENGTH_MAX / length);
  assert.ok(WRITE_LENGTH_MAX + length < RECYCLED_CAPACITY_MAX);
  begun.length = 0;
  const atOnce = await exchange(20, parts);
  assert.deepEqual(atOnce, Array.from({ length: Math.floor(20 / most) }, () => most));
  assert.equal(begun.reduce((sum, count) => sum + count, 0), 20);
  await world.close();
});
