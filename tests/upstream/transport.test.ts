/** A socket to an application in the test's hand: what is written when, and what its owner hears. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import type {
  CallbackSocket,
  SocketConnectOptions,
  SocketEvents,
} from "../../src/runtime/callback_socket.ts";
import { BufferMemory } from "../../src/upstream/buffer_memory.ts";
import { Transport, type TransportDeps } from "../../src/upstream/transport.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

function world({ opens = true } = {}) {
  const clock = new ManualClock();
  const memory = new BufferMemory();
  const seen: string[] = [];
  const waiting: string[] = [];
  let isLast = false;
  let asked!: SocketConnectOptions;
  let events: SocketEvents | undefined;
  let fail!: (error: Error) => void;
  const socket = {
    isBroken: false,
    takes: true,
    accepted: undefined as boolean | undefined,
    write(bytes: Uint8Array): boolean {
      seen.push(`write ${fromLatin1(bytes)}`);
      return socket.takes;
    },
    pause: () => void seen.push("pause"),
    resume: () => void seen.push("resume"),
    reset: () => void seen.push("reset"),
    end: () => void seen.push("end"),
    peerProgress: (mustBeOpen: boolean) => mustBeOpen ? "closed" : "caught_up",
    isAccepted: () => socket.accepted,
  };
  const open = (): void => {
    events = asked.onSocket(socket as unknown as CallbackSocket);
  };
  const runtime = {
    clock,
    connectSocket: (options: SocketConnectOptions) => {
      asked = options;
      if (opens) open();
      return new Promise<void>((resolve, reject) => {
        fail = reject;
        if (opens) resolve();
      });
    },
  };
  const deps = {
    runtime,
    memory,
    server: { address: parseAddress("tcp://192.0.2.1:9000") },
    options: {},
  } as unknown as TransportDeps;
  const transport = new Transport(deps, {
    onDrained: () => seen.push("drained"),
    onOpen: () => seen.push("open"),
    onBytes: (bytes) => seen.push(`bytes ${fromLatin1(bytes)}`),
    onUnwritable: () => seen.push("unwritable"),
    onClosed: (error) =>
      seen.push(error === undefined ? "closed" : `closed: ${(error as Error).message}`),
  }, {
    take: () => {
      const text = waiting.shift();
      return text === undefined ? undefined : latin1(text);
    },
    get isLast() {
      return isLast;
    },
    sending: () => void seen.push("sending"),
    recycle: (bytes) => void seen.push(`recycle ${fromLatin1(bytes)}`),
  });
  const taken = (): string[] => seen.splice(0);
  return {
    ...{ clock, memory, seen, waiting, socket, transport, open, taken },
    asked: () => asked,
    events: () => events!,
    fail: (error: Error) => fail(error),
    last: () => void (isLast = true),
  };
}

test("What is scheduled in one turn leaves at its end, once the connection stands", async () => {
  const { transport, waiting, taken, open, asked, socket } = world({ opens: false });
  waiting.push("a");
  transport.schedule();
  transport.pause();
  transport.resume();
  await untilIdle();
  assert.deepEqual([taken(), transport.isAccepted()], [[], undefined]);
  assert.equal(transport.peerProgress(true), "unknown");
  open();
  await untilIdle();
  assert.deepEqual(taken(), ["open", "write a", "sending", "recycle a"]);
  waiting.push("b");
  transport.schedule();
  waiting.push("c");
  transport.schedule();
  assert.deepEqual(taken(), []);
  await untilIdle();
  assert.deepEqual(taken(), [
    ...["write b", "sending", "recycle b"],
    ...["write c", "sending", "recycle c"],
  ]);
  transport.pause();
  transport.resume();
  assert.deepEqual(taken(), ["pause", "resume"]);
  socket.accepted = true;
  assert.equal(transport.isAccepted(), true);
  assert.deepEqual([transport.peerProgress(true), transport.peerProgress(false)], [
    ...["closed", "caught_up"],
  ]);
  assert.equal(asked().address.transport, "tcp");
});

test("What the system does not take waits, is counted, and is followed by what gathered", async () => {
  const { transport, waiting, taken, socket, events, memory, clock } = world();
  await untilIdle();
  assert.deepEqual([taken(), transport.writingSinceMs], [["open"], Infinity]);
  clock.advance(70);
  socket.takes = false;
  waiting.push("abc", "d");
  transport.flush();
  assert.deepEqual(taken(), ["write abc", "sending"]);
  assert.deepEqual([memory.used, transport.writingSinceMs], [3, 70]);
  assert.equal(transport.peerProgress(false), "behind");
  transport.flush();
  transport.schedule();
  await untilIdle();
  assert.deepEqual(taken(), [], "it waits for its turn");
  clock.advance(5);
  events().drained();
  assert.deepEqual(taken(), ["recycle abc", "write d", "sending"]);
  assert.deepEqual([memory.used, transport.writingSinceMs], [1, 75]);
  socket.takes = true;
  waiting.push("e");
  events().drained();
  assert.deepEqual(taken(), ["recycle d", "write e", "sending", "recycle e", "drained"]);
  assert.deepEqual([memory.used, transport.writingSinceMs], [0, Infinity]);
  events().drained();
  assert.deepEqual(taken(), [], "nothing had waited");
});

test("A write that fails is told, and what comes is still read", async () => {
  for (const later of [false, true]) {
    const { transport, waiting, taken, socket, events, memory } = world();
    await untilIdle();
    taken();
    socket.takes = false;
    socket.isBroken = !later;
    waiting.push("a", "b");
    transport.flush();
    if (later) {
      assert.deepEqual(taken(), ["write a", "sending"]);
      socket.isBroken = true;
      events().drained();
    }
    assert.deepEqual(taken(), later ? ["unwritable"] : ["write a", "unwritable"]);
    transport.flush();
    transport.schedule();
    await untilIdle();
    events().received(latin1("rest"));
    assert.deepEqual([taken(), memory.used], [["bytes rest"], 0]);
    events().peerEnded();
    events().peerEnded();
    events().closed();
    events().received(latin1("late"));
    assert.deepEqual(taken(), ["reset", "closed"]);
  }
});

test("Behind the last bytes the application is told once that no more come", async () => {
  const { transport, waiting, taken, last } = world();
  await untilIdle();
  taken();
  transport.flush();
  assert.deepEqual(taken(), []);
  last();
  waiting.push("a");
  transport.flush();
  assert.deepEqual(taken(), ["write a", "sending", "recycle a", "end"]);
  transport.flush();
  assert.deepEqual(taken(), []);
  const other = world();
  (other.socket as { end?: unknown }).end = undefined;
  await untilIdle();
  other.last();
  other.transport.flush();
  assert.deepEqual(other.taken(), ["open"]);
});

test("It ends once: closed by us, by the application, or broken, and holds nothing then", async () => {
  const ways = {
    us: ({ transport }: ReturnType<typeof world>) => transport.close(),
    ended: ({ events }: ReturnType<typeof world>) => events().peerEnded(),
    broke: ({ events }: ReturnType<typeof world>) => events().closed(new Error("it broke")),
  };
  const expected = {
    us: ["reset", "closed: Connection with tcp://192.0.2.1:9000 was destroyed"],
    ended: ["reset", "closed"],
    broke: ["closed: it broke"],
  };
  for (const way of ["us", "ended", "broke"] as const) {
    const one = world();
    await untilIdle();
    one.taken();
    one.socket.takes = false;
    one.waiting.push("abc");
    one.transport.flush();
    one.taken();
    assert.equal(one.memory.used, 3);
    ways[way](one);
    await untilIdle();
    assert.deepEqual([one.taken(), one.memory.used], [expected[way], 0], way);
    one.transport.close();
    one.events().closed();
    one.events().drained();
    one.events().peerEnded();
    one.events().received(latin1("late"));
    one.waiting.push("d");
    one.transport.flush();
    one.transport.schedule();
    await untilIdle();
    assert.deepEqual(one.taken(), [], way);
  }
});

test("One that is called off before it stands ends when that is so, however it comes out", async () => {
  const failing = world({ opens: false });
  failing.transport.close();
  assert.equal(failing.asked().signal!.aborted, true);
  await untilIdle();
  assert.deepEqual(failing.taken(), []);
  failing.fail(new Error("called off"));
  await untilIdle();
  assert.deepEqual(failing.taken(), ["closed: called off"]);
  const standing = world({ opens: false });
  standing.transport.close();
  standing.open();
  await untilIdle();
  assert.deepEqual(standing.taken(), [
    ...["reset", "closed: Connection with tcp://192.0.2.1:9000 was destroyed"],
  ]);
  const gone = world({ opens: false });
  gone.open();
  gone.events().closed(new Error("at once"));
  await untilIdle();
  assert.deepEqual(gone.taken(), ["closed: at once"]);
});
