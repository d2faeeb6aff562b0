/**
 * Reloads over threads that come and go: nobody is told of a configuration twice, or while another one
 * is on its way to him; what was only prepared is forgotten, and so is what nobody has any more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { processPlaces } from "../../src/shared/process_memory.ts";
import { RESTART_MIN_MS } from "../../src/threads/supervised_thread.ts";
import { untilIdle } from "../support/idle.ts";
import {
  MainThreadWorld,
  OPTIONS,
  preparedId,
  type RecordedThread,
} from "../support/main_thread_world.ts";
import { inWorld } from "../support/world_test.ts";

const withGrace = (shutdownGraceMs: number): AppOptions => ({ ...OPTIONS, shutdownGraceMs });
const [UPSTREAM] = OPTIONS.upstreams;
const withConnections = (max: number): AppOptions => ({
  ...OPTIONS,
  upstreams: [{ ...UPSTREAM!, connections: { ...UPSTREAM!.connections, max } }],
});
const NOTHING_SAID = { version: "1", http2: undefined, upstreams: [] };

/** The grace of each configuration that a thread was told to prepare. */
function preparedBy({ told }: RecordedThread): (number | undefined)[] {
  return told.flatMap((message) =>
    message.kind === "prepare" ? [message.config.options.shutdownGraceMs] : []
  );
}

function accepts(life: RecordedThread): void {
  life.says({ kind: "prepared", id: preparedId(life), error: undefined });
}

function hasClients({ told }: RecordedThread): boolean {
  return told.some(({ kind }) => kind === "connection");
}

/** A world in which the second thread has come back, and not yet taken the configuration that serves. */
async function comingBack() {
  const world = await MainThreadWorld.serving();
  await world.listen();
  const [first, second] = world.lives as [RecordedThread, RecordedThread];
  second.events.died("killed");
  world.clock.advance(RESTART_MIN_MS);
  const third = world.lives.at(-1)!;
  const preparing = world.main.prepare(withGrace(1));
  accepts(first);
  await (await preparing).commit();
  third.says({ kind: "ready" });
  await untilIdle();
  assert.deepEqual(preparedBy(third), [1]);
  return { world, first, third };
}

test(
  "A reload waits until a thread that has come back has the configuration that serves",
  inWorld(async () => {
    const { world, first, third } = await comingBack();
    const next = world.main.prepare(withGrace(2));
    await untilIdle();
    assert.deepEqual([preparedBy(first), preparedBy(third)], [[1], [1]]);
    third.commitsAtOnce = false;
    accepts(third);
    await untilIdle();
    assert.deepEqual(preparedBy(first), [1], "it does not serve with it yet");
    third.says({ kind: "committed", id: preparedId(third) });
    await untilIdle();
    assert.deepEqual([preparedBy(first), preparedBy(third)], [[1, 2], [1, 2]]);
    third.commitsAtOnce = true;
    for (const life of [first, third]) accepts(life);
    await (await next).commit();
    // Nobody comes back any more: who reloads waits for nobody.
    void world.main.prepare(withGrace(3)).catch(() => {});
    assert.deepEqual([preparedBy(first), preparedBy(third)], [[1, 2, 3], [1, 2, 3]]);
  }),
);

test(
  "A thread that comes back during a commit is told of it once, and the reload is over with that",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first, second] = world.lives as [RecordedThread, RecordedThread];
    second.events.died("killed");
    world.clock.advance(RESTART_MIN_MS);
    const third = world.lives.at(-1)!;
    first.commitsAtOnce = false;
    const preparing = world.main.prepare(withGrace(1));
    accepts(first);
    let isOver = false;
    const committing = (await preparing).commit().then(() => isOver = true);
    third.says({ kind: "ready" });
    await untilIdle();
    first.says({ kind: "committed", id: preparedId(first) });
    await untilIdle();
    assert.deepEqual([preparedBy(third), isOver], [[1], false]);
    accepts(third);
    await committing;
    assert.deepEqual([preparedBy(first), preparedBy(third)], [[1], [1]]);
  }),
);

test(
  "A thread that dies while it is brought up to date gets no clients, and its next life does",
  inWorld(async () => {
    const { world, first, third } = await comingBack();
    third.events.died("killed again");
    await untilIdle();
    for (let count = 0; count < 4; count++) world.connect();
    assert.ok(!hasClients(third) && hasClients(first));
    world.clock.advance(4 * RESTART_MIN_MS);
    const fourth = world.lives.at(-1)!;
    fourth.says({ kind: "ready" });
    world.connect();
    assert.ok(hasClients(fourth), "it was started with what serves, and waits for nothing");
  }),
);

test(
  "Shared memory of an upstream that was only prepared is forgotten with the reload",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const ids: number[] = [];
    for (const end of ["refused", "discarded", "committed"] as const) {
      const preparing = world.main.prepare(withConnections(3));
      const [first] = world.lives;
      ids.push(first!.last("prepare").config.upstreams.get("app")!.id);
      const error = end === "refused" ? "Cannot read CA" : undefined;
      for (const life of world.lives) life.says({ kind: "prepared", id: preparedId(life), error });
      if (error !== undefined) await assert.rejects(preparing);
      else if (end === "discarded") await (await preparing).discard();
      else await (await preparing).commit();
    }
    assert.equal(new Set(ids).size, 3);
  }),
);

