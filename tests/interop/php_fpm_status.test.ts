/** php-fpm's ping and status pages as afcgi request and afcgi probe read them. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runAfcgi } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";

const skip = missingPeer("php-fpm");
const CHILDREN = 4;

/** Starts a pool with these settings and hands over where it listens. */
async function withPool(
  settings: readonly string[],
  use: (url: string, directory: string) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  const fpm = await startPhpFpm({ directory, place, children: CHILDREN, settings });
  try {
    await use(placeUrl(place), directory);
  } finally {
    await fpm.stop();
  }
}

test("afcgi request reads php-fpm's ping and status pages", { skip }, async () => {
  await withPool(["ping.path = /fpm-ping", "pm.status_path = /fpm-status"], async (url) => {
    const ping = await runAfcgi(["request", url, "/fpm-ping"]);
    assert.deepEqual([ping.code, ping.stdout, ping.stderr], [0, "pong", ""]);
    const { code, stdout } = await runAfcgi(["request", url, "/fpm-status?json"]);
    assert.equal(code, 0);
    const { pool, "process manager": manager } = JSON.parse(stdout);
    assert.deepEqual([pool, manager], ["www", "static"]);
  });
});

test("afcgi request runs a script by its file, as a reset of opcache does", { skip }, async () => {
  await withPool([], async (url, directory) => {
    const script = join(directory, "reset.php");
    const code = "<?php echo json_encode([$_SERVER['SCRIPT_FILENAME'], " +
      "$_SERVER['DOCUMENT_ROOT'], function_exists('opcache_reset') && opcache_reset()]);\n";
    writeFileSync(script, code);
    const { code: status, stdout, stderr } = await runAfcgi(["request", url, "--script", script]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.deepEqual(JSON.parse(stdout).slice(0, 2), [script, directory]);
  });
});

test("afcgi request shows php-fpm's words for a script that is not there", { skip }, async () => {
  await withPool([], async (url) => {
    const { code, stdout, stderr } = await runAfcgi(["request", url, "--script", "/no/such.php"]);
    assert.deepEqual([code, stdout], [1, "File not found."]);
    assert.equal(stderr, `Primary script unknown\nafcgi: ${url} answered with status 404`);
  });
});

for (const path of ["/fpm-status", "/status"]) {
  test(`afcgi probe finds php-fpm's pages and says what to set: ${path}`, { skip }, async () => {
    const settings = [`pm.status_path = ${path}`, "ping.path = /ping", "ping.response = here"];
    await withPool(settings, async (url) => {
      const { code, stdout, stderr } = await runAfcgi(["probe", url]);
      assert.deepEqual([code, stderr], [0, ""]);
      const lines = stdout.split("\n");
      // A child that answered a question before this one may still be closing.
      assert.match(stdout, /^ {2}children {10}4: \d busy, \d idle$/m);
      for (
        const line of [
          "  php-fpm           pool www",
          "  /ping             here",
          "  limit reached     0",
          "  - pm.max_children is 4: set connections.max to 3 at most, so that a child is free " +
          "for whoever else asks",
          "  - No slow request: none was, or request_slowlog_timeout is not set (try 5s, with " +
          "slowlog)",
        ]
      ) assert.ok(lines.includes(line), `${line}\nis not in\n${stdout}`);
    });
  });
}

test("afcgi probe --json has php-fpm's numbers and its processes", { skip }, async () => {
  const settings = ["pm.status_path = /pool/status", "ping.path = /pool/ping"];
  await withPool(settings, async (url) => {
    const { code, stdout } = await runAfcgi(["probe", "--json", "--status", "/pool/status", url]);
    assert.equal(code, 0);
    const { status, ping, advice } = JSON.parse(stdout).phpFpm;
    assert.equal(ping, undefined);
    assert.deepEqual(
      [status.path, status.pool, status.processManager, status.totalProcesses],
      ["/pool/status", "www", "static", CHILDREN],
    );
    assert.equal(status.processes.length, CHILDREN);
    assert.match(advice[0], /^pm.max_children is 4: set connections.max to 3/);
  });
});

test("afcgi probe says how to get a status page where there is none", { skip }, async () => {
  await withPool([], async (url) => {
    const { code, stdout } = await runAfcgi(["probe", url]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /There is no status page at \/fpm-status nor \/status: set pm.status_path/,
    );
    const named = await runAfcgi(["probe", "--status", "/mine", url]);
    assert.equal(named.code, 1);
    assert.match(named.stdout, /error +There is no status page at \/mine \(set pm.status_path = /);
  });
});
