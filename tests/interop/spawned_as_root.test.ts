/**
 * php-fpm and others, started by the executable as root: what root writes is root's, nothing survives a
 * `kill -9` of afcgi, and a script learns nothing that is meant for afcgi.
 */
import assert from "node:assert/strict";
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const isRoot = process.getuid?.() === 0;
const skip = missingPeer("php-fpm") || !isRoot && "takes root";
const skipCgi = missingPeer("php-cgi") || !isRoot && "takes root";

const SCRIPT = `<?php
foreach (["SECRET", "PASSED", "AFCGI_ADMIN", "HOME", "USER", "LOGNAME", "PATH"] as $name)
    echo $name, "=", getenv($name) === false ? "-" : getenv($name), "\\n";
echo posix_getuid(), " ", implode(",", posix_getgroups()), "\\n", getmypid(), "\\n", posix_getppid(), "\\n";
`;

function phpRoot(): string {
  const root = temporaryDirectory();
  writeFileSync(join(root, "index.php"), SCRIPT);
  return root;
}

function start(
  spawn: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Afcgi> {
  const config = {
    upstreams: {
      app: { spawn: { workers: 2, ...spawn }, retry: { attempts: 5, same_server: true } },
    },
    sites: [{
      root: phpRoot(),
      routes: [{ php: { upstream: "app", front_controller: "/index.php" } }],
    }],
  };
  return Afcgi.start({ config, env });
}

async function lines(afcgi: Afcgi): Promise<string[]> {
  const { status, body } = await httpRequest(afcgi.port, { target: "/" });
  assert.equal(status, 200, body.toString());
  return body.toString().trim().split("\n");
}

interface Process {
  readonly pid: number;
  readonly group: number;
  readonly command: string;
}

/** Those whose command line holds the text, which names a directory of the test's. */
function processesWith(text: string): Process[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      const stat = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]!.split(" ");
      return command.includes(text) && stat[0] !== "Z"
        ? [{ pid: Number(name), group: Number(stat[2]), command }]
        : [];
    } catch {
      return [];
    }
  });
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** The directory that php-fpm's configuration is in, and the master. */
function masterOf(tmp: string): { readonly pid: number; readonly directory: string } {
  const [master] = processesWith(tmp).filter(({ command }) => command.includes("master process"));
  assert.ok(master, "no master of php-fpm");
  const [, config] = /\((\S+\.conf)\)/.exec(master.command)!;
  return { pid: master.pid, directory: join(config!, "..") };
}

for (const command of [["php-fpm"], ["php-cgi"], ["php-cgi", "-b", "{socket}"]]) {
  const name = command.join(" ");
  const cannot = command[0] === "php-fpm" ? skip : skipCgi;

  test(`kill -9 of afcgi leaves no ${name} behind`, { skip: cannot }, async () => {
    const tmp = temporaryDirectory();
    const afcgi = await start({ command, user: "www-data" }, { TMPDIR: tmp });
    const said = await lines(afcgi);
    const [worker, parent] = said.slice(-2).map(Number) as [number, number];
    const processes = command[0] === "php-fpm" ? [worker, parent] : [worker];
    assert.ok(processes.every(isRunning));
    afcgi.child.kill("SIGKILL");
    await afcgi.child.exited;
    await waitUntil(() => !processes.some(isRunning), "the end of all");
    // And its directory goes when the next one starts.
    assert.equal(readdirSync(tmp).filter((one) => one.startsWith("afcgi-")).length, 1);
    const next = await start({ command }, { TMPDIR: tmp });
    await lines(next);
    await next.stop();
    assert.deepEqual(readdirSync(tmp).filter((one) => one.startsWith("afcgi-")), []);
  });

  test(`${name} does not learn what is meant for afcgi`, { skip: cannot }, async () => {
    const env = { SECRET: "of afcgi", AFCGI_ADMIN: "off", HOME: "/root", USER: "root" };
    const afcgi = await start(
      { command, user: "www-data", env: { PASSED: "${env.SECRET}" } },
      env,
    );
    const said = await lines(afcgi);
    await afcgi.stop();
    const home = "/var/www";
    const expected = ["SECRET=-", "PASSED=of afcgi", "AFCGI_ADMIN=-", `HOME=${home}`];
    assert.deepEqual(said.slice(0, 4), expected);
    assert.deepEqual(said.slice(4, 6), ["USER=www-data", "LOGNAME=www-data"]);
    const [user, groups] = said[7]!.split(" ");
    assert.notEqual(user, "0");
    assert.equal(groups!.split(",").includes("0"), false, "root's group is left");
  });
}

