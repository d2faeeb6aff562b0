/** What every connection promises, asked of the one over `node:net` (an inherited socket on Deno). */
import { test } from "node:test";
import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { NodeConnection } from "../../src/runtime/node_connection.ts";
import { decode, encode, patternBytes, readAll, turn } from "./support.ts";

const MIB = 1024 * 1024;

/** Turns of the event loop without a change after which none is to come. */
const TURNS_STILL = 50;

interface Pair {
  readonly connection: NodeConnection;
  /** The other end, as a program without our code has it. */
  readonly peer: Socket;
}

async function withPair(use: (pair: Pair) => Promise<void>): Promise<void> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, accepted.resolve);
  const port = await listen(server);
  const peer = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  peer.on("error", () => {}); // What breaks is looked at on our side.
  const connection = new NodeConnection(await accepted.promise, "tcp://peer:1");
  try {
    await use({ connection, peer });
  } finally {
    connection.destroy();
    peer.destroy();
    server.close();
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
}

function receivedBy(peer: Socket): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  peer.on("data", (bytes: Uint8Array) => pieces.push(bytes));
  return new Promise((resolve) => peer.on("end", () => resolve(Buffer.concat(pieces))));
}

test("NodeConnection carries bytes both ways, and each direction ends by itself", async () => {
  await withPair(async ({ connection, peer }) => {
    peer.end("question");
    assert.equal(decode(await readAll(connection.readable)), "question");
    const received = receivedBy(peer);
    const writer = connection.writable.getWriter();
    await writer.write(encode("response"));
    await writer.close();
    assert.equal(decode(await received), "response");
  });
});

test("NodeConnection carries 4 MiB each way in order", async () => {
  const bytes = patternBytes(4 * MIB);
  await withPair(async ({ connection, peer }) => {
    const received = receivedBy(peer);
    const writer = connection.writable.getWriter();
    peer.end(bytes);
    const [up] = await Promise.all([
      readAll(connection.readable),
      writer.write(bytes).then(() => writer.close()),
    ]);
    assert.deepEqual(up, bytes);
    assert.deepEqual(new Uint8Array(await received), bytes);
  });
});

test("NodeConnection settles a write when the system has taken it, so its memory can be used again", async () => {
  await withPair(async ({ connection, peer }) => {
    const writer = connection.writable.getWriter();
    const memory = new Uint8Array(MIB);
    const received = receivedBy(peer);
    for (let round = 0; round < 8; round++) {
      memory.fill(round);
      await writer.write(memory);
    }
    await writer.close();
    const seen = await received;
    assert.equal(seen.length, 8 * MIB);
    for (let round = 0; round < 8; round++) {
      assert.ok(seen.subarray(round * MIB, (round + 1) * MIB).every((byte) => byte === round));
    }
  });
});

test("NodeConnection does not read on while nobody reads from it", async () => {
  await withPair(async ({ connection, peer }) => {
    let taken = 0;
    for (let count = 0; count < 64; count++) peer.write(new Uint8Array(MIB), () => void taken++);
    // Both ends live in this process, so what can move on moves on with every turn.
    for (let seen = -1, still = 0; still < TURNS_STILL; still = seen === taken ? still + 1 : 0) {
      seen = taken;
      await turn();
    }
    assert.ok(taken < 64, "all of 64 MiB was taken");
    const reader = connection.readable.getReader();
    let length = 0;
    while (length < 64 * MIB) length += (await reader.read()).value!.length;
    assert.equal(length, 64 * MIB);
  });
});

test("NodeConnection that is destroyed fails its reader, its writer, and ends for the peer", async () => {
  await withPair(async ({ connection, peer }) => {
    peer.resume();
    const closed = new Promise((resolve) => peer.on("close", resolve));
    peer.on("end", () => peer.end());
    connection.destroy();
    connection.destroy();
    await assert.rejects(connection.readable.getReader().read(), /was destroyed/);
    await assert.rejects(connection.writable.getWriter().write(encode("x")), /was destroyed/);
    await closed;
  });
});

test("NodeConnection gives what came before a reset, and then its error", async () => {
  await withPair(async ({ connection, peer }) => {
    const reader = connection.readable.getReader();
    peer.write("last words");
    assert.equal(decode((await reader.read()).value!), "last words");
    peer.resetAndDestroy();
    await assert.rejects(reader.read(), /Connection with tcp:\/\/peer:1 (broke|was closed)/);
    await assert.rejects(connection.writable.getWriter().closed);
  });
});
