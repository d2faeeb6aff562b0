/** A spawned application in memory: programs that a test plays, and what is said of them. */
import { MemoryRuntime } from "../support/memory/memory.ts";
import type { OutputSource } from "../../src/runtime/spawner.ts";
import { SpawnedApplication } from "../../src/spawn/application.ts";
import type { SpawnTarget } from "../../src/spawn/deps.ts";
import { SPAWN_DEFAULTS, type SpawnOptions } from "../../src/spawn/options.ts";
import { untilIdle } from "../support/idle.ts";

export const DRAIN_MS = 5_000;

export class World {
  readonly runtime: MemoryRuntime;
  readonly application: SpawnedApplication;
  /** What would be in the log. */
  readonly log: string[] = [];
  /** Each state that a worker was told to be in. */
  readonly told: string[] = [];
  /** Which process has written each line. */
  readonly writers: (number | undefined)[] = [];
  /** Paths of the servers that requests go to. */
  servers: readonly string[] = [];
  /** What each server has begun. */
  readonly requests = new Map<string, number>();
  /** Called when those that left have none left; a test may put it off. */
  drained: Promise<void> = Promise.resolve();

  constructor(
    options: Partial<SpawnOptions> & Pick<SpawnOptions, "command">,
    env: Readonly<Record<string, string>> = { PATH: "/bin", HOME: "/h" },
  ) {
    this.runtime = new MemoryRuntime({ process: { env } });
    const target: SpawnTarget = {
      useServers: (addresses) => {
        this.servers = addresses.map(({ path }) => path);
        return this.drained;
      },
      requestsBegun: ({ path }) => this.requests.get(path) ?? 0,
    };
    const say = (text: string) => void this.log.push(text);
    this.application = new SpawnedApplication(
      { ...SPAWN_DEFAULTS, workers: 1, upstream: "app", ...options },
      {
        runtime: this.runtime,
        target,
        drainMs: DRAIN_MS,
        observer: {
          onState: (_, worker) =>
            void this.told.push(`${nameOf(worker.address.path)} ${worker.state}`),
          onEnded: (_, worker, reason, ms, isGood) =>
            say(`${nameOf(worker.address.path)} ${reason}, ${ms}${isGood ? ", as it should" : ""}`),
          onNotReplaced: (_, worker, reason) => say(`${nameOf(worker.address.path)}: ${reason}`),
          onSocketsLost: (_, path) => say(`sockets in ${path} are gone`),
          onDirectoryFailed: (_, reason) => say(reason),
          onLine: (_, pid, source: OutputSource, line) => {
            say(`${source}: ${line}`);
            this.writers.push(pid);
          },
          onRunsAsRoot: () => say("root"),
        },
      },
    );
  }

  get children() {
    return this.runtime.spawner.children;
  }

  get states(): readonly string[] {
    return this.application.workers.map(({ state }) => state);
  }

  /** Moves the time in steps, for what starts in between. */
  async advance(timeMs: number, stepMs = timeMs): Promise<void> {
    for (let movedMs = 0; movedMs < timeMs; movedMs += stepMs) {
      await turns();
      this.runtime.clock.advance(stepMs);
    }
    await turns();
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Lets everything happen that needs no time. */
export const turns = untilIdle;
