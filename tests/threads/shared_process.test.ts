/**
 * What threads count together, from each one's seat: clients, their addresses, temporary files, lines
 * of applications' standard error, and who is told when something becomes free.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import { createProcessMemory, processPlaces } from "../../src/shared/process_memory.ts";
import { createUpstreamMemory } from "../../src/shared/upstream_memory.ts";
import { SharedProcess } from "../../src/threads/shared_process.ts";
import { fillUpstreamOptions } from "../../src/upstream/options.ts";
import { turn, until } from "../support/idle.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const THREADS = 3;
const BEAT_MS = 250;
const UNIT = 4_096;
const MIB = 1024 * 1024;

function world() {
  const clock = new ManualClock();
  const memory = createProcessMemory(THREADS, 100, { low: 1, high: 2 });
  const places = processPlaces(memory);
  const upstream = createUpstreamMemory(THREADS, 1, 4);
  const told: string[] = [];
  const threads = Array.from({ length: THREADS }, (_, thread) =>
    new SharedProcess({
      memory,
      thread,
      owner: ownerOf(thread, 0),
      clock,
      memoryOf: () => upstream,
      tell: ({ server, news }) => void told.push(`${thread} ${server} ${news}`),
      secret: new Uint8Array(32),
      tellPassword: (digest) => void told.push(`${thread} ${digest}`),
    }));
  const [main, first, second] = threads as [SharedProcess, SharedProcess, SharedProcess];
  return {
    clock,
    memory,
    places,
    told,
    main,
    first,
    second,
    load: (at: number) => Atomics.load(memory.words, at),
    close() {
      for (const shared of threads) shared.close();
      assert.equal(clock.timerCount, 0, "a timer is left");
    },
  };
}

test("Each heart beats in its own place, and has its thread look at what others hold", () => {
  const { clock, places, main, second, load, close } = world();
  const looks = { memory: 0, clients: 0, upstream: 0 };
  second.memory.listen(() => looks.memory++);
  second.clients.listen(() => looks.clients++);
  second.upstreamOf(fillUpstreamOptions({ name: "app", servers: ["unix:/a"] })).attach({
    onRung() {},
    onTurn() {},
    onNews() {},
    onBeat: () => looks.upstream++,
  });
  clock.advance(BEAT_MS);
  const beats = () => [0, 1, 2].map((thread) => load(places.beat + thread));
  assert.deepEqual(beats(), [1, 1, 1]);
  assert.deepEqual(looks, { memory: 1, clients: 1, upstream: 1 });
  main.close();
  clock.advance(BEAT_MS);
  assert.deepEqual(beats(), [1, 2, 2]);
  assert.deepEqual(looks, { memory: 2, clients: 2, upstream: 2 });
  close();
});

test("Of several threads the main one leads an upstream, and each has one share of it", () => {
  const { main, first, second, close } = world();
  const options = fillUpstreamOptions({ name: "app", servers: ["unix:/a"] });
  const leads = [main, first, second].map((shared) => shared.upstreamOf(options).leads);
  assert.deepEqual(leads, [true, false, false]);
  assert.equal(first.upstreamOf(options), first.upstreamOf(options));
  close();
});

test("How late a thread was is told in its own place", () => {
  const { clock, places, load, close } = world();
  const setTimer = clock.setTimer.bind(clock);
  let timers = 0;
  // Of the three hearts the second one is late.
  clock.setTimer = (callback, ms) => setTimer(callback, timers++ % THREADS === 1 ? ms + 9 : ms);
  clock.advance(BEAT_MS);
  clock.advance(BEAT_MS + 9);
  assert.deepEqual([0, 1, 2].map((thread) => load(places.delay + thread)), [0, 9_000, 0]);
  close();
});

test("Who is rung looks at its clients and upstreams, and nobody else does", async () => {
  const { main, first, second, close } = world();
  const looked: string[] = [];
  const options = fillUpstreamOptions({ name: "app", servers: ["unix:/a"] });
  for (const [name, shared] of Object.entries({ main, first, second })) {
    shared.clients.listen(() => void looked.push(`${name} clients`));
    shared.upstreamOf(options).attach({
      onRung: () => void looked.push(`${name} upstream`),
      onTurn() {},
      onNews() {},
      onBeat() {},
    });
  }
  main.ring(2);
  await until(() => looked.length > 1, "the bell");
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.deepEqual(looked.splice(0), ["second clients", "second upstream"]);
  first.placed();
  assert.deepEqual(looked, ["first clients"], "who has given one away looks at once");
  close();
});

test("Clients of all threads are one sum, and for who accepts also those that nobody has taken", () => {
  const { memory, places, main, first, second, load, close } = world();
  assert.deepEqual([main, first, second].map(({ clients }) => clients.accepts), [
    true,
    false,
    false,
  ]);
  const max = 4;
  assert.deepEqual([first, first, second, main].map(({ clients }) => clients.enter(max)), [
    true,
    true,
    true,
    true,
  ]);
  assert.equal(second.clients.enter(max), false, "one too many, wherever they are");
  // Given, and not all of them taken.
  Atomics.store(memory.words, places.placed + 1, 5);
  Atomics.store(memory.words, places.placed + 2, 1);
  assert.deepEqual([main, first, second].map(({ clients }) => clients.total), [7, 4, 4]);
  first.clients.leave();
  first.gone();
  assert.deepEqual([main, first].map(({ clients }) => clients.total), [6, 3]);
  assert.equal(load(places.placed + 1), 4);
  assert.equal(second.clients.enter(max), true);
  close();
});

test("An address has one bound in all threads, and a place again when one of its clients has left", () => {
  const { main, first, second, close } = world();
  const enter = ({ clients }: SharedProcess, group: string) => clients.enterAddress(group, 2);
  assert.deepEqual([enter(main, "a"), enter(first, "a"), enter(second, "a")], [true, true, false]);
  assert.equal(enter(second, "b"), true);
  first.clients.leaveAddress("a");
  assert.deepEqual([enter(second, "a"), enter(first, "a")], [true, false]);
  close();
});

test("Whose client goes rings the main thread while that waits for it, and only then", () => {
  const { places, main, first, load, close } = world();
  const rings = () => [0, 1, 2].map((thread) => load(places.bell + thread));
  first.gone();
  assert.deepEqual(rings(), [0, 0, 0]);
  main.clients.wait(true);
  assert.equal(load(places.waits), 1);
  first.gone();
  assert.deepEqual(rings(), [1, 0, 0]);
  main.clients.wait(false);
  assert.equal(load(places.waits), 0);
  first.gone();
  assert.deepEqual(rings(), [1, 0, 0]);
  close();
});

test("Temporary files of all threads have one bound, counted in whole pieces", () => {
  const { first, second, places, load, close } = world();
  const max = 10 * UNIT + 1;
  const change = ({ space }: SharedProcess, before: number, after: number) =>
    space.change(before, after, max);
  assert.equal(change(first, 0, 1), true);
  assert.equal(second.space.used, UNIT);
  assert.equal(change(first, 1, UNIT), true, "within its piece");
  assert.equal(second.space.used, UNIT);
  assert.equal(change(first, UNIT, UNIT + 1), true);
  assert.equal(change(second, 0, 8 * UNIT), true);
  assert.deepEqual([first.space.used, load(places.spill.at + 2)], [10 * UNIT, 8]);
  assert.equal(change(second, 8 * UNIT, 8 * UNIT + 1), false);
  assert.equal(first.space.used, 10 * UNIT, "who was refused has taken nothing");
  assert.equal(change(first, UNIT + 1, UNIT), true, "less than before");
  assert.equal(second.space.used, 9 * UNIT);
  assert.equal(change(second, 8 * UNIT, 9 * UNIT), true);
  assert.equal(change(first, UNIT, 0), true);
  assert.equal(change(second, 9 * UNIT, 0), true);
  assert.equal(first.space.used, 0);
  // Of a bound that has become lower nothing is taken away, but given back.
  assert.equal(first.space.change(0, 3 * UNIT, 3 * UNIT), true);
  assert.equal(first.space.change(3 * UNIT, 2 * UNIT, 0), true);
  assert.equal(first.space.change(2 * UNIT, 2 * UNIT, 0), true);
  close();
});

test("What an application writes to the log is spent by all threads together, and comes back", () => {
  const { clock, first, second, close } = world();
  const isSpent = ({ stderr }: SharedProcess, name = "app") => stderr.isSpent(name);
  first.stderr.spend("app", MIB - 256);
  assert.equal(isSpent(second), false);
  second.stderr.spend("app", 256);
  assert.deepEqual([isSpent(first), isSpent(second)], [true, true]);
  assert.equal(isSpent(first, "another"), false);
  // A quarter of a MiB each second.
  first.stderr.spend("app", MIB / 4);
  clock.advance(1_000);
  assert.equal(isSpent(second), true);
  clock.advance(1);
  assert.equal(isSpent(second), false);
  second.stderr.spend("app", MIB / 8);
  clock.advance(499);
  assert.equal(isSpent(first), true);
  clock.advance(1);
  assert.equal(isSpent(first), false);
  close();
});

test("What applications spend is counted in words of their own, and in no others", () => {
  const { memory, places, first, close } = world();
  const { words } = memory;
  const before = words.slice();
  const names = Array.from({ length: 300 }, (_, index) => `upstream ${index}`);
  for (const name of names) first.stderr.spend(name, 1_000);
  const changed = [...words.keys()].filter((at) => words[at] !== before[at]);
  assert.ok(changed.every((at) => at >= places.stderr && at < places.stderr + 1_024));
  // By chance two names may fall on one word.
  assert.ok(changed.length > 220, `${changed.length} words`);
  assert.ok(names.every((name) => !first.stderr.isSpent(name)));
  close();
});

test("A password of this thread is told, one of another heard", () => {
  const { told, first, second, close } = world();
  const heard: string[] = [];
  first.hearPassword("nobody listens yet");
  first.passwords.listen((digest) => void heard.push(digest));
  first.passwords.tell("mine");
  first.hearPassword("another's");
  second.hearPassword("not for the first");
  assert.deepEqual([told, heard], [["1 mine"], ["another's"]]);
  close();
});
