/** The time limits of spawned workers. */
import { SPAWN_DEFAULTS } from "../../src/spawn/options.ts";
import { turns, World } from "../spawn/world.ts";
import type { Running, TimeLimit } from "./limit.ts";

const LIMIT_MS = 2_000;

/** A worker that does not listen yet is asked so often. */
const POLL_MS = 25;

function running(
  world: World,
  fired: Running["fired"],
  firesAs: string,
  acts: Running["acts"],
): Running {
  return {
    async advance(durationMs) {
      for (let left = durationMs; left > 0; left -= POLL_MS) {
        await world.advance(Math.min(POLL_MS, left));
      }
    },
    fired,
    firesAs,
    acts,
    async end() {
      for (const child of world.children) child.obeys = true;
      const stopped = world.application.stop();
      await world.advance(world.application.options.stopTimeoutMs);
      await stopped;
      if (world.runtime.clock.timerCount > 0) throw new Error("a timer is left");
    },
  };
}

const output = (world: World) => () =>
  world.children[0]!.options.onOutput("stderr", new TextEncoder().encode("a line\n"));

export const SPAWN_LIMITS: readonly TimeLimit[] = [
  {
    key: "upstreams.NAME.spawn.start_timeout",
    when: "a worker does not listen",
    limitMs: LIMIT_MS,
    lateMs: POLL_MS,
    neighbours: ["stopTimeoutMs"],
    movedBy: [],
    notMovedBy: ["its output"],
    async begin(off) {
      const world = new World({
        command: ["app", "{socket}"],
        startTimeoutMs: LIMIT_MS,
        ...(off !== undefined && { [off]: 0 }),
      });
      await world.application.start();
      await turns();
      const fired = () => world.children[0]!.isGroupKilled ? "killed" : undefined;
      return running(world, fired, "killed", { "its output": output(world) });
    },
  },
  {
    key: "upstreams.NAME.spawn.stop_timeout",
    when: "a worker does not end",
    limitMs: LIMIT_MS,
    lateMs: 0,
    neighbours: ["startTimeoutMs"],
    movedBy: [],
    notMovedBy: ["its output", "a second stop"],
    async begin(off) {
      const world = new World({
        command: ["app"],
        stopTimeoutMs: LIMIT_MS,
        ...(off !== undefined && { [off]: 0 }),
      });
      await world.application.start();
      await turns();
      world.children[0]!.obeys = false;
      void world.application.stop();
      await turns();
      const fired = () => world.children[0]!.isGroupKilled ? "killed" : undefined;
      return running(world, fired, "killed", {
        "its output": output(world),
        "a second stop": () => void world.application.stop(),
      });
    },
  },
  ...[false, true].map((atMost): TimeLimit => ({
    key: `upstreams.NAME.spawn.restart.${atMost ? "backoff_max" : "backoff"}`,
    when: "a worker has ended",
    limitMs: LIMIT_MS,
    lateMs: 0,
    neighbours: ["startTimeoutMs", "stopTimeoutMs"],
    movedBy: [],
    notMovedBy: [],
    async begin(off) {
      const { backoffMs, backoffMaxMs } = atMost
        ? { backoffMs: LIMIT_MS * 10, backoffMaxMs: LIMIT_MS }
        : { backoffMs: LIMIT_MS, backoffMaxMs: LIMIT_MS * 10 };
      const world = new World({
        command: ["app"],
        restart: { ...SPAWN_DEFAULTS.restart, backoffMs, backoffMaxMs },
        ...(off !== undefined && { [off]: 0 }),
      });
      await world.application.start();
      await turns();
      world.children[0]!.end({ code: 1, signal: null });
      await turns();
      const fired = () => world.children.length > 1 ? "started" : undefined;
      return running(world, fired, "started", {});
    },
  })),
];
