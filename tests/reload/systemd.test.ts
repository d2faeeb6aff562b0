/** What systemd says to a service and hears of it, played by a socket and a launcher of the test's. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AFCGI } from "../support/afcgi.ts";
import { atExit } from "../support/at_exit.ts";
import { Child } from "../support/child.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { startServiceManager } from "../support/service_manager.ts";

/** Opens sockets as a .socket unit does, and becomes the program. */
const LAUNCH = `
use Socket; use POSIX (); $^F = 1000;
my ($names, $ports, @command) = @ARGV;
my $next = 3;
for my $port (split /,/, $ports) {
  my $isUnix = $port =~ m{/};
  socket(my $s, $isUnix ? AF_UNIX : AF_INET, SOCK_STREAM, 0) or die $!;
  setsockopt($s, SOL_SOCKET, SO_REUSEADDR, pack("i", 1)) unless $isUnix;
  bind($s, $isUnix ? pack_sockaddr_un($port) : sockaddr_in($port, INADDR_LOOPBACK)) or die $!;
  listen($s, 128) or die $!;
  POSIX::dup2(fileno($s), 20 + $next) or die $!;
  push @kept, $s; $next++;
}
POSIX::dup2(20 + $_, $_) for 3 .. $next - 1;
$ENV{LISTEN_PID} = $ENV{WRONG_PID} || $$; $ENV{LISTEN_FDS} = $next - 3; $ENV{LISTEN_FDNAMES} = $names;
exec @command or die $!;
`;

function config(directory: string, more: Readonly<Record<string, unknown>> = {}): void {
  const sites = [{ routes: [{ respond: { body: "served" } }] }];
  const all = { sites, log: { access: "off" }, listen: ["127.0.0.1:0"], ...more };
  writeFileSync(join(directory, "afcgi.yaml"), JSON.stringify(all));
}

for (const kind of ["a path", "an abstract name"] as const) {
  test(`The service manager at ${kind} hears of the start, reloads, the watchdog and the stop`, async () => {
    const directory = temporaryDirectory();
    config(directory);
    const name = kind === "a path"
      ? join(directory, "notify")
      : `@afcgi-test-${crypto.randomUUID()}`;
    const heard = await startServiceManager(name);
    const env = { NOTIFY_SOCKET: name, WATCHDOG_USEC: "200000" };
    const afcgi = new Child(AFCGI, ["serve"], { cwd: directory, env });
    const hears = (text: string, from = 0) =>
      heard.stdout.waitFor((line) => line.includes(text), from);
    await hears("READY=1");
    await hears("WATCHDOG=1");
    let from = heard.stdout.lines.length;
    process.kill(afcgi.pid, "SIGHUP");
    const reloading = await hears("RELOADING=1", from);
    const us = Number(/MONOTONIC_USEC=(\d+)/.exec(reloading)?.[1]);
    const nowUs = Number(process.hrtime.bigint() / 1_000n);
    assert.ok(Number.isSafeInteger(us) && us > 0, reloading);
    // Whose clock begins when the machine starts.
    if (nowUs > 1_000_000_000) assert.ok(Math.abs(nowUs - us) < 60_000_000, `${us} ${nowUs}`);
    await hears("READY=1", from);
    writeFileSync(join(directory, "afcgi.yaml"), "sites: 7\n");
    from = heard.stdout.lines.length;
    process.kill(afcgi.pid, "SIGHUP");
    await hears("RELOADING=1", from);
    await hears("READY=1", from);
    assert.deepEqual(await afcgi.stop("SIGTERM"), { code: 0, signal: null });
    await hears("STOPPING=1");
    await heard.stop("SIGKILL");
  });
}

test("A watchdog that is another process's is not fed", async () => {
  const directory = temporaryDirectory();
  config(directory);
  const name = join(directory, "notify");
  const heard = await startServiceManager(name);
  const env = { NOTIFY_SOCKET: name, WATCHDOG_USEC: "20000", WATCHDOG_PID: "1" };
  const afcgi = new Child(AFCGI, ["serve"], { cwd: directory, env });
  await heard.stdout.waitFor((line) => line.includes("READY=1"));
  await afcgi.stop("SIGTERM");
  await heard.stdout.waitFor((line) => line.includes("STOPPING=1"));
  assert.ok(!heard.stdout.lines.some((line) => line.includes("WATCHDOG=1")));
  await heard.stop("SIGKILL");
});

