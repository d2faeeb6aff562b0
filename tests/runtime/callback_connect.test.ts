/** Sockets with callbacks to a listener: the runtime's own, and those made of its streams. */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Address } from "../../src/runtime/address.ts";
import type { CallbackSocket, SocketEvents } from "../../src/runtime/callback_socket.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { ConnectError } from "../../src/runtime/network.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { connectSocket } from "../../src/runtime/streamed_socket.ts";
import { untilTold } from "../support/idle.ts";
import { freshAddress, patternBytes, readAll, runtime, turn } from "./support.ts";

const LENGTH = 16 * 1024 * 1024;

type Event = "received" | "drained" | "peerEnded" | "closed";

/** What became of a socket, in order. */
class Seen implements SocketEvents {
  readonly socket: CallbackSocket;
  readonly events: Event[] = [];
  readonly pieces: Uint8Array<ArrayBuffer>[] = [];
  length = 0;
  error: Error | undefined;
  #onEvent: () => void = () => {};

  constructor(socket: CallbackSocket) {
    this.socket = socket;
  }

  received(bytes: Uint8Array): void {
    this.pieces.push(bytes as Uint8Array<ArrayBuffer>);
    this.length += bytes.length;
    this.#note("received");
  }

  drained(): void {
    this.#note("drained");
  }

  peerEnded(): void {
    this.#note("peerEnded");
  }

  closed(error?: Error): void {
    this.error = error;
    this.#note("closed");
  }

  async until(isSo: () => boolean): Promise<void> {
    await untilTold(isSo, (wake) => this.#onEvent = wake);
  }

  happened(event: Event): Promise<void> {
    return this.until(() => this.events.includes(event));
  }

  #note(event: Event): void {
    this.events.push(event);
    this.#onEvent();
  }
}

interface Pair {
  readonly seen: Seen;
  readonly socket: CallbackSocket;
  readonly peer: ByteConnection;
}

const WAYS: Readonly<Record<string, Pick<Runtime, "connect" | "connectSocket">>> = {
  "the runtime's": runtime,
  "of streams": { connect: runtime.connect },
};

async function connected(
  way: Pick<Runtime, "connect" | "connectSocket">,
  address: Address,
): Promise<Seen> {
  const opened = Promise.withResolvers<Seen>();
  const onSocket = (socket: CallbackSocket) => {
    const seen = new Seen(socket);
    opened.resolve(seen);
    return seen;
  };
  await connectSocket(way, { address, onSocket });
  return opened.promise;
}

