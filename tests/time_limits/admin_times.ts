/**
 * The times of the admin address, as they stand: shorter than those of clients, so that nobody keeps
 * its few connections from whoever looks after the program.
 */
import { ADMIN_LIMITS } from "../../src/app/admin_limits.ts";
import { GET, http1World, settle, whole } from "../support/http1_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import type { Running, TimeLimit } from "./limit.ts";

type World = Awaited<ReturnType<typeof http1World>>;

/** Connections are looked at once a second. */
const LATE_MS = 1_000;

const base = {
  lateMs: LATE_MS,
  neighbours: [],
  movedBy: [],
  notMovedBy: ["another client"],
} as const;

const ended = (socket: MemoryCallbackSocket) => () =>
  socket.ended === "no" ? undefined : socket.ended;

async function running(
  firesAs: string,
  begin: (world: World, socket: MemoryCallbackSocket) => unknown,
  fired: (socket: MemoryCallbackSocket) => () => string | undefined = ended,
): Promise<Running> {
  const { timeouts } = ADMIN_LIMITS;
  const world = await http1World(() => whole("x".repeat(10_000)), { timeouts });
  const socket = world.open();
  begin(world, socket);
  await settle();
  return {
    async advance(durationMs) {
      world.clock.advance(durationMs);
      await settle();
    },
    fired: fired(socket),
    firesAs,
    acts: { "another client": () => void world.open().send(GET) },
    async end() {
      world.server.destroy();
      await settle();
      if (world.clock.timerCount > 0) throw new Error(`${world.clock.timerCount} timers are left`);
    },
  };
}

export const ADMIN_TIMES: readonly TimeLimit[] = [
  {
    ...base,
    key: "internal: the admin address",
    when: "a client is silent",
    limitMs: 15_000,
    begin: () => running("end", () => {}),
  },
  {
    ...base,
    key: "internal: the admin address",
    when: "a header section has begun",
    limitMs: 5_000,
    begin: () =>
      running(
        "408",
        (_world, socket) => socket.send("GET / HT"),
        (socket) => () => /^HTTP\/1\.1 (\d+)/.exec(socket.text)?.[1],
      ),
  },
  {
    ...base,
    key: "internal: the admin address",
    when: "a client does not read",
    limitMs: 30_000,
    begin: () =>
      running("reset", (world, socket) => {
        socket.room = 100;
        socket.send(GET);
        // From when it is looked at first.
        world.clock.advance(LATE_MS);
      }),
  },
];