test("An upgrade tells the service manager which process is the service", async () => {
  const directory = temporaryDirectory();
  config(directory);
  const name = join(directory, "notify");
  const heard = await startServiceManager(name);
  const afcgi = new Child(AFCGI, ["serve"], { cwd: directory, env: { NOTIFY_SOCKET: name } });
  await heard.stdout.waitFor((line) => line.includes("READY=1"));
  process.kill(afcgi.pid, "SIGUSR2");
  const line = await afcgi.stderr.waitFor((text) => text.includes('"upgraded"'));
  const { pid } = JSON.parse(line) as { pid: number };
  atExit(() => kill(pid));
  await heard.stdout.waitFor((text) => text === `MAINPID=${pid}`);
  await untilGone(afcgi.pid);
  // The service has not stopped.
  assert.ok(!heard.stdout.lines.some((text) => text.includes("STOPPING=1")));
  kill(pid);
  await heard.stop("SIGKILL");
});

/** Its output stays open: the process behind it has it, too. */
async function untilGone(pid: number): Promise<void> {
  await waitUntil(() => {
    try {
      process.kill(pid, 0);
      return Promise.resolve(false);
    } catch {
      return Promise.resolve(true);
    }
  }, `the end of process ${pid}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

test("Sockets of .socket units are served by name and by number, and outlive a restart", async () => {
  const directory = temporaryDirectory();
  config(directory, { listen: ["systemd:http", { address: "fd:4", http2: false }] });
  const [first, second] = [await freePort(), await freePort()];
  const args = ["-e", LAUNCH, "http:other", `${first},${second}`, AFCGI, "serve"];
  const afcgi = new Child("perl", args, { cwd: directory });
  const line = await afcgi.stderr.waitFor((text) => text.includes('"msg":"listening"'));
  assert.match(line, new RegExp(`tcp://127\\.0\\.0\\.1:${first}`));
  for (const port of [first, second]) {
    assert.equal((await httpRequest(port, {})).body.toString(), "served");
  }
  const from = afcgi.stderr.lines.length;
  process.kill(afcgi.pid, "SIGHUP");
  await afcgi.stderr.waitFor((text) => text.includes('"generation":2'), from);
  process.kill(afcgi.pid, "SIGUSR2");
  const upgraded = await afcgi.stderr.waitFor((text) => text.includes('"upgraded"'), from);
  const { pid } = JSON.parse(upgraded) as { pid: number };
  atExit(() => kill(pid));
  await untilGone(afcgi.pid);
  for (const port of [first, second]) {
    assert.equal((await httpRequest(port, {})).body.toString(), "served");
  }
  process.kill(pid, "SIGHUP");
  await afcgi.stderr.waitFor(
    (text) => text.includes('"generation":2'),
    afcgi.stderr.lines.indexOf(upgraded) + 1,
  );
  assert.equal((await httpRequest(first, {})).status, 200);
  kill(pid);
});

test("A unix socket of a .socket unit keeps its path when afcgi stops", async () => {
  const directory = temporaryDirectory();
  config(directory, { listen: ["systemd:http"] });
  const path = join(directory, "http.sock");
  const afcgi = new Child("perl", ["-e", LAUNCH, "http", path, AFCGI, "serve"], { cwd: directory });
  const line = await afcgi.stderr.waitFor((text) => text.includes('"msg":"listening"'));
  assert.ok(line.includes(`"unix:${path}"`), line);
  assert.deepEqual(await afcgi.stop("SIGTERM"), { code: 0, signal: null });
  assert.ok(existsSync(path));
});

test("A name that systemd has not given, and sockets of another process, are told", async () => {
  const directory = temporaryDirectory();
  config(directory, { listen: ["systemd:https"] });
  const run = async (env: Readonly<Record<string, string>>) => {
    const args = ["-e", LAUNCH, "http", String(await freePort()), AFCGI, "serve"];
    const child = new Child("perl", args, { cwd: directory, env });
    return { ...await child.exited, text: child.stderr.lines.join("\n") };
  };
  const unnamed = await run({});
  assert.equal(unnamed.code, 1);
  assert.match(unnamed.text, /Cannot listen on systemd:https: systemd has handed over "http", but/);
  const foreign = await run({ WRONG_PID: "1" });
  assert.match(foreign.text, /systemd has handed over no sockets/);
  config(directory, { listen: ["fd:9"] });
  assert.match((await run({})).text, /Cannot listen on fd:9: there is no such descriptor/);
});
