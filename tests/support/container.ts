/**
 * Runs the files of a container as a container runtime does as far as a test needs it: they are all
 * that it sees, its program is process 1 of processes of its own, as the user and with the variables
 * that its image names. The network is the machine's. Only root may.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { atExit } from "./at_exit.ts";
import { Child } from "./child.ts";
import type { ImageConfig } from "./images.ts";
import { waitUntil } from "./places.ts";

export interface ContainerOptions {
  /** The directory that holds its files. */
  readonly root: string;
  readonly config: ImageConfig;
  /** Replace those of the image. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is seen at other places inside. */
  readonly volumes?: readonly Volume[];
}

export interface Volume {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Its arguments: the root; source, target and options of each volume; `--`; the program. */
const SCRIPT = `
root=$1; shift
while [ "$1" != -- ]; do mount -o "$3" "$1" "$root$2"; shift 3; done
shift
mount -t proc proc "$root/proc" && exec "$@"
`;

const running = new Set<Container>();
atExit(() => {
  for (const container of running) container.signal("SIGKILL");
});

/** A running container. */
export class Container {
  readonly child: Child;
  /** Of its process 1, as the machine counts. */
  readonly pid: number;

  private constructor(child: Child, pid: number) {
    this.child = child;
    this.pid = pid;
    running.add(this);
    void child.exited.then(() => running.delete(this));
  }

  /** Resolves when its program has been started. */
  static async start({ root, config, env, volumes = [] }: ContainerOptions): Promise<Container> {
    const mounts = [{ source: "/dev", target: "/dev", readOnly: false }, ...volumes];
    mkdirSync(join(root, "proc"), { recursive: true });
    for (const volume of mounts) makeTarget(root, volume);
    const child = new Child("unshare", [
      ...["--mount", "--pid", "--fork"],
      ...["sh", "-euc", SCRIPT, "container", root],
      ...mounts.flatMap(({ source, target, readOnly }) => [
        source,
        target,
        readOnly ? "bind,ro" : "bind",
      ]),
      ...["--", "env", "-i", ...variables(config, env)],
      ...["/usr/sbin/chroot", `--userspec=${userOf(root, config.User)}`, root],
      ...[...(config.Entrypoint ?? []), ...(config.Cmd ?? [])],
    ]);
    const [pid] = await waitForChildren(child.pid);
    return new Container(child, pid!);
  }

  /** Sends it to process 1; nothing happens where that has ended. */
  signal(signal: NodeJS.Signals): void {
    if (!running.has(this)) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has ended, and we are about to hear of it.
    }
  }

  /** Ends every process in it. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.child.exited;
  }

  /** Processes of which its process 1 is the parent, also those that have ended. */
  get childCount(): number {
    return childrenOf(this.pid).length;
  }
}

/** What a volume is mounted on must be there. */
function makeTarget(root: string, { source, target }: Volume): void {
  const path = join(root, target);
  if (existsSync(path)) return;
  if (statSync(source).isDirectory()) {
    mkdirSync(path, { recursive: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "");
}

function variables(config: ImageConfig, env: Readonly<Record<string, string>> = {}): string[] {
  return [...(config.Env ?? []), ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
}

/** As numbers, for there may be no library inside that reads names. */
function userOf(root: string, user = ""): string {
  if (user === "") return "0:0";
  if (/^\d+:\d+$/.test(user)) return user;
  const users = readFileSync(join(root, "etc/passwd"), "utf8").split("\n");
  const [, , id, group] = users.map((line) => line.split(":")).find(([name]) => name === user) ??
    [];
  assert.ok(id, `There is no user "${user}" in ${root}`);
  return `${id}:${group}`;
}

async function waitForChildren(pid: number): Promise<readonly number[]> {
  await waitUntil(() => childrenOf(pid).length > 0, "the container's process");
  return childrenOf(pid);
}

/** None of one that has ended. */
function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
