/**
 * A machine for tests with systemd as process 1: this machine's files under a layer that is thrown
 * away, its own processes, mounts, control groups and network, where nothing but loopback is. What is
 * done to it is done to nothing else.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./child.ts";
import { temporaryDirectory, waitUntil } from "./places.ts";

/** In a directory of ours: the layer's places, and process 1. */
const BOOT = `set -eu
dir=$1
mount --make-rprivate /
mount -t tmpfs none "$dir/layer"
mkdir "$dir/layer/upper" "$dir/layer/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/layer/upper,workdir=$dir/layer/work" "$dir/root"
root=$dir/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/dev"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir "$root/dev/shm"
mount -t tmpfs none "$root/dev/shm"
mount -t tmpfs -o mode=755 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
rm -rf "$root"/etc/systemd/system/*
ip link set lo up
cd "$root"
mkdir old
pivot_root . old
umount -l /old
rmdir /old
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  /lib/systemd/systemd --system --unit=sysinit.target --log-target=console --show-status=0
`;

const NAMESPACES = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net"] as const;

/** Why there can be none here; false where there can. */
export function missingSystemd(): string | false {
  try {
    execFileSync("unshare", [...NAMESPACES, "--fork", "test", "-x", "/lib/systemd/systemd"], {
      stdio: "ignore",
    });
    return false;
  } catch {
    return "systemd, or the right to have name spaces (as root)";
  }
}

export class SystemdMachine {
  readonly #child: Child;
  /** Of its process 1, as we see it. */
  readonly #pid: number;

  private constructor(child: Child, pid: number) {
    this.#child = child;
    this.#pid = pid;
  }

  static async boot(): Promise<SystemdMachine> {
    const directory = temporaryDirectory();
    for (const name of ["layer", "root"]) mkdirSync(join(directory, name));
    const script = join(directory, "boot.sh");
    writeFileSync(script, BOOT);
    const child = new Child("unshare", [
      ...NAMESPACES,
      ...["--fork", "--kill-child", "sh", script, directory],
    ]);
    let pid = 0;
    const hasBooted = () => {
      pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim());
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "systemd";
    };
    await waitUntil(() => Promise.resolve(quietly(hasBooted)), "process 1");
    const machine = new SystemdMachine(child, pid);
    const isUp = () => /running|degraded/.test(machine.run("systemctl is-system-running || true"));
    await waitUntil(() => Promise.resolve(quietly(isUp)), "systemd to be up");
    return machine;
  }

  /** What a shell prints there, in our own directory. @throws when it ends with an error */
  run(script: string, directory = "/"): string {
    return execFileSync("nsenter", [
      ...["--target", String(this.#pid), ...NAMESPACES, `--wd=/proc/${this.#pid}/root${directory}`],
      ...["sh", "-ec", script],
    ], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** What a unit's properties are. */
  show(unit: string, property: string): string {
    return this.run(`systemctl show --value --property ${property} ${unit}`).trim();
  }

  /** Lines of systemd's own log. */
  get log(): readonly string[] {
    return this.#child.stderr.lines;
  }

  async stop(): Promise<void> {
    await this.#child.stop("SIGKILL");
  }
}

function quietly(look: () => boolean): boolean {
  try {
    return look();
  } catch {
    return false;
  }
}