test(
  "News of an upstream that no configuration has any more reach nobody in the main thread",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const heard: string[] = [];
    world.main.share.upstreamOf(UPSTREAM!).attach({
      onRung() {},
      onTurn() {},
      onBeat() {},
      onNews: (server) => void heard.push(server),
    });
    const [first] = world.lives as [RecordedThread];
    const { id: upstream } = first.last("start").config.upstreams.get("app")!;
    const tell = (server: string) =>
      first.says({ kind: "news", upstream, server, news: "recovered" });
    tell("at first");
    await world.reload(withConnections(3));
    tell("while requests may be left");
    await world.reload(withConnections(4));
    tell("at last");
    assert.deepEqual(heard, ["at first", "while requests may be left"]);
  }),
);

test(
  "Questions that are under way at the same time have different numbers",
  inWorld(async () => {
    const { world, first, third } = await comingBack();
    const askAll = () => {
      void world.main.metrics("");
      void world.main.status(NOTHING_SAID as never);
      void world.main.share.upstreamOf(UPSTREAM!).supply(UPSTREAM!.servers);
      void world.main.prepare(withGrace(2)).catch(() => {});
    };
    askAll();
    accepts(third);
    await untilIdle();
    askAll();
    await untilIdle();
    for (const life of [first, third]) {
      const ids = life.told.flatMap((message) =>
        "id" in message && message.kind !== "commit" ? [message.id] : []
      );
      assert.equal(new Set(ids).size, ids.length, `${life.kinds()}: ${ids}`);
      assert.ok(ids.length >= 8, `${life.kinds()}`);
    }
  }),
);

test(
  "Clients that wait for a thread are closed by a stop, once",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    for (const life of [...world.lives]) life.events.died("killed");
    const descriptor = world.connect();
    await world.main.stop(false);
    assert.deepEqual(world.closed, [descriptor]);
    world.main.destroy();
    assert.deepEqual(world.closed, [descriptor], "its number may be another one's by now");
  }),
);

test(
  "Each client that comes has the main thread look whether more may",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    await world.listen();
    let looks = 0;
    world.main.share.clients.listen(() => looks++);
    world.connect();
    world.connect();
    assert.equal(looks, 2);
  }),
);

test(
  "Shared memory has a place for each thread and no more, and keys that nobody can guess",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const [first] = world.lives as [RecordedThread];
    const { process, config, secret } = first.last("start");
    assert.deepEqual([process.threads, config.upstreams.get("app")!.threads], [3, 3]);
    assert.equal(secret.length, 32);
    const { low, high } = process.key;
    assert.ok(Number.isInteger(low) && Number.isInteger(high) && low !== high);
  }),
);

test(
  "Metrics and status tell of each thread its own clients and its own delay",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const { process: { words }, process } = world.lives[0]!.last("start");
    const { placed, delay } = processPlaces(process);
    const set = (numbers: readonly number[], at: number) => {
      for (const [thread, value] of numbers.entries()) Atomics.store(words, at + thread, value);
    };
    const answer = () => {
      for (const life of world.lives) {
        const { id } = life.last("question");
        life.says({ kind: "response", id, metrics: "", status: NOTHING_SAID });
      }
    };
    // In the main thread's place stands what no thread has.
    set([9, 0, 4], placed);
    set([0, 2_000, 7_500], delay);
    const metrics = world.main.metrics("");
    answer();
    const lines = (await metrics).split("\n");
    const workers = (name: string) =>
      lines.flatMap((line) => line.startsWith(`${name}{worker=`) ? [line.split(" ")[1]] : []);
    assert.deepEqual(workers("afcgi_worker_connections"), ["0", "4"]);
    assert.deepEqual(workers("afcgi_worker_event_loop_delay_seconds"), ["0.002", "0.0075"]);
    assert.ok(lines.includes("afcgi_event_loop_delay_seconds 0.0075"));
    // What has died while it was counted.
    set([0, -1, 4], placed);
    set([0, 0, 0], delay);
    const status = world.main.status(NOTHING_SAID as never);
    answer();
    const told = await status as { readonly workers: readonly Record<string, unknown>[] };
    assert.deepEqual(
      told.workers.map((one) => [one["name"], one["connections"], one["event_loop_delay_ms"]]),
      [["worker-1", 0, 0], ["worker-2", 4, 0]],
    );
    set([3_000, 0, 0], delay);
    const own = world.main.metrics("");
    answer();
    assert.match(await own, /^afcgi_event_loop_delay_seconds 0\.003$/m);
    set([0, 0, 0], delay);
    const none = world.main.metrics("");
    answer();
    assert.match(await none, /^afcgi_event_loop_delay_seconds 0$/m);
  }),
);

test(
  "Threads are asked what they have counted every fifteen seconds, and not more often",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const questions = () => world.lives[0]!.kinds().filter((kind) => kind === "question").length;
    for (let second = 1; second <= 30; second++) {
      for (const life of world.lives) life.beats();
      world.clock.advance(1_000);
      assert.equal(questions(), Math.floor(second / 15), `after ${second} s`);
    }
    await untilIdle();
  }),
);

test(
  "A listener hands on its socket and its file where it can, and says so where it cannot",
  inWorld(async () => {
    const world = await MainThreadWorld.serving();
    const plain = await world.listen();
    assert.ok(!("duplicate" in plain) && !("keepFile" in plain));
    const kept: string[] = [];
    Object.assign(world.listener, {
      descriptor: 11,
      duplicate: () => 12,
      keepFile: () => void kept.push("file"),
    });
    const whole = await world.listen();
    assert.deepEqual([whole.descriptor, whole.duplicate?.()], [11, 12]);
    whole.keepFile?.();
    assert.deepEqual(kept, ["file"]);
  }),
);
