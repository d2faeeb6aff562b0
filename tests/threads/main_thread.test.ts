/**
 * The main thread, with threads that only remember what they were told, and a clock in memory: what
 * becomes of what a thread held when it dies, of a reload that one of them cannot do, and of what is
 * left when all is over. After each test nothing is: no timer, no descriptor that nobody owns.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import type { ThreadConfig } from "../../src/threads/messages.ts";
import {
  LATE_LOOKS,
  LOOK_INTERVAL_MS,
  RESTART_MIN_MS,
  STUCK_LOOKS,
} from "../../src/threads/supervised_thread.ts";
import { KEPT_INTERVAL_MS } from "../../src/threads/thread_reports.ts";
import { untilIdle } from "../support/idle.ts";
import {
  COUNT,
  HELLO,
  MainThreadWorld,
  OPTIONS,
  preparedId,
  type RecordedThread,
} from "../support/main_thread_world.ts";
import { MemorySink } from "../support/memory/memory.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "What a dead thread held up goes on, unless another one holds it up too",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const [first, second] = world.lives;
    const listener = "tcp://127.0.0.1:8080";
    for (const reason of ["full", "descriptors"] as const) {
      first!.says({ kind: "pause", listener, reason });
    }
    second!.says({ kind: "pause", listener, reason: "full" });
    first!.events.died("killed");
    assert.deepEqual([...world.listener.paused], ["full"]);
    second!.says({ kind: "resume", listener, reason: "full" });
    assert.deepEqual([...world.listener.paused], []);
  }),
);

test(
  "A listener that two threads hold up goes on when both let go, in whichever order",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const listener = "tcp://127.0.0.1:8080";
    const say = (thread: number, kind: "pause" | "resume") =>
      world.lives[thread]!.says({ kind, listener, reason: "full" });
    say(0, "pause");
    say(0, "pause");
    say(1, "pause");
    say(1, "resume");
    assert.deepEqual([...world.listener.paused], ["full"]);
    say(1, "resume");
    assert.deepEqual([...world.listener.paused], ["full"], "who holds nothing up lets nothing go");
    say(0, "resume");
    assert.deepEqual([...world.listener.paused], []);
  }),
);

test(
  "A client that a dead thread has not taken is another thread's",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const [first, second] = world.lives;
    const descriptors = [world.connect(), world.connect()];
    const given = (life: RecordedThread) =>
      life.told.flatMap((message) => message.kind === "connection" ? [message.descriptor] : []);
    assert.deepEqual([given(first!), given(second!)], [[descriptors[0]], [descriptors[1]]]);
    first!.events.died("killed");
    assert.deepEqual(given(second!), [descriptors[1], descriptors[0]]);
    assert.deepEqual(world.closed, []);
  }),
);

test(
  "Who comes while no thread serves waits for one, and is closed when none comes",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    for (const life of [...world.lives]) life.events.died("killed");
    const descriptor = world.connect();
    assert.deepEqual(world.closed, []);
    world.main.destroy();
    assert.deepEqual(world.closed, [descriptor]);
    assert.equal(world.connect(), descriptor + 1);
    assert.deepEqual(world.closed, [descriptor, descriptor + 1], "nobody is left who would");
  }),
);

test(
  "A reload that one thread cannot do is discarded by all, and the next one works",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const failing = world.main.prepare(OPTIONS);
    first!.says({ kind: "prepared", id: preparedId(first!), error: undefined });
    second!.says({ kind: "prepared", id: preparedId(second!), error: "Cannot read CA" });
    await assert.rejects(failing, /Cannot read CA/);
    for (const life of [first!, second!]) {
      assert.equal(life.last("discard").id, preparedId(life));
      assert.ok(!life.kinds().includes("commit"));
    }
    const next = world.main.prepare(OPTIONS);
    for (const life of [first!, second!]) {
      life.says({ kind: "prepared", id: preparedId(life), error: undefined });
    }
    await (await next).commit();
    for (const life of [first!, second!]) {
      assert.equal(life.last("commit").id, preparedId(life));
      assert.notEqual(life.last("discard").id, preparedId(life));
    }
  }),
);

test(
  "A thread that dies while all get ready holds up no reload, and starts with what was committed",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const other = { ...OPTIONS, shutdownGraceMs: 4_711 };
    const preparing = world.main.prepare(other);
    first!.says({ kind: "prepared", id: preparedId(first!), error: undefined });
    second!.events.died("killed");
    await (await preparing).commit();
    world.clock.advance(RESTART_MIN_MS);
    const { config } = world.lives.at(-1)!.last("start");
    assert.equal(config.options.shutdownGraceMs, 4_711);
    world.lives.at(-1)!.says({ kind: "ready" });
  }),
);

test(
  "A reload is over when every thread says that it serves with it",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    second!.commitsAtOnce = false;
    const preparing = world.main.prepare(OPTIONS);
    for (const life of [first!, second!]) {
      life.says({ kind: "prepared", id: preparedId(life), error: undefined });
    }
    let isOver = false;
    const committing = (await preparing).commit().then(() => isOver = true);
    await untilIdle();
    assert.equal(isOver, false);
    second!.says({ kind: "committed", id: preparedId(second!) });
    await committing;
    // Or is dead.
    const next = world.main.prepare(OPTIONS);
    for (const life of [first!, second!]) {
      life.says({ kind: "prepared", id: preparedId(life), error: undefined });
    }
    const dying = (await next).commit();
    second!.events.died("killed");
    await dying;
  }),
);

const CHANGED = { ...OPTIONS, shutdownGraceMs: 4_711 };
const graceOf = ({ options }: ThreadConfig) => options.shutdownGraceMs;

test(
  "A thread that starts while a reload is committed serves no client before it has that, too",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const [first, second] = world.lives;
    second!.events.died("killed");
    world.clock.advance(RESTART_MIN_MS);
    const third = world.lives.at(-1)!;
    const preparing = world.main.prepare(CHANGED);
    first!.says({ kind: "prepared", id: preparedId(first!), error: undefined });
    await (await preparing).commit();
    assert.notEqual(graceOf(third.last("start").config), 4_711);
    third.says({ kind: "ready" });
    await untilIdle();
    for (let count = 0; count < 4; count++) world.connect();
    assert.ok(!third.kinds().includes("connection"), "it has not the configuration that serves");
    assert.equal(graceOf(third.last("prepare").config), 4_711);
    third.says({ kind: "prepared", id: preparedId(third), error: undefined });
    await untilIdle();
    assert.equal(third.last("commit").id, preparedId(third));
    world.connect();
    assert.ok(third.kinds().includes("connection"));
  }),
);

test(
  "A thread that has started between a reload's two phases gets the other configuration with the second",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const preparing = world.main.prepare(CHANGED);
    first!.says({ kind: "prepared", id: preparedId(first!), error: undefined });
    const third = await world.restart(second!);
    assert.notEqual(graceOf(third.last("start").config), 4_711);
    const committing = (await preparing).commit();
    await untilIdle();
    assert.equal(graceOf(third.last("prepare").config), 4_711);
    third.says({ kind: "prepared", id: preparedId(third), error: undefined });
    await committing;
    assert.equal(third.last("commit").id, preparedId(third));
  }),
);

test(
  "A thread that cannot take the configuration that serves is started with it",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    second!.events.died("killed");
    world.clock.advance(RESTART_MIN_MS);
    const third = world.lives.at(-1)!;
    const preparing = world.main.prepare(CHANGED);
    first!.says({ kind: "prepared", id: preparedId(first!), error: undefined });
    await (await preparing).commit();
    third.says({ kind: "ready" });
    await untilIdle();
    third.says({ kind: "prepared", id: preparedId(third), error: "Cannot read CA" });
    await untilIdle();
    assert.match(String(world.logged("thread_died").at(-1)?.["msg"]), /Cannot read CA/);
    world.clock.advance(4 * RESTART_MIN_MS);
    const fourth = world.lives.at(-1)!;
    assert.equal(graceOf(fourth.last("start").config), 4_711);
    fourth.says({ kind: "ready" });
    await world.reload(OPTIONS);
    assert.notEqual(graceOf(fourth.last("prepare").config), 4_711);
  }),
);

test(
  "A reload that is discarded leaves the configuration that serves to who starts later",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const preparing = world.main.prepare({ ...OPTIONS, shutdownGraceMs: 4_711 });
    for (const life of [first!, second!]) {
      life.says({ kind: "prepared", id: preparedId(life), error: undefined });
    }
    await (await preparing).discard();
    const next = await world.restart(first!);
    assert.notEqual(next.last("start").config.options.shutdownGraceMs, 4_711);
  }),
);

test(
  "An upstream that does not change keeps its shared memory, one that does gets another",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const memoryOf = (config: ThreadConfig) => config.upstreams.get("app");
    const before = memoryOf(world.lives[0]!.last("start").config);
    const reload = async (options: AppOptions) => {
      const preparing = world.main.prepare(options);
      for (const life of world.lives) {
        life.says({ kind: "prepared", id: preparedId(life), error: undefined });
      }
      await (await preparing).commit();
      return memoryOf(world.lives[0]!.last("prepare").config);
    };
    assert.equal(await reload({ ...OPTIONS, shutdownGraceMs: 1 }), before);
    const [upstream] = OPTIONS.upstreams;
    const changed = { ...upstream!, connections: { ...upstream!.connections, max: 3 } };
    const after = await reload({ ...OPTIONS, upstreams: [changed] });
    assert.notEqual(after, before);
    assert.equal(after?.slotCount, 3);
  }),
);

test(
  "What a thread finds out of a server the others hear, and who starts later what holds then",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const { id: upstream } = first!.last("start").config.upstreams.get("app")!;
    const news = (server: string, news: "down" | "up" | "failed") => ({
      upstream,
      server,
      news,
    });
    first!.says({ kind: "news", ...news("a", "down") });
    first!.says({ kind: "news", ...news("b", "down") });
    assert.deepEqual(second!.last("news"), { kind: "news", ...news("b", "down") });
    assert.ok(!first!.kinds().includes("news"), "who has said it is not told");
    second!.says({ kind: "news", ...news("a", "up") });
    const next = await world.restart(first!);
    assert.deepEqual(next.last("start").present.news, [news("b", "down")]);
    // Of a server that is not known to be down.
    const told = () => second!.kinds().filter((kind) => kind === "news").length;
    const before = told();
    next.says({ kind: "news", ...news("a", "up") });
    assert.equal(told(), before);
  }),
);

test(
  "What is known of a server holds for its upstream, and not for the one that takes its place",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives;
    const idOf = (config: ThreadConfig) => config.upstreams.get("app")!.id;
    const down = (upstream: number) => ({ upstream, server: "a", news: "down" as const });
    const before = idOf(first!.last("start").config);
    first!.says({ kind: "news", ...down(before) });
    const [upstream] = OPTIONS.upstreams;
    const changed = { ...upstream!, connections: { ...upstream!.connections, max: 3 } };
    const preparing = world.main.prepare({ ...OPTIONS, upstreams: [changed] });
    const after = idOf(first!.last("prepare").config);
    assert.notEqual(after, before);
    // Found by the main thread while threads do not have the upstream.
    world.main.share.upstreamOf(changed).tell("a", "down");
    for (const life of [first!, second!]) {
      life.says({ kind: "prepared", id: preparedId(life), error: undefined });
    }
    await (await preparing).commit();
    assert.deepEqual(first!.last("commit").present.news, [down(before), down(after)]);
    await world.reload({ ...OPTIONS, upstreams: [changed], shutdownGraceMs: 1 });
    assert.deepEqual(first!.last("commit").present.news, [down(after)], "that one is gone");
  }),
);

test(
  "What dead threads have counted stays counted, in each of their lives",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const family = "# HELP afcgi_x_total X.\n# TYPE afcgi_x_total counter\nafcgi_x_total ";
    const status = { version: "1", http2: undefined, upstreams: [] };
    const total = async (counts: readonly number[]): Promise<string | undefined> => {
      const text = world.main.metrics("");
      const alive = world.lives.filter(({ isEnded }) => !isEnded);
      alive.forEach((life, index) => {
        const { id } = life.last("question");
        life.says({ kind: "response", id, metrics: `${family}${counts[index]}\n`, status });
      });
      return /^afcgi_x_total (\d+)$/m.exec(await text)?.[1];
    };
    assert.equal(await total([3, 4]), "7");
    await world.restart(world.lives[0]!);
    assert.equal(await total([4, 0]), "7");
    await world.restart(world.lives.at(-1)!);
    assert.equal(await total([4, 1]), "8");
  }),
);

test(
  "What a dead thread had counted a while before is known though nobody had asked",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const status = { version: "1", http2: undefined, upstreams: [] };
    // While their hearts beat.
    for (let timeMs = 0; timeMs < KEPT_INTERVAL_MS; timeMs += 1_000) {
      for (const life of world.lives) life.beats();
      world.clock.advance(1_000);
    }
    const metrics = "# HELP afcgi_x_total X.\n# TYPE afcgi_x_total counter\nafcgi_x_total 3\n";
    for (const life of [...world.lives]) {
      life.says({ kind: "response", id: life.last("question").id, metrics, status });
    }
    await untilIdle();
    for (const life of [...world.lives]) life.events.died("killed");
    assert.match(await world.main.metrics(""), /^afcgi_x_total 6$/m);
  }),
);

test(
  "A stop waits for every thread, and no client is given to one meanwhile",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const [first, second] = world.lives;
    let isStopped = false;
    const stopped = world.main.stop(true).then(() => isStopped = true);
    assert.deepEqual(first!.last("stop"), { kind: "stop", isTakenOver: true });
    const descriptor = world.connect();
    assert.deepEqual(world.closed, [descriptor]);
    first!.says({ kind: "stopped" });
    await untilIdle();
    assert.equal(isStopped, false);
    second!.events.died("killed");
    await stopped;
    world.clock.advance(10 * RESTART_MIN_MS);
    assert.equal(world.lives.length, COUNT, "none is started again");
  }),
);

test(
  "No thread is told of a stop before each client is taken, if only by another one",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    const [first, second] = world.lives as [RecordedThread, RecordedThread];
    const descriptor = world.connect();
    world.connect();
    second.takes();
    const stopped = world.main.stop(true);
    for (let look = 0; look <= LATE_LOOKS; look++) {
      assert.ok(!second.kinds().includes("stop"), `look ${look}`);
      second.beats();
      await untilIdle();
      world.clock.advance(LOOK_INTERVAL_MS);
    }
    assert.equal(second.last("connection").descriptor, descriptor);
    second.takes();
    await untilIdle();
    world.clock.advance(100);
    await untilIdle();
    for (const life of [first, second]) {
      assert.equal(life.kinds().at(-1), "stop");
      life.says({ kind: "stopped" });
    }
    await stopped;
    assert.deepEqual(world.closed, []);
  }),
);

test(
  "A stop waits no longer for a client that nobody takes than to know that nobody will",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    world.connect();
    const stopped = world.main.stop(false);
    for (let look = 0; look < 2 * STUCK_LOOKS; look++) {
      await untilIdle();
      world.clock.advance(LOOK_INTERVAL_MS);
    }
    await stopped;
    const lines = world.logged("thread_died");
    assert.deepEqual(lines.map(({ worker }) => worker), ["worker-1", "worker-2"]);
    assert.equal(world.lives.length, COUNT, "none is started again");
  }),
);

test(
  "A thread that died is told once, with its name, and starts again while another one does not",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.restart(world.lives[1]!);
    const lines = world.logged("thread_died");
    assert.deepEqual(lines.map(({ level, worker }) => [level, worker]), [["error", "worker-2"]]);
    assert.equal(world.lives.length, COUNT + 1);
  }),
);

test(
  "A handshake in a thread gets the certificate of its listener, the same by the same number",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const identity = { cert: "CERT", key: "KEY" };
    await world.listen({
      identify(serverName) {
        if (serverName === "bad.test") throw new Error("no such file");
        return serverName === "a.test" ? identity : undefined;
      },
    });
    const [first, second] = world.lives;
    const ask = async (
      life: RecordedThread,
      serverName: string,
      listener = "tcp://127.0.0.1:8080 tls",
    ) => {
      life.says({ kind: "identify", id: 1, listener, serverName, hello: HELLO, localHost: "" });
      await untilIdle();
      const { number, identity, error } = life.last("identity");
      return { number, identity, error };
    };
    const found = await ask(first!, "a.test");
    assert.deepEqual(found, { number: 1, identity, error: undefined });
    assert.deepEqual(await ask(second!, "a.test"), found);
    const nobody = { number: 0, identity: undefined, error: undefined };
    assert.deepEqual(await ask(first!, "b.test"), nobody);
    assert.deepEqual(await ask(first!, "a.test", "tcp://127.0.0.1:1"), nobody);
    assert.deepEqual(await ask(first!, "bad.test"), { ...nobody, error: "no such file" });
  }),
);

test(
  "Lines of threads go to the log that they are for",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const access = new MemorySink();
    const [first] = world.lives;
    first!.says({ kind: "log", log: "access", text: "lost\n" });
    world.main.useAccessLog(access);
    first!.says({ kind: "log", log: "access", text: "a request\n" });
    first!.says({ kind: "log", log: "error", text: "an error\n" });
    assert.equal(access.text, "a request\n");
    assert.equal(world.errors.text, "an error\n");
  }),
);
