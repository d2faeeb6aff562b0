import { test } from "node:test";
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { connectedPair, decode, encode, patternBytes, readAll, runtime, turn } from "./support.ts";

const KINDS = ["tcp", "unix", "abstract"] as const;
const MEBIBYTE = 1024 * 1024;

for (const kind of KINDS) {
  test(`Bytes go both ways over ${kind}, and each side ends when it likes`, async () => {
    const { client, server, close } = await connectedPair(kind);
    const clientWriter = client.writable.getWriter();
    await clientWriter.write(encode("ping"));
    await clientWriter.close();
    assert.equal(decode(await readAll(server.readable)), "ping");

    const serverWriter = server.writable.getWriter();
    await serverWriter.write(encode("pong after the client's end"));
    await serverWriter.close();
    assert.equal(decode(await readAll(client.readable)), "pong after the client's end");
    close();
  });

  test(`A writer over ${kind} stalls while nobody reads, and loses nothing`, async () => {
    const { client, server, close } = await connectedPair(kind);
    const length = 32 * MEBIBYTE;
    const pieceLength = 64 * 1024;
    let written = 0;
    const writing = (async () => {
      const writer = client.writable.getWriter();
      while (written < length) {
        await writer.write(patternBytes(pieceLength, written));
        written += pieceLength;
      }
      await writer.close();
    })();

    await untilIdle(() => written);
    assert.ok(written < length, "the kernel's buffers took everything: nothing stalled");

    let read = 0;
    for await (const bytes of server.readable) {
      assert.deepEqual(bytes, patternBytes(bytes.length, read));
      read += bytes.length;
    }
    await writing;
    assert.equal(read, length);
    close();
  });

  test(`What was sent before a close is read to its end over ${kind}`, async () => {
    const { client, server, close } = await connectedPair(kind);
    const sent = patternBytes(100_000);
    const writer = server.writable.getWriter();
    await writer.write(sent.subarray(0, 50_000));
    await writer.write(sent.subarray(50_000));
    await writer.close();
    await client.writable.close();
    // Nobody reads until both sides have ended.
    await turn();
    assert.deepEqual(await readAll(client.readable), sent);
    close();
  });

  test(`A peer that goes away over ${kind} fails the writer`, async () => {
    const { client, server, close } = await connectedPair(kind);
    server.destroy();
    const writer = client.writable.getWriter();
    await assert.rejects(async () => {
      for (;;) await writer.write(new Uint8Array(64 * 1024));
    }, /Connection with .* (was closed by the peer|broke)/);
    close();
  });

  test(`A write that waits over ${kind} rejects when the connection is destroyed`, async () => {
    const { client, close } = await connectedPair(kind);
    const writer = client.writable.getWriter();
    const waiting = writer.write(new Uint8Array(32 * MEBIBYTE));
    const rejected = assert.rejects(waiting, /was (destroyed|closed)/);
    await turn();
    client.destroy();
    client.destroy();
    await rejected;
    await assert.rejects(client.readable.getReader().read(), /was destroyed/);
    close();
  });

  test(`A read that waits over ${kind} rejects when the connection is destroyed`, async () => {
    const { client, server, close } = await connectedPair(kind);
    const rejected = assert.rejects(client.readable.getReader().read(), /was destroyed/);
    client.destroy();
    await rejected;
    // The peer notices as well, as an end or as an error.
    await server.readable.getReader().read().then(({ done }) => assert.ok(done), () => {});
    close();
  });

  test(`A reader that leaves over ${kind} does not block its peer`, async () => {
    const { client, server, close } = await connectedPair(kind);
    await client.readable.cancel();
    const writer = server.writable.getWriter();
    for (let piece = 0; piece < 200; piece++) await writer.write(new Uint8Array(64 * 1024));
    await client.writable.getWriter().write(encode("still here"));
    const { value } = await server.readable.getReader().read();
    assert.equal(decode(value ?? new Uint8Array()), "still here");
    close();
  });

  test(`An aborted writable ends both directions over ${kind}`, async () => {
    const { client, server, close } = await connectedPair(kind);
    await client.writable.abort(new Error("enough"));
    await server.readable.getReader().read().then(({ done }) => assert.ok(done), () => {});
    await assert.rejects(client.readable.getReader().read(), /was destroyed/);
    close();
  });

  test(`Bytes read over ${kind} stay as they are while more arrives`, async () => {
    const { client, server, close } = await connectedPair(kind);
    const reader = server.readable.getReader();
    const writer = client.writable.getWriter();
    const pieces: Uint8Array[] = [];
    for (let piece = 0; piece < 50; piece++) {
      await writer.write(new Uint8Array(1000).fill(piece));
      let length = 0;
      while (length < 1000) {
        const { value } = await reader.read();
        assert.ok(value);
        pieces.push(value);
        length += value.length;
        assert.ok(value.every((byte) => byte === piece));
      }
    }
    let position = 0;
    for (const piece of pieces) {
      const expected = Math.floor(position / 1000);
      assert.ok(piece.every((byte) => byte === expected));
      position += piece.length;
    }
    close();
  });

  test(`Bytes written over ${kind} may be used again once the write has settled`, async () => {
    const { client, server, close } = await connectedPair(kind);
    const reading = readAll(server.readable);
    const writer = client.writable.getWriter();
    const piece = new Uint8Array(300_000);
    for (let value = 0; value < 10; value++) {
      await writer.write(piece.fill(value));
    }
    await writer.close();
    const all = await reading;
    assert.equal(all.length, 3_000_000);
    for (let value = 0; value < 10; value++) {
      const part = all.subarray(value * 300_000, (value + 1) * 300_000);
      assert.ok(part.every((byte) => byte === value), `piece ${value} was overwritten`);
    }
    close();
  });
}

test("A reset over tcp reaches the reader as an error, after what had come", async () => {
  const peer = Promise.withResolvers<Socket>();
  const server = createServer(peer.resolve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client = await runtime.connect({ transport: "tcp", host: "127.0.0.1", port });

  const socket = await peer.promise;
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.write("before", () => resolve()));
  const waiting = client.writable.getWriter().write(new Uint8Array(32 * MEBIBYTE));
  const rejected = assert.rejects(waiting, /Connection with tcp:.* (broke|was closed)/);
  await turn();
  socket.resetAndDestroy();
  await rejected;

  const reader = client.readable.getReader();
  const { value } = await reader.read();
  assert.equal(decode(value ?? new Uint8Array()), "before");
  await assert.rejects(reader.read(), /Connection with tcp:.* broke/);
  server.close();
});

test("A connection says who its peer is", async () => {
  const pair = await connectedPair("tcp");
  assert.equal(pair.client.remote, `tcp://127.0.0.1:${portOf(pair.listener.address)}`);
  assert.match(pair.server.remote, /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.notEqual(pair.server.remote, pair.client.remote);
  pair.close();
});

test("A connection over an abstract unix socket names it as a user would", async () => {
  const { client, server, close } = await connectedPair("abstract");
  assert.match(client.remote, /^unix:@\//);
  assert.equal(server.remote, client.remote);
  close();
});

function portOf(address: { transport: string; port?: number }): number {
  return address.port ?? 0;
}

/** Waits until a number has not changed for a good many turns of the event loop. */
async function untilIdle(value: () => number): Promise<void> {
  let last = -1;
  for (let idleTurns = 0; idleTurns < 50;) {
    await turn();
    idleTurns = value() === last ? idleTurns + 1 : 0;
    last = value();
  }
}
