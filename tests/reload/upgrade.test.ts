/** Another process in the place of the one that serves, under load: nothing is lost. */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AFCGI } from "../support/afcgi.ts";
import { atExit } from "../support/at_exit.ts";
import { Child } from "../support/child.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { missingPeer } from "../support/peers.ts";
import { httpRequest } from "../support/raw_http.ts";
import { Http2Load } from "./http2_load.ts";
import { Load } from "./load.ts";

interface World {
  readonly directory: string;
  readonly port: number;
  readonly socket: string;
  readonly child: Child;
  /** Of the process that serves. */
  pid: number;
}

/** An afcgi of its own copy of the executable, at a port and a unix socket. */
async function start(more: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const socket = join(directory, "http.sock");
  copyFileSync(AFCGI, join(directory, "afcgi"));
  const config = {
    listen: [`127.0.0.1:${port}`, `unix:${socket}`],
    sites: [{ routes: [{ respond: { body: "served" } }] }],
    log: { access: "off" },
    shutdown: { grace: "10s" },
    ...more,
  };
  writeFileSync(join(directory, "afcgi.yaml"), JSON.stringify(config));
  const child = new Child(join(directory, "afcgi"), ["serve"], { cwd: directory });
  await child.stderr.waitFor((line) => line.includes('"msg":"listening"'));
  return { directory, port, socket, child, pid: child.pid };
}

