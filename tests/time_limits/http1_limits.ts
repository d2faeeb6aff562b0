/** The time limits of clients that speak HTTP/1.1. */
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { GET, type Handler, http1World, settle, whole } from "../support/http1_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import type { TimeLimit } from "./limit.ts";

const LIMIT_MS = 10_000;

/** Connections are looked at once a second. */
const LATE_MS = 1_000;

const NEIGHBOURS = ["headersMs", "idleMs", "sendMs", "closeMs"] as const;

type Name = typeof NEIGHBOURS[number];

async function worldWith(own: Name, off: string | undefined, handler: Handler = () => whole("x")) {
  const timeouts = { ...CONNECTION_TIMEOUTS };
  for (const name of NEIGHBOURS) timeouts[name] = name === off ? Infinity : 1_000_000;
  timeouts[own] = LIMIT_MS;
  return await http1World(handler, { timeouts });
}

function situation(
  world: Awaited<ReturnType<typeof worldWith>>,
  socket: MemoryCallbackSocket,
  firesAs: string,
  fired: () => string | undefined,
  acts: Readonly<Record<string, () => unknown>>,
) {
  return {
    async advance(durationMs: number): Promise<void> {
      world.clock.advance(durationMs);
      await settle();
    },
    fired,
    firesAs,
    acts,
    async end(): Promise<void> {
      if (socket.ended !== "reset") socket.close();
      world.server.destroy();
      await settle();
      if (world.clock.timerCount > 0) throw new Error(`${world.clock.timerCount} timers are left`);
    },
  };
}

const base = { limitMs: LIMIT_MS, lateMs: LATE_MS } as const;

const others = (own: Name): string[] => NEIGHBOURS.filter((name) => name !== own);

const POST = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";

const ended = (socket: MemoryCallbackSocket) => () =>
  socket.ended === "no" ? undefined : socket.ended;

export const HTTP1_LIMITS: readonly TimeLimit[] = [
  {
    ...base,
    key: "limits.http.idle_timeout",
    when: "a connection is new",
    neighbours: others("idleMs"),
    movedBy: [],
    notMovedBy: ["another client", "an empty line"],
    async begin(off) {
      const world = await worldWith("idleMs", off);
      const socket = world.open();
      return situation(world, socket, "end", ended(socket), {
        "an empty line": () => socket.send("\r\n"),
        "another client": () => void world.open().send(GET),
      });
    },
  },
  {
    ...base,
    key: "limits.http.head_timeout",
    when: "a header section has begun",
    neighbours: others("headersMs"),
    movedBy: [],
    notMovedBy: ["a byte of the header section", "another client"],
    async begin(off) {
      const world = await worldWith("headersMs", off);
      const socket = world.open();
      socket.send("GET / HT");
      const fired = () => /^HTTP\/1\.1 (\d+)/.exec(socket.text)?.[1];
      return situation(world, socket, "408", fired, {
        "a byte of the header section": () => socket.send("T"),
        "another client": () => void world.open().send(GET),
      });
    },
  },
  {
    ...base,
    key: "limits.http.idle_timeout",
    when: "a connection waits for its next request",
    neighbours: others("idleMs"),
    movedBy: ["a request with its response"],
    notMovedBy: ["an empty line", "another client"],
    async begin(off) {
      const world = await worldWith("idleMs", off);
      const socket = world.open();
      socket.send(GET);
      await settle();
      return situation(world, socket, "end", ended(socket), {
        "a request with its response": () => socket.send(GET),
        "an empty line": () => socket.send("\r\n"),
        "another client": () => void world.open().send(GET),
      });
    },
  },
  {
    ...base,
    key: "limits.http.send_timeout",
    when: "a client does not read",
    neighbours: others("sendMs"),
    movedBy: ["a byte that it takes"],
    notMovedBy: ["what it sends", "another client"],
    async begin(off) {
      const world = await worldWith("sendMs", off, () => whole("x".repeat(10_000)));
      const socket = world.open();
      socket.room = 100;
      socket.send(GET);
      await settle();
      // From when it is looked at first.
      world.clock.advance(LATE_MS);
      return situation(world, socket, "reset", ended(socket), {
        "a byte that it takes": () => socket.take(1),
        "what it sends": () => socket.send("x"),
        "another client": () => void world.open().send(GET),
      });
    },
  },
  {
    ...base,
    key: "limits.http.close_timeout",
    when: "a client does not close",
    neighbours: others("closeMs"),
    movedBy: [],
    notMovedBy: ["what it sends", "another client"],
    paused: { by: "it has not taken all of the response", waits: true },
    async begin(off) {
      const world = await worldWith("closeMs", off, () => whole("x".repeat(10_000)));
      const socket = world.open();
      socket.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
      await settle();
      const fired = () => socket.ended === "destroy" ? "destroy" : undefined;
      return situation(world, socket, "destroy", fired, {
        "what it sends": () => socket.send("x"),
        "another client": () => void world.open().send(GET),
        "it has not taken all of the response": () =>
          Object.defineProperty(socket, "unsentLength", { get: () => 10, configurable: true }),
      });
    },
  },
  {
    ...base,
    key: "limits.http.close_timeout",
    when: "the rest of a body is dropped",
    neighbours: others("closeMs"),
    movedBy: [],
    notMovedBy: ["a byte of the body", "another client"],
    async begin(off) {
      // Somebody must have begun to read it, or nobody waits for its rest.
      const world = await worldWith("closeMs", off, async (request) => {
        request.body?.getReader().read().catch(() => {});
        await settle();
        return whole("x");
      });
      const socket = world.open();
      socket.send(POST);
      await settle();
      return situation(world, socket, "end", ended(socket), {
        "a byte of the body": () => socket.send("x"),
        "another client": () => void world.open().send(GET),
      });
    },
  },
];
