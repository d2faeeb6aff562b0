/** Reloads one after the other, with a configuration and an app that are the test's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { type LoadedOptions, Reloader } from "../../src/app/reload.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock, MemorySink } from "../support/memory/memory.ts";

const OPTIONS = { listen: [], sites: [], upstreams: [], workers: 1 } as unknown as AppOptions;

class World {
  readonly clock = new ManualClock();
  readonly sink = new MemorySink();
  readonly registry = new MetricsRegistry();
  /** Those that served, in their order. */
  readonly committed: AppOptions[] = [];
  readonly heard: string[] = [];
  readonly reloader: Reloader;
  /** What the next read of the configuration gives; it may wait. */
  read: () => Promise<LoadedOptions> = () => Promise.resolve({ options: OPTIONS, notes: [] });

  constructor() {
    const { clock, registry, sink } = this;
    this.reloader = new Reloader(OPTIONS, {
      load: () => this.read(),
      app: {
        prepare: (options) =>
          Promise.resolve({
            commit: () => Promise.resolve(void this.committed.push(options)),
            discard: () => Promise.resolve(),
          }),
      },
      logger: new Logger({ sink, clock, level: "info", format: "json" }),
      registry,
      clock,
      onReload: (result) => Promise.resolve(void this.heard.push(String(result?.ok))),
    });
  }

  metric(name: string): number {
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(this.registry.render())?.[1]);
  }

  /** Messages of the log so far. */
  logged(level: string): string[] {
    this.clock.advance(0);
    const lines = this.sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    return lines.filter((line) => line.level === level).map(({ msg }) => msg);
  }
}

test("However many ask while a reload is under way, one follows, and so it goes on", async () => {
  const world = new World();
  for (let round = 0; round < 3; round++) {
    let reads = 0;
    const gate = Promise.withResolvers<void>();
    world.read = async () => {
      reads++;
      await gate.promise;
      return { options: OPTIONS, notes: [] };
    };
    const asked = ["first", "second", "third"].map((cause) => world.reloader.reload(cause));
    await untilIdle();
    assert.equal(reads, 1);
    gate.resolve();
    const generations = (await Promise.all(asked)).map(({ generation }) => generation);
    assert.equal(reads, 2, `round ${round}`);
    const [first, second, third] = generations;
    assert.deepEqual([second, third], [first! + 1, first! + 1]);
  }
  assert.equal(world.reloader.generation, 7);
  assert.equal(world.heard.length, 12);
});

test("A reload that fails changes nothing, is told in every way, and the next one counts", async () => {
  const world = new World();
  const startMs = world.clock.wallMs();
  const metrics = () => ({
    generation: world.metric("afcgi_config_generation"),
    isGood: world.metric("afcgi_config_last_reload_successful"),
    sinceS: world.metric("afcgi_config_last_reload_success_timestamp_seconds"),
  });
  assert.deepEqual(metrics(), { generation: 1, isGood: 1, sinceS: startMs / 1000 });
  world.clock.advance(5_000);
  world.read = () => Promise.reject(new Error("one line\nanother"));
  const failed = await world.reloader.reload("SIGHUP");
  assert.deepEqual(failed, { ok: false, generation: 1, errors: ["one line", "another"] });
  assert.deepEqual(metrics(), { generation: 1, isGood: 0, sinceS: startMs / 1000 });
  assert.equal(world.logged("error").length, 2);
  assert.deepEqual(world.committed, []);
  world.read = () => Promise.resolve({ options: OPTIONS, notes: [] });
  assert.equal((await world.reloader.reload("SIGHUP")).ok, true);
  assert.deepEqual(metrics(), { generation: 2, isGood: 1, sinceS: startMs / 1000 + 5 });
  assert.deepEqual(world.heard, ["undefined", "false", "undefined", "true"]);
});

/** What only a restart changes, each with another value. */
const RESTARTED: Readonly<Record<string, Partial<AppOptions>>> = {
  user: { user: "somebody" } as unknown as Partial<AppOptions>,
  workers: { workers: 3 },
  "admin.listen": { admin: { transport: "tcp", host: "127.0.0.1", port: 1 } },
  "admin.health": { health: { transport: "tcp", host: "127.0.0.1", port: 2 } },
};

for (const [key, change] of Object.entries(RESTARTED)) {
  test(`A change of ${key} is told at each reload until a restart, and never as done`, async () => {
    const world = new World();
    const warning = `A change of "${key}" needs a restart; it stays as it was`;
    world.read = () => Promise.resolve({ options: { ...OPTIONS, ...change }, notes: ["a note"] });
    for (let round = 1; round <= 2; round++) {
      const result = await world.reloader.reload("SIGHUP");
      assert.deepEqual(result.ok && result.warnings, ["a note", warning]);
      assert.equal(world.logged("warn").filter((text) => text === warning).length, round);
      assert.equal(world.logged("warn").filter((text) => text === "a note").length, round);
    }
    world.read = () => Promise.resolve({ options: OPTIONS, notes: [] });
    const back = await world.reloader.reload("SIGHUP");
    assert.deepEqual(back.ok && back.warnings, [], "as it was at the start");
  });
}