/** Resolves when the new process serves and the old one has begun to end. */
async function upgrade(world: World): Promise<void> {
  const from = world.child.stderr.lines.length;
  process.kill(world.pid, "SIGUSR2");
  const line = await world.child.stderr.waitFor(
    (text) => text.includes('"upgraded"') || text.includes('"upgrade_failed"'),
    from,
  );
  const { code, pid } = JSON.parse(line) as { code: string; pid: number };
  assert.equal(code, "upgraded", line);
  world.pid = pid;
  atExit(() => endQuietly(pid));
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function stop(world: World): Promise<void> {
  process.kill(world.pid, "SIGTERM");
  await waitUntil(() => Promise.resolve(!isAlive(world.pid)), "the end of the last process");
  assert.equal(existsSync(world.socket), false);
  const unexpected = world.child.stderr.lines.filter((line) => line.includes("internal_error"));
  assert.deepEqual(unexpected, []);
}

test("Twenty upgrades under load lose nothing, over TCP, a unix socket and HTTP/2", async () => {
  const world = await start();
  const loads = [
    new Load({ port: world.port }, 4),
    new Load({ path: world.socket }, 4),
    new Http2Load(world.port, 4),
  ];
  for (let round = 0; round < 20; round++) {
    const before = loads.map(({ responses }) => responses);
    await upgrade(world);
    await waitUntil(
      () => Promise.resolve(loads.every(({ responses }, index) => responses > before[index]! + 50)),
      "responses of the new process",
    );
  }
  for (const load of loads) {
    const { responses, closed } = await load.stop();
    assert.ok(responses > 1_000, String(responses));
    // Each client was told to come again.
    assert.ok(closed >= 20, String(closed));
  }
  await stop(world);
});

/** Runs a program that makes load until it is told to stop; its output. */
function loadBy(program: string, args: readonly string[]) {
  const child = new Child(program, args);
  return async () => {
    await child.stop("SIGINT");
    return [...child.stdout.lines, ...child.stderr.lines].join("\n");
  };
}

test("Twenty upgrades under wrk lose nothing", { skip: missingPeer("wrk") }, async () => {
  const world = await start();
  const stopLoad = loadBy("wrk", ["-t1", "-c16", "-d300s", `http://127.0.0.1:${world.port}/`]);
  for (let round = 0; round < 20; round++) await upgrade(world);
  const said = await stopLoad();
  const count = Number(/(\d+) requests in/.exec(said)?.[1]);
  assert.ok(count > 1_000, said);
  // It says so only where something went wrong.
  assert.doesNotMatch(said, /Socket errors|Non-2xx/, said);
  await stop(world);
});

test("Twenty upgrades under h2load: whatever it has begun is answered", {
  skip: missingPeer("nghttp2"),
}, async () => {
  const access = join(temporaryDirectory(), "access.log");
  const world = await start({ log: { access } });
  let isOver = false;
  const runs: string[] = [];
  const loads = async () => {
    // Told GOAWAY it begins nothing more, and waits for the end of its time.
    const args = ["-c4", "-m5", "-D1", `http://127.0.0.1:${world.port}/`];
    while (!isOver) {
      const child = new Child("h2load", args);
      await child.exited;
      runs.push(child.stdout.lines.join("\n"));
    }
  };
  const loading = loads();
  for (let round = 0; round < 20; round++) await upgrade(world);
  isOver = true;
  await loading;
  let answered = 0;
  let left = 0;
  for (const said of runs) {
    const line =
      /requests: \d+ total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, 0 timeout/
        .exec(said);
    assert.ok(line, said);
    const [started, done, succeeded, failed, errored] = line.slice(1).map(Number);
    // What is on the way when its time is over it does not wait for.
    left += started! - done!;
    assert.ok(started! - done! <= 4 * 5, said);
    // What it has queued behind responses that come together with GOAWAY, and cannot send any more.
    assert.ok(failed! <= 4 * 5, said);
    assert.deepEqual([succeeded! + failed!, errored], [done, failed], said);
    assert.match(said, new RegExp(`status codes: ${succeeded} 2xx`));
    answered += succeeded!;
  }
  assert.ok(answered > 1_000, String(answered));
  await stop(world);
  // All that came was answered: whatever failed was never sent.
  const { length: received } = readFileSync(access, "utf8").trim().split("\n");
  assert.ok(
    received >= answered && received <= answered + left,
    `${received} requests, ${answered} responses, and ${left} that nobody waited for`,
  );
});

test("kill -9 of the old process in the middle of an upgrade costs its own requests alone", async () => {
  const world = await start();
  for (let round = 0; round < 5; round++) {
    const from = world.child.stderr.lines.length;
    process.kill(world.pid, "SIGUSR2");
    const line = await world.child.stderr.waitFor((text) => text.includes("upgrading"), from);
    const { pid } = JSON.parse(line) as { pid: number };
    atExit(() => endQuietly(pid));
    await new Promise((resolve) => setTimeout(resolve, round * 40));
    endQuietly(world.pid);
    world.pid = pid;
    // Who connects meanwhile waits in queues that stay, over TCP and at the path.
    const all = Array.from({ length: 20 }, () => httpRequest(world.port, {}));
    for (const { body } of await Promise.all(all)) assert.equal(body.toString(), "served");
    assert.ok(existsSync(world.socket));
  }
  const load = new Load({ path: world.socket }, 2);
  await waitUntil(() => Promise.resolve(load.responses > 20), "responses at the path");
  await load.stop();
  await stop(world);
});

test("Upgrades of an afcgi of two threads lose nothing either", async () => {
  const world = await start({ workers: 2 });
  const load = new Load({ port: world.port }, 4);
  for (let round = 0; round < 4; round++) {
    const before = load.responses;
    await upgrade(world);
    await waitUntil(
      () => Promise.resolve(load.responses > before + 50),
      "responses of the new process",
    );
  }
  const { closed } = await load.stop();
  assert.ok(closed >= 4, String(closed));
  await stop(world);
});

test("The executable that lies at the path is the one that serves", async () => {
  const world = await start();
  const other = join(world.directory, "afcgi.new");
  writeFileSync(other, `#!/bin/sh\nAFCGI_TEST_MARK=1 exec ${AFCGI} "$@"\n`, { mode: 0o755 });
  renameSync(other, join(world.directory, "afcgi"));
  await upgrade(world);
  assert.equal((await httpRequest(world.port, {})).status, 200);
  await stop(world);
});

test("A new process that ends, or never gets ready, changes nothing", async () => {
  const world = await start({ shutdown: { grace: "1s" } });
  const load = new Load({ port: world.port }, 4);
  for (const script of ["exit 1", "exec sleep 60"]) {
    const other = join(world.directory, "afcgi.new");
    writeFileSync(other, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    renameSync(other, join(world.directory, "afcgi"));
    const from = world.child.stderr.lines.length;
    process.kill(world.pid, "SIGUSR2");
    const line = await world.child.stderr.waitFor((text) => text.includes("upgrade_failed"), from);
    const { pid } = JSON.parse(line) as { pid: number };
    await waitUntil(() => Promise.resolve(!isAlive(pid)), "the end of the new process");
  }
  const broken = join(world.directory, "afcgi.yaml");
  writeFileSync(broken, "sites: 7\n");
  copyFileSync(AFCGI, join(world.directory, "afcgi.good"));
  renameSync(join(world.directory, "afcgi.good"), join(world.directory, "afcgi"));
  const from = world.child.stderr.lines.length;
  process.kill(world.pid, "SIGUSR2");
  await world.child.stderr.waitFor((text) => text.includes("upgrade_failed"), from);
  const { closed } = await load.stop();
  assert.equal(closed, 0);
  await stop(world);
});

test("kill -9 of the new process while it starts: the old one goes on", async () => {
  const world = await start();
  const load = new Load({ port: world.port }, 4);
  for (let round = 0; round < 5; round++) {
    const from = world.child.stderr.lines.length;
    process.kill(world.pid, "SIGUSR2");
    const line = await world.child.stderr.waitFor((text) => text.includes("upgrading"), from);
    const { pid } = JSON.parse(line) as { pid: number };
    await new Promise((resolve) => setTimeout(resolve, round * 20));
    process.kill(pid, "SIGKILL");
    await world.child.stderr.waitFor((text) => text.includes("upgrade_failed"), from);
  }
  const { closed } = await load.stop();
  assert.equal(closed, 0);
  await upgrade(world);
  await stop(world);
});

test("kill -9 of the old process while the new one starts: the new one serves", async () => {
  const world = await start();
  const from = world.child.stderr.lines.length;
  process.kill(world.pid, "SIGUSR2");
  const line = await world.child.stderr.waitFor((text) => text.includes("upgrading"), from);
  const { pid } = JSON.parse(line) as { pid: number };
  atExit(() => endQuietly(pid));
  process.kill(world.pid, "SIGKILL");
  world.pid = pid;
  // Whoever connects meanwhile waits in the queue of a socket that never closed.
  assert.equal((await httpRequest(world.port, {})).body.toString(), "served");
  await stop(world);
});

test("A second SIGUSR2 while a process starts is told and changes nothing", async () => {
  const world = await start();
  const from = world.child.stderr.lines.length;
  process.kill(world.pid, "SIGUSR2");
  process.kill(world.pid, "SIGUSR2");
  await world.child.stderr.waitFor((text) => text.includes('"upgrading'), from);
  process.kill(world.pid, "SIGUSR2");
  await world.child.stderr.waitFor((text) => text.includes("one is under way already"), from);
  const line = await world.child.stderr.waitFor((text) => text.includes('"upgraded"'), from);
  world.pid = (JSON.parse(line) as { pid: number }).pid;
  atExit(() => endQuietly(world.pid));
  assert.equal((await httpRequest(world.port, {})).status, 200);
  await stop(world);
});
