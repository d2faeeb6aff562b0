/**
 * How many threads `workers: auto` has where the process may not use every processor: by its affinity,
 * and by the quota of its control group, of both versions. The files of version 2 are laid over those
 * of the machine, in a name space of the test's own; a group of version 1 is made where there are some.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AFCGI } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const PROCESSORS = navigator.hardwareConcurrency;
/** What the main thread is called where it does everything. */
const LONE = ["main"];

const threads = (count: number): readonly string[] =>
  count === 1 ? LONE : Array.from({ length: count }, (_, index) => `worker-${index + 1}`);

/** The threads of an afcgi that is started by this command, with nothing said of how many. */
async function workersBy(before: readonly string[]): Promise<string[]> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const config = {
    listen: ["127.0.0.1:0"],
    admin: { listen: `127.0.0.1:${port}` },
    sites: [{ routes: [{ respond: { body: "ok" } }] }],
  };
  writeFileSync(join(directory, "afcgi.yaml"), JSON.stringify(config));
  const [program = "", ...args] = [...before, AFCGI, "serve"];
  const child = new Child(program, args, {
    cwd: directory,
    env: { AFCGI_WORKERS: undefined },
  });
  try {
    await child.stderr.waitFor((line) => line.includes('"for":"admin"'));
    const target = { target: "/status", headers: { Host: "localhost" } };
    const { body } = await httpRequest(port, target);
    const { workers } = JSON.parse(body.toString()) as { workers: { name: string }[] };
    return workers.map(({ name }) => name);
  } finally {
    await child.stop("SIGTERM");
  }
}

function missing(program: string, ...args: readonly string[]): string | false {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return false;
  } catch {
    return `${program}, or the right to use it`;
  }
}

test("With every processor there are as many threads, and with one there is none", {
  skip: missing("taskset", "-c", "0", "true"),
}, async () => {
  assert.deepEqual(await workersBy([]), threads(PROCESSORS));
  assert.deepEqual(await workersBy(["taskset", "-c", "0"]), LONE);
});

const QUOTAS = [["50000", 1], ["100000", 1], ["150000", 2], ["max", PROCESSORS]] as const;

for (const [quota, processors] of QUOTAS) {
  const expected = threads(Math.min(processors, PROCESSORS));
  test(`A quota of version 2 of ${quota} of 100000 makes ${expected}`, {
    skip: missing("unshare", "--mount", "true"),
  }, async () => {
    const script = `mount -t tmpfs none /sys/fs/cgroup && echo '${quota} 100000' > ` +
      `/sys/fs/cgroup/cpu.max && exec "$@"`;
    const before = ["unshare", "--mount", "sh", "-ec", script, "sh"];
    assert.deepEqual(await workersBy(before), expected);
  });
}

const V1 = ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"]
  .find((mount) => existsSync(join(mount, "cpu.cfs_quota_us")));

/** A group of our own, which is gone again with its last process. */
function makeGroup(quota: number): string | undefined {
  if (V1 === undefined) return undefined;
  const group = join(V1, `afcgi-test-${crypto.randomUUID()}`);
  try {
    mkdirSync(group);
    writeFileSync(join(group, "cpu.cfs_period_us"), "100000");
    writeFileSync(join(group, "cpu.cfs_quota_us"), String(quota));
    return group;
  } catch {
    return undefined;
  }
}

for (const [quota, processors] of [[100_000, 1], [150_000, 2], [-1, PROCESSORS]] as const) {
  const expected = threads(Math.min(processors, PROCESSORS));
  test(`A quota of version 1 of ${quota} of 100000 makes ${expected}`, async (context) => {
    const group = makeGroup(quota);
    if (group === undefined) {
      return context.skip("control groups of version 1, and the right to make one");
    }
    try {
      const enter = `echo $$ > "${group}/cgroup.procs" && exec "$@"`;
      assert.deepEqual(await workersBy(["sh", "-ec", enter, "sh"]), expected);
    } finally {
      rmdirSync(group);
    }
  });
}
