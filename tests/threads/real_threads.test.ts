/** Threads of the runtime itself: one that throws, and one that stands still. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Logger } from "../../src/observe/logger.ts";
import { systemClock } from "../../src/runtime/system_clock.ts";
import { createWebThreads } from "../../src/runtime/web_threads.ts";
import { createProcessMemory } from "../../src/shared/process_memory.ts";
import { listenToBell, ringBell } from "../../src/threads/bell.ts";
import { createWords } from "../../src/shared/layout.ts";
import type { ThreadConfig, ToThread } from "../../src/threads/messages.ts";
import { SupervisedThread } from "../../src/threads/supervised_thread.ts";
import { waitUntil } from "../support/places.ts";

const ENTRY = new URL("../support/thread_entry.ts", import.meta.url).href;
const LOOK_MS = 100;

async function dies(message: ToThread, reason: RegExp): Promise<void> {
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const thread = new SupervisedThread({
    runtime: { clock: systemClock, threads: createWebThreads(ENTRY) },
    logger: new Logger({ sink, clock: systemClock, level: "info", format: "json" }),
    version: "1",
    index: 1,
    name: "worker-1",
    memory: createProcessMemory(2, 16, { low: 1, high: 2 }),
    received() {},
    onGone() {},
    onBack() {},
    secret: new Uint8Array(32),
    config: () => ({
      config: {} as ThreadConfig,
      present: { servers: new Map(), news: [] },
    }),
  });
  await thread.start();
  const looking = setInterval(() => thread.look(), LOOK_MS);
  try {
    thread.send(message);
    await waitUntil(() => thread.restarts === 1, "the thread to die");
    await waitUntil(() => thread.isReady, "the thread to be started again");
    assert.match(JSON.parse(lines[0]!).msg, reason);
  } finally {
    clearInterval(looking);
    thread.end();
  }
}

test("A thread that throws where nobody catches it is started again", async () => {
  await dies({ kind: "discard", id: 1 }, /worker-1 has died: .*nobody catches this/);
});

test("A thread that stands still is ended and started again", async () => {
  await dies({ kind: "question", id: 1 }, /worker-1 has died: its event loop has stood still/);
});

test("A bell wakes who sleeps on it, also when it was rung before", async () => {
  const words = createWords(1);
  let rung = 0;
  const end = listenToBell(words, 0, () => rung++);
  ringBell(words, 0);
  ringBell(words, 0);
  await waitUntil(() => rung > 0, "the bell");
  const before = rung;
  ringBell(words, 0);
  await waitUntil(() => rung > before, "the bell again");
  end();
});
