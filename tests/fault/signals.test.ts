/** The executable meets what people send to other servers, and logs that nobody reads. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { execFileSync, spawn } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { test } from "node:test";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const SITES = [{ routes: [{ respond: { body: "fine" } }] }];

/** What docs/operations.md says of each signal, by its first word. */
function documentedSignals(): Map<NodeJS.Signals, string> {
  const path = new URL("../../docs/operations.md", import.meta.url);
  const rows = readFileSync(path, "utf8").matchAll(/^\| (SIG[A-Z0-9, ]+?) +\| \[?(\w+)/gm);
  const found = [...rows].flatMap(([, names, effect]) =>
    names!.split(", ").map((name) => [name as NodeJS.Signals, effect!] as const)
  );
  return new Map(found);
}

/** Of nginx's manual ("Controlling nginx"), and of the scripts around it. */
const NGINX_SIGNALS = ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH"] as const;

test("Every signal that people send to nginx is in the table, and does what stands there", async () => {
  const documented = documentedSignals();
  for (const name of NGINX_SIGNALS) assert.ok(documented.has(`SIG${name}`), name);
  for (const [signal, effect] of documented) {
    const afcgi = await Afcgi.start({ config: { sites: SITES, log: { level: "debug" } } });
    const { child, port } = afcgi;
    process.kill(child.pid, signal);
    if (effect === "stops") {
      assert.deepEqual(await child.exited, { code: 0, signal: null }, signal);
      continue;
    }
    const line = await afcgi.waitForLog((one) => one.signal === signal);
    assert.equal((await httpRequest(port, { target: "/" })).body.toString(), "fine", signal);
    if (effect === "upgrade") {
      // It goes on in another process, which ours has told of.
      const { pid } = await afcgi.waitForLog(({ code }) => code === "upgraded");
      assert.equal(line["pid"], pid);
      process.kill(Number(pid), "SIGTERM");
      assert.deepEqual(await child.exited, { code: 0, signal: null }, signal);
    } else await afcgi.stop();
  }
});

test("A second signal to stop ends at once, with status 1, whichever two they are", async () => {
  const stops = [...documentedSignals()].filter(([, effect]) => effect === "stops")
    .map(([signal]) => signal);
  assert.ok(stops.length >= 3);
  for (const [index, first] of stops.entries()) {
    const config = { sites: SITES, shutdown: { delay: "30s" } };
    const afcgi = await Afcgi.start({ config });
    process.kill(afcgi.child.pid, first);
    await afcgi.waitForLog(({ msg }) => msg === "stopping");
    // What means something else does not hasten it.
    for (const other of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const) {
      process.kill(afcgi.child.pid, other);
    }
    assert.equal((await httpRequest(afcgi.port, { target: "/" })).body.toString(), "fine");
    process.kill(afcgi.child.pid, stops[(index + 1) % stops.length]!);
    assert.deepEqual(await afcgi.child.exited, { code: 1, signal: null });
  }
});

/** Rotates three times while requests come; the text of all that was logged. */
async function rotate(workers: number): Promise<{ text: string; asked: number }> {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  const log = join(directory, "access.log");
  const afcgi = await Afcgi.start({ config: { log: { access: log }, sites: SITES, workers } });
  const shipped = new URL("../../examples/production/afcgi.logrotate", import.meta.url);
  const { uid, gid } = userInfo();
  const snippet = readFileSync(shipped, "utf8")
    .replace("/var/log/afcgi/", `${directory}/`)
    .replace("create 0640 afcgi afcgi", `create 0640 ${uid} ${gid}`)
    .replace(/systemctl kill .*$/m, `kill -USR1 ${afcgi.child.pid}`);
  assert.ok(snippet.includes(`kill -USR1 ${afcgi.child.pid}`));
  const file = join(directory, "snippet");
  writeFileSync(file, snippet, { mode: 0o644 });
  let asked = 0;
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 5; count++, asked++) {
      await httpRequest(afcgi.port, { target: `/${asked}` });
    }
    const from = afcgi.child.stderr.lines.length;
    execFileSync("logrotate", ["--force", "--state", join(directory, "state"), file], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    await afcgi.child.stderr.waitFor((line) => line.includes("log files are open anew"), from);
  }
  await httpRequest(afcgi.port, { target: `/${asked++}` });
  await afcgi.stop();
  // The youngest two as they are, those before compressed.
  const files = [`${log}.3.gz`, `${log}.2.gz`].map((path) => gunzipSync(readFileSync(path)));
  const text = [...files, readFileSync(`${log}.1`), readFileSync(log)].join("");
  return { text, asked };
}

for (const workers of [1, 2]) {
  test(`logrotate with the snippet that is shipped loses no line, with ${workers} threads`, {
    skip: missingPeer("logrotate"),
  }, async () => {
    const { text, asked } = await rotate(workers);
    const targets = [...text.matchAll(/"path":"\/(\d+)"/g)].map(([, number]) => Number(number));
    // Of two threads one may be a little later with a line than the other.
    if (workers > 1) targets.sort((a, b) => a - b);
    assert.deepEqual(targets, Array.from({ length: asked }, (_, number) => number));
  });
}

test("USR1 and HUP open the access log anew; WINCH changes nothing; QUIT stops in peace", async () => {
  const access = join(temporaryDirectory(), "access.log");
  const afcgi = await Afcgi.start({ config: { log: { access, level: "debug" }, sites: SITES } });
  await httpRequest(afcgi.port, { target: "/before" });
  renameSync(access, `${access}.1`);
  for (const signal of ["SIGUSR1", "SIGHUP", "SIGWINCH"] as const) {
    process.kill(afcgi.child.pid, signal);
    await afcgi.waitForLog((line) => line.signal === signal);
    assert.equal((await httpRequest(afcgi.port, { target: "/after" })).status, 200, signal);
  }
  assert.deepEqual(await afcgi.child.stop("SIGQUIT"), { code: 0, signal: null });
  assert.equal(readFileSync(access, "utf8").match(/"path":"\/after"/g)?.length, 3);
  assert.doesNotMatch(readFileSync(`${access}.1`, "utf8"), /after/);
});

test("Output to a socket that nobody reads stops neither requests nor SIGTERM", async () => {
  // Bun and Node make sockets of the pipes of a child; one that is never read fills up.
  const cwd = temporaryDirectory();
  const config = { listen: ["127.0.0.1:0"], sites: SITES };
  writeFileSync(join(cwd, "afcgi.yaml"), JSON.stringify(config));
  const child = spawn(AFCGI, ["serve"], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => child.on("exit", (...exit) => resolve(exit)));
  const port = await new Promise<number>((resolve) => {
    let text = "";
    child.stderr.on("data", (bytes: Uint8Array) => {
      text += new TextDecoder().decode(bytes);
      const found = /"msg":"listening","address":"tcp:\/\/127\.0\.0\.1:(\d+)"/.exec(text);
      if (found !== null) resolve(Number(found[1]));
    });
  });
  const target = `/${"x".repeat(12_000)}`;
  // Three times of what such a socket holds.
  for (let count = 0; count < 60; count++) {
    assert.equal((await httpRequest(port, { target })).status, 200);
  }
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});
