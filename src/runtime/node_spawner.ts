/**
 * Programs by way of `node:child_process`, which passes descriptors, users and process groups alike on
 * both runtimes; the listening socket comes from the C library (`libc.ts`).
 */
import { chmodSync, chownSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { findGroup, findUser, homeOf } from "./accounts.ts";
import { becomeUser, forbidNewPrivileges } from "./become_user.ts";
import { errorCode } from "./failures.ts";
import { GroupGuard } from "./group_guard.ts";
import { childProcessModule } from "./lazy_modules.ts";
import { type LibC, listenAtPath, reap } from "./libc.ts";
import { sayReady, startSuccessor } from "./node_successor.ts";
import {
  type ListeningSocket,
  type ProcessEnd,
  type SocketOwner,
  type SpawnedProcess,
  type Spawner,
  SpawnError,
  type StartOptions,
  type StopSignal,
} from "./spawner.ts";
import {
  createSpawnDirectory,
  directoryPattern,
  removeLeftSpawnDirectories,
} from "./spawn_directory.ts";

const INIT_PID = 1;

/** Programs, started by `node:child_process`; `openLibC` is called when it is first needed. */
export function createNodeSpawner(openLibC: () => Promise<LibC>): Spawner {
  /** Children that the runtime waits for. */
  const ours = new Set<number>();
  let libc: Promise<LibC> | undefined;
  let guard: GroupGuard | undefined;
  const openOnce = () => libc ??= openLibC();
  return {
    get isRoot() {
      return process.geteuid?.() === 0;
    },
    isSelf: ({ user }) => process.geteuid?.() === user,
    async become(user) {
      if (process.geteuid?.() !== user.user) becomeUser(await openOnce(), user, homeOf(user));
    },
    async forbidNewPrivileges() {
      forbidNewPrivileges(await openOnce());
    },
    findUser,
    findGroup,
    homeOf,
    directoryPattern: directoryPattern(),
    createDirectory: createSpawnDirectory,
    removeLeftDirectories: () => removeLeftSpawnDirectories(Date.now()),
    listen: async (path, backlog, owner) => openSocket(await openOnce(), path, backlog, owner),
    start: async (options) => {
      guard ??= new GroupGuard(await openOnce());
      await guard.prepare();
      return await start(options, ours, guard);
    },
    startSuccessor,
    sayReady,
    async reapOrphans() {
      if (process.pid !== INIT_PID) return;
      const opened = await openOnce();
      process.on("SIGCHLD", () => {
        for (const pid of childrenOfInit()) if (!ours.has(pid)) reap(opened, pid);
      });
    },
  };
}

function openSocket(
  libc: LibC,
  path: string,
  backlog: number,
  owner: SocketOwner | undefined,
): ListeningSocket {
  const descriptor = listenAtPath(libc, path, backlog);
  // Nobody else can have put another file in its place: it lies in a directory of ours.
  chmodSync(path, 0o600);
  if (owner !== undefined) chownSync(path, owner.user, owner.group);
  return {
    descriptor,
    close() {
      libc.close(descriptor);
      rmSync(path, { force: true });
    },
  };
}

async function start(
  options: StartOptions,
  ours: Set<number>,
  guard: GroupGuard,
): Promise<SpawnedProcess> {
  const { command: [program = "", ...args], cwd, env, user, input } = options;
  const { promise: ended, resolve: end } = Promise.withResolvers<ProcessEnd>();
  const started = Promise.withResolvers<void>();
  const child = childProcessModule().spawn(program, args, {
    cwd,
    env,
    detached: true,
    stdio: [input?.descriptor ?? "ignore", "pipe", "pipe"],
    ...(user && { uid: user.user, gid: user.group }),
  });
  const pid = child.pid ?? 0;
  if (pid > 0) {
    ours.add(pid);
    guard.add(pid);
  }
  for (const source of ["stdout", "stderr"] as const) {
    child[source]?.on("data", (bytes: Uint8Array) => options.onOutput(source, bytes));
    child[source]?.on("end", () => options.onOutputEnd?.(source));
  }
  child.on("spawn", started.resolve);
  child.on("error", (error) => started.reject(startError(program, cwd, error)));
  child.on("exit", (code, signal) => {
    ours.delete(pid);
    guard.remove(pid);
    end({ code, signal });
  });
  await started.promise;
  return {
    pid,
    ended,
    signal(signal) {
      // Not child.kill(): on Deno that signal is then told as the end, whatever the program did.
      if (ours.has(pid)) kill(pid, signal);
    },
    killGroup: () => kill(-pid, "SIGKILL"),
  };
}

function kill(pid: number, signal: StopSignal | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Nothing is left of it.
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

function startError(program: string, cwd: string, cause: Error): SpawnError {
  return new SpawnError(`Cannot start "${program}": ${startReason(cwd, cause)}`, { cause });
}

function startReason(cwd: string, cause: Error): string {
  switch (errorCode(cause)) {
    case "ENOENT":
      return `there is no such program, or no directory "${cwd}" (install it, or name its path)`;
    case "EACCES":
      return "it may not be run (look at its mode and owner)";
    case "EPERM":
      return "the system does not let us become its user";
    default:
      return cause.message;
  }
}

/** By the kernel's list, where it keeps one; its first thread has inherited them. */
function childrenOfInit(): number[] {
  try {
    const text = readFileSync(`/proc/${INIT_PID}/task/${INIT_PID}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
