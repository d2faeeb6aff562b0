/** A thread for tests: says that it is ready, beats, and then throws or stands still as it is told. */
import { threadParent } from "../../src/runtime/web_threads.ts";
import { processPlaces } from "../../src/shared/process_memory.ts";
import type { ToThread } from "../../src/threads/messages.ts";

const BEAT_MS = 20;

const parent = threadParent();
parent.listen((message) => {
  const told = message as ToThread;
  if (told.kind === "start") {
    const { words } = told.process;
    const { beat } = processPlaces(told.process);
    setInterval(() => Atomics.add(words, beat + told.thread, 1), BEAT_MS);
    parent.send({ kind: "ready" });
  } else if (told.kind === "question") {
    for (;;);
  } else if (told.kind === "discard") {
    setTimeout(() => {
      throw new Error("nobody catches this");
    });
  }
});
