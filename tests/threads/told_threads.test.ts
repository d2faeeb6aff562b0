/**
 * What the main thread passes on from one thread to others, and what it finds out by looking: who hears
 * it, who does not, and what is known of it later by a thread that starts anew.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, formatAddress } from "../../src/runtime/address.ts";
import type { SocketListenOptions } from "../../src/runtime/callback_socket.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import { ListenError } from "../../src/runtime/network.ts";
import { processPlaces } from "../../src/shared/process_memory.ts";
import { claimServer, upstreamPlaces } from "../../src/shared/upstream_memory.ts";
import { run } from "../../src/shared/steps.ts";
import type { StderrLine } from "../../src/app/passed_stderr.ts";
import type { FromThread, ToThread } from "../../src/threads/messages.ts";
import { untilIdle } from "../support/idle.ts";
import {
  AT,
  HELLO,
  MainThreadWorld,
  OPTIONS,
  type RecordedThread,
} from "../support/main_thread_world.ts";
import { inWorld } from "../support/world_test.ts";

const SECOND_MS = 1_000;
const LISTENER = "tcp://127.0.0.1:8080";

function descriptorsOf({ told }: RecordedThread): number[] {
  return told.flatMap((message) => message.kind === "connection" ? [message.descriptor] : []);
}

/** So many looks, in which the hearts of these threads beat. */
function lookTimes(
  world: MainThreadWorld,
  count: number,
  beating: readonly RecordedThread[],
): void {
  for (let look = 0; look < count; look++) {
    for (const life of beating) life.beats();
    world.clock.advance(SECOND_MS);
  }
}

/** What the bell of each thread has been rung. */
function ringsOf(world: MainThreadWorld): number[] {
  const { process } = world.lives[0]!.last("start");
  const { bell } = processPlaces(process);
  return [0, 1, 2].map((thread) => Atomics.load(process.words, bell + thread));
}

test(
  "A thread's password is told to every other thread, and to none twice",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const told = () =>
      world.lives.map(({ told }) =>
        told.flatMap((message) => message.kind === "password" ? [message.digest] : [])
      );
    first!.says({ kind: "password", digest: "one" });
    assert.deepEqual(told(), [[], ["one"]]);
    second!.says({ kind: "password", digest: "two" });
    assert.deepEqual(told(), [["two"], ["one"]]);
    world.main.share.passwords.tell("three");
    assert.deepEqual(told(), [["two", "three"], ["one", "three"]]);
    const { secret } = first!.last("start");
    assert.deepEqual(secret, second!.last("start").secret);
    assert.deepEqual(secret, world.main.share.passwords.secret);
    assert.ok(new Set(secret).size > 8, "nobody can guess it");
  }),
);

test(
  "What several threads say of one thing is one line of the log",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const line = (leftOut: number) => ({
      kind: "limited" as const,
      line: {
        kind: "full",
        level: "warn" as const,
        message: "Too many",
        fields: { code: "full" },
        limit: { silentMs: 5_000 },
        leftOut,
      },
    });
    world.lives[0]!.says(line(2));
    world.lives[1]!.says(line(3));
    world.main.limited.log("full", "warn", "Too many", { code: "full" });
    const [told, ...others] = world.logged("full");
    assert.deepEqual([told?.["msg"], told?.["left_out"], others], ["Too many", 2, []]);
    world.clock.advance(5_000);
    world.lives[1]!.says(line(0));
    assert.equal(world.logged("full").at(-1)?.["left_out"], 5);
  }),
);

test(
  "Lines of an application's standard error go where the App takes them, each once",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const say = (...texts: readonly string[]) => {
      const lines = texts.map((text): StderrLine => ({ upstream: "app", text, fields: {} }));
      world.lives[1]!.says({ kind: "stderr", lines });
    };
    say("nobody hears it yet");
    const heard: string[] = [];
    world.main.hearStderr(({ text }) => void heard.push(text));
    say("one", "two");
    say("three");
    assert.deepEqual(heard, ["one", "two", "three"]);
  }),
);

test(
  "An access log that is taken away gets no line more",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const line = { kind: "log", log: "access", text: "a request\n" } as const;
    const written: string[] = [];
    world.main.useAccessLog({
      write: (text) => void written.push(text),
      flush: () => Promise.resolve(),
    });
    world.lives[0]!.says(line);
    world.main.useAccessLog(undefined);
    world.lives[0]!.says(line);
    assert.deepEqual([written, world.errors.text], [["a request\n"], ""]);
  }),
);

