/**
 * A thread of the executable that looks for orders of the test: a file of its own name below the
 * directory of THREAD_ORDERS. It is in an executable of the tests alone; the one that people run has
 * no such thing in it.
 */
import { readFileSync, rmSync } from "node:fs";
import { currentRuntime } from "../../../src/runtime/current.ts";
import { threadParent } from "../../../src/runtime/web_threads.ts";
import { serveInThread } from "../../../src/threads/serving_thread.ts";
import type { ToThread } from "../../../src/threads/messages.ts";

const LOOK_MS = 20;

const ORDERS: Readonly<Record<string, () => void>> = {
  spin() {
    for (;;);
  },
  pause() {
    const endMs = performance.now() + 4_000;
    while (performance.now() < endMs);
  },
  throw() {
    throw new Error("thrown in a test");
  },
  reject() {
    void Promise.reject(new Error("rejected in a test"));
  },
  exit: () => process.exit(3),
  block: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
};

const parent = threadParent();
let name: string | undefined;
serveInThread(currentRuntime(), {
  send: (message) => parent.send(message),
  listen: (received) =>
    parent.listen((message) => {
      const told = message as ToThread;
      if (told.kind === "start") name = `worker-${told.thread}`;
      received(message);
    }),
});

setInterval(() => {
  const order = takeOrder();
  if (order !== undefined) ORDERS[order]?.();
}, LOOK_MS);

function takeOrder(): string | undefined {
  const path = `${process.env["THREAD_ORDERS"]}/${name}`;
  try {
    const order = readFileSync(path, "utf8");
    rmSync(path);
    return order;
  } catch {
    return undefined;
  }
}
