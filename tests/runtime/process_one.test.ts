/** The runtime as process 1, as in a container. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Child } from "../support/child.ts";
import { onBun } from "./support.ts";

const PROGRAM = fileURLToPath(new URL("./process_one.ts", import.meta.url));

test("As process 1 a runtime waits for children that others have left", {
  skip: process.getuid?.() !== 0,
}, async () => {
  const flags = onBun ? [] : ["run", "-A", "--no-check"];
  const container = ["--pid", "--mount-proc", "--fork", "--kill-child"];
  const child = new Child("unshare", [...container, process.execPath, ...flags, PROGRAM]);
  try {
    await child.stdout.waitFor((line) => line === "reaped");
    assert.deepEqual(await child.exited, { code: 0, signal: null });
  } finally {
    await child.stop("SIGKILL");
  }
});