test(
  "News of a thread are heard by the main thread as well, and its own by all threads",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const heard: string[] = [];
    const share = world.main.share.upstreamOf(OPTIONS.upstreams[0]!);
    share.attach({
      onRung() {},
      onTurn() {},
      onBeat() {},
      onNews: (server, news) => void heard.push(`${server} ${news}`),
    });
    const { id: upstream } = world.lives[0]!.last("start").config.upstreams.get("app")!;
    world.lives[0]!.says({ kind: "news", upstream, server: "a", news: "failed" });
    assert.deepEqual(heard, ["a failed"]);
    share.tell("b", "recovered");
    assert.deepEqual(heard, ["a failed"], "its own");
    for (const life of world.lives) {
      assert.deepEqual(life.last("news"), {
        kind: "news",
        upstream,
        server: "b",
        news: "recovered",
      });
    }
    const next = await world.restart(world.lives[0]!);
    assert.deepEqual(next.last("start").present.news, [], "what is over in a moment is no state");
  }),
);

test(
  "Servers that are supplied reach each thread, and are awaited of those that live",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const servers = OPTIONS.upstreams[0]!.servers;
    let isOver = false;
    const supplied = world.main.share.upstreamOf(OPTIONS.upstreams[0]!).supply(servers)
      .then(() => isOver = true);
    const [first, second] = world.lives;
    const id = first!.last("servers").id;
    for (const life of world.lives) {
      assert.deepEqual(life.last("servers"), { kind: "servers", id, upstream: "app", servers });
    }
    first!.says({ kind: "supplied", id });
    await untilIdle();
    assert.equal(isOver, false);
    second!.events.died("killed");
    await supplied;
    world.clock.advance(SECOND_MS);
    const { present } = world.lives.at(-1)!.last("start");
    assert.deepEqual([...present.servers], [["app", servers]]);
    world.lives.at(-1)!.says({ kind: "ready" });
  }),
);

test(
  "A thread whose heart does not beat for two seconds gets no clients, until it does again",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const [first, second] = world.lives;
    lookTimes(world, 1, [first!, second!]);
    // The first look that finds the same is no proof.
    lookTimes(world, 1, [second!]);
    world.connect();
    assert.deepEqual(descriptorsOf(first!), [1]);
    lookTimes(world, 1, [second!]);
    assert.deepEqual(descriptorsOf(second!), [1], "what it has not taken, either");
    world.connect();
    world.connect();
    assert.deepEqual(descriptorsOf(second!), [1, 2, 3]);
    assert.equal(world.main.isServing, true);
    lookTimes(world, 1, [first!, second!]);
    world.connect();
    assert.deepEqual(descriptorsOf(first!), [1, 4]);
  }),
);

test(
  "A thread that stands still for ten looks dies, and no look of its life before counts for the next",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    // The first of them sees that its heart has beaten since none.
    lookTimes(world, 10, [second!]);
    assert.equal(first!.isEnded, false);
    lookTimes(world, 1, [second!]);
    assert.equal(first!.isEnded, true);
    const [line] = world.logged("thread_died");
    assert.match(String(line?.["msg"]), /worker-1 .*its event loop has stood still for 10 s/);
    world.clock.advance(100);
    const third = world.lives.at(-1)!;
    third.says({ kind: "ready" });
    lookTimes(world, 9, [second!]);
    assert.equal(third.isEnded, false);
    assert.equal(world.lives.length, 3);
    // A thread that stops is looked at as well.
    const stopped = world.main.stop(false);
    lookTimes(world, 3, []);
    second!.says({ kind: "stopped" });
    await stopped;
    assert.equal(third.isEnded, true);
  }),
);

test(
  "The process serves while one of its threads does, and until the last moment of a stop",
  inWorld(async () => {
    const world = new MainThreadWorld();
    const states: boolean[] = [];
    const see = () => void states.push(world.main.isServing);
    see();
    const preparing = world.main.prepare(OPTIONS);
    const [first, second] = world.lives;
    see();
    first!.says({ kind: "ready" });
    second!.says({ kind: "ready" });
    await (await preparing).commit();
    see();
    first!.events.died("killed");
    see();
    lookTimes(world, 3, []);
    see();
    second!.events.died("killed");
    see();
    void world.main.stop(false);
    see();
    assert.deepEqual(states, [false, false, true, true, false, false, true]);
  }),
);