for (const [name, way] of Object.entries(WAYS)) {
  for (const kind of ["tcp", "unix", "abstract"] as const) {
    const withPair = async (use: (pair: Pair) => Promise<void>): Promise<void> => {
      const accepted = Promise.withResolvers<ByteConnection>();
      const listener = await runtime.listen(freshAddress(kind), accepted.resolve);
      const seen = await connected(way, listener.address);
      const peer = await accepted.promise;
      try {
        await use({ seen, socket: seen.socket, peer });
      } finally {
        seen.socket.reset();
        peer.destroy();
        listener.close();
      }
    };

    test(`What is written arrives in order, also what is not taken at once (${kind}, ${name})`, () =>
      withPair(async ({ seen, socket, peer }) => {
        const bytes = patternBytes(LENGTH);
        const isTaken = [socket.write(bytes.subarray(0, LENGTH - 5))];
        isTaken.push(socket.write(bytes.subarray(LENGTH - 5)));
        assert.deepEqual(isTaken, [false, false]);
        const reader = peer.readable.getReader();
        const got = new Uint8Array(LENGTH);
        for (let length = 0; length < LENGTH;) {
          const { value } = await reader.read();
          got.set(value!, length);
          length += value!.length;
        }
        assert.deepEqual(got, bytes);
        await seen.happened("drained");
        assert.equal(socket.isBroken, false);
      }));

    test(`What comes in arrives whole, and a pause stops its sender (${kind}, ${name})`, () =>
      withPair(async ({ seen, socket, peer }) => {
        socket.pause();
        const bytes = patternBytes(LENGTH);
        let isTaken = false;
        const sent = peer.writable.getWriter().write(bytes).then(() => isTaken = true);
        for (let last = -1, still = 0; still < 20;) {
          await turn();
          still = seen.length === last ? still + 1 : 0;
          last = seen.length;
        }
        assert.ok(seen.length <= 1024 * 1024, `${seen.length} bytes came to a paused socket`);
        assert.equal(isTaken, false);
        socket.resume();
        await seen.until(() => seen.length === LENGTH);
        await sent;
        assert.deepEqual(new Uint8Array(await new Blob(seen.pieces).arrayBuffer()), bytes);
      }));

    test(`What a peer said before it closed is read, also behind a pause (${kind}, ${name})`, () =>
      withPair(async ({ seen, socket, peer }) => {
        socket.pause();
        const bytes = patternBytes(50_000);
        const writer = peer.writable.getWriter();
        await writer.write(bytes);
        await writer.close();
        await peer.readable.cancel();
        for (let count = 0; count < 20; count++) await turn();
        socket.resume();
        await seen.happened("peerEnded");
        assert.deepEqual(new Uint8Array(await new Blob(seen.pieces).arrayBuffer()), bytes);
        socket.reset();
        await seen.happened("closed");
        assert.equal(socket.write(new Uint8Array(1)), false);
        await turn();
        assert.equal(seen.events.at(-1), "closed");
      }));

    test(`A reset ends the connection for the peer (${kind}, ${name})`, () =>
      withPair(async ({ seen, socket, peer }) => {
        const read = readAll(peer.readable).then(() => "end", () => "broken");
        socket.reset();
        await seen.happened("closed");
        assert.match(await read, /^(end|broken)$/);
        for (const call of ["reset", "pause", "resume"] as const) socket[call]();
        assert.equal(seen.events.filter((event) => event === "closed").length, 1);
      }));

    test(`Who waits to send hears that the peer is gone (${kind}, ${name})`, () =>
      withPair(async ({ seen, socket, peer }) => {
        assert.equal(socket.write(new Uint8Array(LENGTH)), false);
        peer.destroy();
        await seen.until(() => seen.events.length > 0);
        // By its end, or as broken: then there may still be something to read.
        if (seen.events.includes("drained")) assert.equal(socket.isBroken, true);
        assert.ok(!seen.events.includes("received"));
        assert.equal(socket.write(new Uint8Array(1)), false);
        socket.reset();
        await seen.happened("closed");
        for (let count = 0; count < 20; count++) await turn();
        assert.equal(seen.events.at(-1), "closed");
      }));

    test(`A connect that is given up gives no socket (${kind}, ${name})`, async () => {
      const listener = await runtime.listen(freshAddress(kind), () => {});
      const { address } = listener;
      let sockets = 0;
      const onSocket = (socket: CallbackSocket) => {
        sockets++;
        return new Seen(socket);
      };
      const before = AbortSignal.abort(new Error("too late"));
      const late = new AbortController();
      const attempts = [
        connectSocket(way, { address, onSocket, signal: before }),
        connectSocket(way, { address, onSocket, signal: late.signal }),
      ];
      late.abort(new Error("too late"));
      for (const attempt of attempts) {
        await assert.rejects(attempt, (error) => {
          return error instanceof ConnectError && error.failure === "aborted";
        });
      }
      await turn();
      assert.equal(sockets, 0);
      listener.close();
    });
  }

  for (const kind of ["tcp", "unix"] as const) {
    test(`Nobody listening is refused (${kind}, ${name})`, async () => {
      const listener = await runtime.listen(freshAddress(kind), () => {});
      listener.close();
      await turn();
      await assert.rejects(connected(way, listener.address), (error) => {
        return error instanceof ConnectError && error.failure === "refused";
      });
    });
  }
}
