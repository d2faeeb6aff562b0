/** Where PHP is found, what kind a command is, and how many workers it has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryFiles } from "../support/memory/memory.ts";
import {
  commandKind,
  connectionsMax,
  SPAWN_DEFAULTS,
  workerCount,
} from "../../src/spawn/options.ts";
import { findProgram } from "../../src/spawn/program.ts";
import { layOut } from "../config/memory_files.ts";

const PHP = {
  "/usr/sbin/php-fpm8.2": "",
  "/usr/sbin/php-fpm8.10": "",
  "/usr/sbin/php-fpm8.10.conf": "",
  "/opt/bin/php-cgi": "",
  "/usr/bin/php-cgi8.2": "",
};

test("PHP is found under its name, else under the highest version's", async () => {
  const files = new MemoryFiles();
  layOut(files, PHP);
  const find = (program: string) => findProgram(program, files, "/opt/bin:/bin");
  assert.equal(await find("php-cgi"), "/opt/bin/php-cgi");
  assert.equal(await find("php-fpm"), "/usr/sbin/php-fpm8.10");
  assert.equal(await find("php-fpm8.2"), "/usr/sbin/php-fpm8.2");
  // Left to the system, which says what is wrong with it.
  assert.equal(await find("php-fpm7.4"), "php-fpm7.4");
  assert.equal(await find("/x/php-fpm"), "/x/php-fpm");
  assert.equal(await find("app"), "app");
});

test("PHP has four workers for each processor, others one; each takes a request at a time", () => {
  const options = (command: string, workers: number | "auto" = "auto") => ({
    ...SPAWN_DEFAULTS,
    upstream: "app",
    command: [command],
    workers,
  });
  assert.deepEqual(
    ["/usr/sbin/php-fpm8.2", "php-cgi", "php-cgi.sh", "app"].map((name) => commandKind([name])),
    ["php-fpm", "php-cgi", "other", "other"],
  );
  assert.equal(workerCount(options("php-cgi"), 2), 8);
  assert.equal(workerCount(options("app"), 2), 2);
  assert.equal(workerCount(options("app", 5), 2), 5);
  assert.equal(connectionsMax(options("php-fpm"), 2), 8);
  assert.equal(connectionsMax(options("php-cgi"), 2), 1);
  assert.equal(connectionsMax({ ...options("app"), connectionsMax: 3 }, 2), 3);
});