test(
  "What was given to a thread in the moment of its death is found and given on within a second",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const memory = first!.last("start").config.upstreams.get("app")!;
    const { slots } = run(memory.words, claimServer(memory, formatAddress(AT)))!;
    const { owners } = upstreamPlaces(memory);
    Atomics.store(memory.words, owners + 2, second!.last("start").owner);
    Atomics.store(memory.words, slots, second!.last("start").owner);
    // Of nobody who lives.
    Atomics.store(memory.words, slots + 1, first!.last("start").owner);
    const before = ringsOf(world);
    lookTimes(world, 1, world.lives);
    assert.deepEqual(
      [0, 1].map((slot) => Atomics.load(memory.words, slots + slot)),
      [second!.last("start").owner, 0],
    );
    assert.deepEqual(ringsOf(world), before.map((count) => count + 1));
    lookTimes(world, 1, world.lives);
    assert.deepEqual(ringsOf(world), before.map((count) => count + 1), "there is nothing more");
    second!.events.died("killed");
    assert.equal(Atomics.load(memory.words, slots), 0);
    assert.deepEqual(ringsOf(world), before.map((count) => count + 2));
  }),
);

test(
  "A first configuration that is discarded leaves no thread",
  inWorld(async () => {
    const world = new MainThreadWorld();
    const preparing = world.main.prepare(OPTIONS);
    for (const life of world.lives) life.says({ kind: "ready" });
    await (await preparing).discard();
    assert.ok(world.lives.every(({ isEnded }) => isEnded));
    assert.equal(world.clock.timerCount, 0);
  }),
);

test(
  "Certificates are asked of the listener as it is now, also when another takes its place",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const identify = (cert: string) => (): TlsIdentity => ({ cert, key: "KEY" });
    const ask = async () => {
      const question = { serverName: "a.test", hello: HELLO, localHost: "" };
      world.lives[0]!.says({ kind: "identify", id: 1, listener: `${LISTENER} tls`, ...question });
      await untilIdle();
      return world.lives[0]!.last("identity").identity?.cert;
    };
    const listener = await world.listen({ identify: identify("one") });
    listener.configureTls?.({ identify: identify("two") });
    assert.equal(await ask(), "two");
    listener.configureTls?.({});
    assert.equal(await ask(), "two", "who changes something else leaves it");
    const next = await world.listen({ identify: identify("three") });
    listener.close();
    assert.equal(await ask(), "three", "the one before takes none away");
    next.close();
    assert.equal(await ask(), undefined);
    assert.equal(world.listener.isClosed, true);
  }),
);

test(
  "A listener is held up by the main thread as by each other, and one that is gone by nobody",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const listener = await world.listen();
    const say = (kind: "pause" | "resume", name = LISTENER) =>
      world.lives[0]!.says({ kind, listener: name, reason: "full" });
    listener.pause?.("full");
    say("pause");
    listener.resume?.("full");
    assert.deepEqual([...world.listener.paused], ["full"]);
    say("resume");
    assert.deepEqual([...world.listener.paused], []);
    say("pause", "tcp://127.0.0.1:1");
    assert.deepEqual([...world.listener.paused], []);
    listener.close();
    say("pause");
    assert.deepEqual([...world.listener.paused], []);
  }),
);

test(
  "With TLS only TCP is spread over threads, and what is not spread is the runtime's own",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const at: Address = { transport: "unix", path: "/run/afcgi.sock" };
    const options = (more: object) => ({ address: at, ...more }) as SocketListenOptions;
    await assert.rejects(
      world.main.runtime.listenSockets(options({ isSpread: true, tls: {} })),
      (error) => error instanceof ListenError && /with TLS on unix:.*: use TCP/.test(error.message),
    );
    await world.main.runtime.listenSockets(options({ isSpread: true }));
    world.accept(7);
    assert.deepEqual(descriptorsOf(world.lives[0]!), [7]);
    assert.equal(world.lives[0]!.last("connection").listener, LISTENER, "its address in force");
    const own = await world.main.runtime.listenSockets(options({ isSpread: false }));
    await assert.rejects(world.runtime.listenSockets(options({})), /in use/);
    own.close();
  }),
);

test(
  "What a thread says that has nothing to do with others reaches none",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const counts = () => world.lives.map(({ told }) => told.length);
    const before = counts();
    const messages: readonly FromThread[] = [
      { kind: "committed", id: 99 },
      { kind: "supplied", id: 99 },
      { kind: "prepared", id: 99, error: "late" },
    ];
    for (const message of messages) world.lives[0]!.says(message);
    assert.deepEqual(counts(), before);
    const kinds = world.lives[1]!.told.map(({ kind }: ToThread) => kind);
    assert.deepEqual(kinds, ["start"]);
  }),
);
