/** The executable meets what people send to other servers, and logs that nobody reads. */
import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const SITES = [{ routes: [{ respond: { body: "fine" } }] }];

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
