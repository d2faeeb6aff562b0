import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { onBun } from "./support.ts";

const PROGRAM = fileURLToPath(new URL("./early_signals_one.ts", import.meta.url));
const MAIN = new URL("../../src/main.ts", import.meta.url);

test("Signals that come before a server listens for them do not end it, and are told later", () => {
  const run = onBun ? [PROGRAM] : ["run", "-A", "--no-check", PROGRAM];
  const { stdout, status } = spawnSync(process.execPath, [...run, "serve"]);
  assert.equal(status, 0);
  assert.deepEqual(stdout.toString().trim().split("\n").sort(), ["SIGHUP", "SIGUSR1", "SIGUSR2"]);
});

test("A command that serves nothing ends by them", () => {
  const run = onBun ? [PROGRAM] : ["run", "-A", "--no-check", PROGRAM];
  assert.match(String(spawnSync(process.execPath, [...run, "check"]).signal), /^SIG(USR1|HUP)$/);
});

test("The entry holds signals before anything else is read", () => {
  const [first] = readFileSync(MAIN, "utf8").match(/^import .*$/m) ?? [];
  assert.equal(first, 'import "./runtime/early_signals.ts";');
});
