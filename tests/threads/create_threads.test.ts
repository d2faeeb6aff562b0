/** How many threads a configuration gets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { MainThread } from "../../src/threads/main_thread.ts";
import { createThreads, threadCount } from "../../src/threads/create_threads.ts";

const OPTIONS = { upstreams: [], sites: [] } as unknown as AppOptions;

test("Threads are as many as were asked for; auto follows the processors", async () => {
  const runtime = new MemoryRuntime();
  assert.equal(await threadCount(3, runtime), 3);
  assert.equal(await threadCount("auto", runtime), runtime.process.cpuCount);
});

test("With more processors than there may be threads, there are as many as there may be", async () => {
  const { files } = new MemoryRuntime();
  const count = (cpuCount: number) => threadCount("auto", { files, process: { cpuCount } });
  assert.equal(await count(1), 1);
  assert.equal(await count(63), 63);
  assert.equal(await count(128), 63);
});

test("With one thread, or where there are none, everything is done by the main thread", async () => {
  const runtime = new MemoryRuntime();
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const { clock } = runtime;
  const logger = new Logger({ sink, clock, level: "info", format: "json" });
  const create = (workers: number | "auto") =>
    createThreads({ ...OPTIONS, workers }, { runtime, logger, version: "1" });
  assert.equal(await create(1), undefined);
  // Nobody has asked for threads in so many words.
  assert.equal(await create("auto"), undefined);
  await runtime.clock.advance(1);
  assert.equal(lines.join(""), "");
  assert.equal(await create(2), undefined);
  await runtime.clock.advance(1);
  assert.equal(JSON.parse(lines.join("")).code, "no_threads");
});

/** What a system has that can have threads that serve. */
const WHOLE = {
  threads: { start: () => ({ send() {}, end() {} }) },
  acceptDescriptors: () => Promise.reject(new Error("Nobody listens")),
  adoptSockets: () => Promise.reject(new Error("Nobody listens")),
  platform: "linux x64",
} as const;

for (const missing of ["nothing", ...Object.keys(WHOLE)]) {
  test(`Threads on a system that lacks ${missing}, and what is said of it`, async () => {
    for (const workers of [2, "auto"] as const) {
      const memory = new MemoryRuntime();
      const lines: string[] = [];
      const { clock, files } = memory;
      const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
      const logger = new Logger({ sink, clock, level: "info", format: "json" });
      const parts = { ...WHOLE, [missing]: missing === "platform" ? "darwin" : undefined };
      // Two processors.
      const process = Object.assign(Object.create(memory.process), { cpuCount: 2 });
      const runtime = Object.assign(Object.create(memory), { ...parts, files, process });
      const threads = await createThreads({ ...OPTIONS, workers }, {
        runtime,
        logger,
        version: "1",
      });
      assert.equal(threads instanceof MainThread, missing === "nothing");
      threads?.destroy();
      clock.advance(0);
      // Nobody has asked for threads in so many words.
      const isTold = missing !== "nothing" && workers === 2;
      assert.equal(lines.length, isTold ? 1 : 0, `${workers}`);
    }
  });
}
