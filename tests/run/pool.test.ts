/** Who runs beside whom under `npm test`: `runPool`, and the groups that it is given. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { Random } from "../simulation/random.ts";
import { untilIdle } from "../support/idle.ts";

interface Job {
  readonly kind: string;
  run(): Promise<void>;
}

interface Group {
  readonly kind: string;
  readonly name: string;
  readonly files: readonly string[];
}

const { runPool, KINDS } = await import(new URL("./pool.mjs", import.meta.url).href) as {
  runPool(jobs: readonly Job[], lanes: number): Promise<void>;
  KINDS: readonly string[];
};
const { groupsOf, NAMED } = await import(new URL("./jobs.mjs", import.meta.url).href) as {
  groupsOf(files: readonly string[]): readonly Group[];
  NAMED: readonly string[];
};

/** Pairs that may never be seen at once. */
const FOES = [
  "alone alone",
  "alone memory",
  "alone real",
  "alone timed",
  "real timed",
  "timed timed",
];

test("Whatever the jobs are, each runs once, no more than lanes, and never beside one it cannot bear", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Random(seed);
    const lanes = random.between(1, 3);
    const running: { kind: string; end: () => void }[] = [];
    const ran = new Map<number, number>();
    let most = 0;
    const jobs = Array.from({ length: random.between(1, 30) }, (_, index): Job => ({
      kind: random.pick(KINDS),
      run() {
        ran.set(index, (ran.get(index) ?? 0) + 1);
        const { promise, resolve } = Promise.withResolvers<void>();
        for (const other of running) {
          const pair = [this.kind, other.kind].sort().join(" ");
          assert.ok(!FOES.includes(pair), `seed ${seed}: ${pair}`);
        }
        running.push({ kind: this.kind, end: resolve });
        most = Math.max(most, running.length);
        return promise;
      },
    }));
    const all = runPool(jobs, lanes);
    await untilIdle();
    while (running.length > 0) {
      const [one] = running.splice(random.between(0, running.length - 1), 1);
      one!.end();
      await untilIdle();
    }
    await all;
    assert.deepEqual([...ran.values()], Array(jobs.length).fill(1), `seed ${seed}`);
    assert.ok(most <= lanes, `seed ${seed}: ${most} at once`);
  }
});

test("Two lanes are both busy where the jobs bear each other", async () => {
  const order: string[] = [];
  const ends = new Map<string, () => void>();
  const job = (kind: string, name: string): Job => ({
    kind,
    run() {
      order.push(name);
      return new Promise<void>((resolve) => void ends.set(name, resolve));
    },
  });
  const all = runPool([
    ...[job("memory", "m1"), job("memory", "m2"), job("real", "r1"), job("timed", "t1")],
    ...[job("real", "r2"), job("alone", "a1"), job("timed", "t2")],
  ], 2);
  const end = async (name: string) => {
    ends.get(name)!();
    await untilIdle();
  };
  await untilIdle();
  assert.deepEqual(order.splice(0), ["a1"]);
  await end("a1");
  assert.deepEqual(order.splice(0), ["t1", "m1"]);
  await end("t1");
  assert.deepEqual(order.splice(0), ["t2"]);
  await end("m1");
  assert.deepEqual(order.splice(0), ["m2"]);
  await end("t2");
  assert.deepEqual(order.splice(0), ["r1"]);
  await end("m2");
  assert.deepEqual(order.splice(0), ["r2"]);
  for (const name of ["r1", "r2"]) await end(name);
  await all;
});

test("A job that fails is told when all have ended", async () => {
  let hasRun = false;
  const jobs: Job[] = [
    { kind: "real", run: () => Promise.reject(new Error("broken")) },
    { kind: "real", run: () => Promise.resolve().then(() => void (hasRun = true)) },
  ];
  await assert.rejects(runPool(jobs, 1), /broken/);
  assert.ok(hasRun);
});

test("Groups hold each file once, with those of one directory and one kind", () => {
  const files = [
    ...["tests/layers.test.ts", "tests/fault/thread_death.test.ts", "tests/fault/client.test.ts"],
    ...Array.from({ length: 20 }, (_, index) => `tests/interop/file_${index}.test.ts`),
    ...["tests/http1/server.test.ts", "tests/fronts/nginx.test.ts"],
  ];
  const groups = groupsOf(files);
  assert.deepEqual(groups.flatMap((group) => group.files).sort(), files.toSorted());
  const kinds = new Map(groups.map(({ name, kind }) => [name, kind]));
  assert.equal(kinds.get("tests"), "real");
  assert.equal(kinds.get("tests/fault/thread_death.test.ts"), "alone");
  assert.equal(kinds.get("tests/fault/client.test.ts"), "timed");
  assert.equal(kinds.get("tests/http1"), "memory");
  assert.equal(kinds.get("tests/fronts"), "real");
  const parts = groups.filter(({ files: [first] }) => first!.startsWith("tests/interop/"));
  assert.ok(parts.length > 1);
  for (const part of parts) assert.ok(part.files.length <= Math.ceil(20 / parts.length));
});

test("Every directory and file that the runner names is there", () => {
  assert.ok(NAMED.length > 20);
  for (const path of NAMED) {
    assert.ok(existsSync(new URL(`../../${path}`, import.meta.url)), path);
  }
});
