/**
 * Threads as both runtimes have them: Web Workers of the same program. In the executable the entry is
 * beside the program's own in Bun's file system of the executable; else it is a file of src/.
 */
import type { Thread, ThreadEvents, ThreadParent, Threads } from "./threads.ts";

/** Where the entries are in an executable that Bun has made. */
const EMBEDDED = /^(?:file:\/\/)?(?:\/\$bunfs\/root|\/?B:[/\\]~BUN[/\\]root)/;

/** The worker's own side, of which TypeScript knows only the page's. */
interface WorkerScope {
  postMessage(message: unknown): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
}

/** Threads that run this program; a test names another entry. */
export function createWebThreads(entry: string = ownEntry()): Threads {
  return { start: (events) => startThread(entry, events) };
}

/** For code that runs in a thread. */
export function threadParent(): ThreadParent {
  const scope = globalThis as unknown as WorkerScope;
  return {
    send: (message) => scope.postMessage(message),
    listen: (received) => {
      scope.onmessage = ({ data }) => received(data);
    },
  };
}

function ownEntry(): string {
  const own = import.meta.url;
  const root = EMBEDDED.exec(own)?.[0];
  return root === undefined ? new URL("../thread.ts", own).href : `${root}/thread.js`;
}

function startThread(entry: string, events: ThreadEvents): Thread {
  const worker = new Worker(entry, { type: "module" });
  let isOver = false;
  const died = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    worker.terminate();
    events.died(reason);
  };
  worker.addEventListener("message", ({ data }) => {
    if (!isOver) events.received(data);
  });
  worker.addEventListener("error", (event) => {
    // Else Deno would end the whole process.
    event.preventDefault();
    died(reasonOf(event.message) || "it could not start");
  });
  // Bun alone tells that a worker has ended.
  worker.addEventListener("close", () => died("it has ended"));
  return {
    send(message) {
      if (!isOver) worker.postMessage(message);
    },
    end() {
      isOver = true;
      worker.terminate();
    },
  };
}

/** Bun 1.4.5 shows the source around an error, too. */
function reasonOf(message: string): string {
  const lines = message.split("\n");
  return lines.find((line) => /^(Uncaught )?\w*error: /i.test(line)) ?? lines[0]!;
}