test("A process group that ignores SIGTERM is gone after a kill -9 too", { skip }, async () => {
  const directory = temporaryDirectory();
  const script = join(directory, "app");
  writeFileSync(
    script,
    "#!/bin/sh\ntrap '' TERM\nsh -c 'trap \"\" TERM; sleep 300' marker &\necho up\nwait\n",
  );
  const command = ["sh", script];
  const config = {
    upstreams: { app: { spawn: { command, workers: 1 } } },
    sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
  };
  const afcgi = await Afcgi.start({ config });
  await afcgi.waitForLog(({ msg }) => msg === "up");
  const [worker] = processesWith(script);
  const members = groupOf(worker!.group);
  assert.ok(members.length >= 2);
  afcgi.child.kill("SIGKILL");
  await waitUntil(() => groupOf(worker!.group).length === 0, "the end of the group");
});

function groupOf(group: number): number[] {
  return processesWith("").filter((one) => one.group === group).map(({ pid }) => pid);
}

test("www-data cannot touch what root writes for php-fpm", { skip }, async () => {
  const tmp = temporaryDirectory();
  const afcgi = await start({ command: ["php-fpm"] }, { TMPDIR: tmp });
  await lines(afcgi);
  const { directory } = masterOf(tmp);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  for (const path of everythingBelow(tmp)) assert.equal(statSync(path).uid, 0, path);
  afcgi.child.kill("SIGHUP");
  await afcgi.waitForLog(({ msg }) => msg === "workers replaced");
  await lines(afcgi);
  await afcgi.stop();
});

function everythingBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true }).map((name) => join(directory, String(name)));
}

test("TMPDIR of another user is refused with one line", { skip }, async () => {
  const tmp = join(temporaryDirectory(), "theirs");
  mkdirSync(tmp);
  chownSync(tmp, 33, 33);
  await assert.rejects(
    start({ command: ["php-fpm"] }, { TMPDIR: tmp }),
    /Cannot keep files below ".+theirs": other users may change/,
  );
});

test("A cleaner of temporary files does not keep PHP down", { skip }, async () => {
  const tmp = temporaryDirectory();
  const afcgi = await start({ command: ["php-fpm"] }, { TMPDIR: tmp });
  await lines(afcgi);
  const { pid, directory } = masterOf(tmp);
  // First the files, then all of it.
  for (const name of readdirSync(directory)) {
    if (name.endsWith(".conf")) rmSync(join(directory, name));
  }
  process.kill(pid, "SIGKILL");
  await waitUntil(() => masterPid(tmp) !== undefined && masterPid(tmp) !== pid, "another master");
  await lines(afcgi);
  rmSync(directory, { recursive: true });
  await afcgi.waitForLog(({ code }) => code === "worker_sockets_lost");
  await waitUntil(
    async () => (await httpRequest(afcgi.port, { target: "/" })).status === 200,
    "a response",
  );
  await afcgi.stop();
  assert.deepEqual(readdirSync(tmp).filter((one) => one.startsWith("afcgi-")), []);
});

function masterPid(tmp: string): number | undefined {
  return processesWith(tmp).find(({ command }) => command.includes("master process"))?.pid;
}

test("php-cgi that recycles itself is followed at once", { skip: skipCgi }, async () => {
  const afcgi = await start({
    command: ["php-cgi"],
    workers: 1,
    env: { PHP_FCGI_MAX_REQUESTS: "3" },
  });
  for (let request = 0; request < 20; request++) await lines(afcgi);
  await afcgi.waitForLog(({ code }) => code === "worker_recycled");
  await afcgi.stop();
  assert.deepEqual(afcgi.log.filter(({ code }) => code === "worker_down"), []);
});

test("A program that is not there ends serve at once, with a line", async () => {
  for (const program of ["php-fpm9", "/usr/sbin/php-fpm9", "php-cgi9.9", "no-such-app"]) {
    const args = ["serve", "--spawn", program, "--root", phpRoot(), "--listen", "127.0.0.1:0"];
    const { code, stderr } = await runAfcgi(args);
    assert.equal(code, 1, program);
    assert.match(stderr, new RegExp(`there is no program "${program}"`));
    const checked = await runAfcgi(["check", ...args.slice(1)]);
    assert.equal(checked.code, 2, program);
    assert.match(checked.stderr, new RegExp(`there is no program "${program}"`));
  }
});
