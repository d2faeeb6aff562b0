/** How many processors the process may use, by what Linux says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countProcessors } from "../../src/runtime/processors.ts";

const STATUS = "/proc/self/status";
const GROUP = "/proc/self/cgroup";
const V1 = "/sys/fs/cgroup/cpu,cpuacct";

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly count: number;
}

const CASES: readonly Case[] = [
  { name: "where nobody says anything, what the runtime knows", files: {}, count: 8 },
  { name: "affinity", files: { [STATUS]: "Cpus_allowed_list:\t0-2,7\n" }, count: 4 },
  {
    name: "a quota of version 2, rounded up",
    files: { [GROUP]: "0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n" },
    count: 2,
  },
  {
    name: "the quota of a parent",
    files: {
      [GROUP]: "0::/a/b\n",
      "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/a/cpu.max": "300000 100000\n",
    },
    count: 3,
  },
  {
    name: "the quota of a container, which sees itself as the root",
    files: { [GROUP]: "0::/\n", "/sys/fs/cgroup/cpu.max": "50000 100000\n" },
    count: 1,
  },
  {
    name: "a quota of version 1",
    files: {
      [GROUP]: "5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n",
      [`${V1}/x/cpu.cfs_quota_us`]: "200000\n",
      [`${V1}/x/cpu.cfs_period_us`]: "100000\n",
    },
    count: 2,
  },
  {
    name: "a version 1 without quota",
    files: {
      [GROUP]: "4:cpu,cpuacct:/x\n",
      [`${V1}/x/cpu.cfs_quota_us`]: "-1\n",
      [`${V1}/x/cpu.cfs_period_us`]: "100000\n",
    },
    count: 8,
  },
  {
    name: "the lesser of affinity and quota",
    files: {
      [STATUS]: "Cpus_allowed_list:\t3\n",
      [GROUP]: "0::/\n",
      "/sys/fs/cgroup/cpu.max": "400000 100000\n",
    },
    count: 1,
  },
];

for (const { name, files, count } of CASES) {
  test(`Processors are counted by ${name}`, async () => {
    assert.equal(await countProcessors((path) => Promise.resolve(files[path]), 8), count);
  });
}
