/** What of a configuration is a thread's, and what the main thread's alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { threadOptions } from "../../src/threads/thread_options.ts";

const OPTIONS = {
  listen: [{ address: { transport: "tcp", host: "::", port: 1 }, http3: true }],
  admin: { transport: "tcp", host: "::", port: 2 },
  gemini: {},
  user: "www-data",
  workers: "auto",
  shutdownDelayMs: 5_000,
} as unknown as AppOptions;

test("Limits of a thread are those of the process: what threads hold is added up", () => {
  const limits = { bufferMemoryMax: 64, spillTotalMax: 32, clients: { connectionsMax: 16 } };
  const options = threadOptions({ ...OPTIONS, ...limits } as unknown as AppOptions);
  const { bufferMemoryMax, spillTotalMax, clients } = options;
  assert.deepEqual({ bufferMemoryMax, spillTotalMax, clients }, limits);
});

test("What the main thread does is nothing that a thread does, too", () => {
  const { listen, admin, gemini, user, workers, spawns } = threadOptions(OPTIONS);
  assert.deepEqual([admin, gemini, user, workers, spawns], [
    undefined,
    undefined,
    undefined,
    1,
    [],
  ]);
  assert.equal(threadOptions(OPTIONS).shutdownDelayMs, 0, "it is over when threads are told");
  // Clients are told of HTTP/3 by all.
  assert.equal(listen[0]?.http3, true);
});
