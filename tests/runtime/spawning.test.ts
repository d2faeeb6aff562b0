/** Programs that are started: what they inherit, what they say, how they end. */
import assert from "node:assert/strict";
import { closeSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import {
  type OutputSource,
  type ProcessEnd,
  SpawnError,
  type StartOptions,
} from "../../src/runtime/spawner.ts";
import { decode, freshPath, onBun, runtime } from "./support.ts";
import { until } from "../support/idle.ts";

const { spawner } = runtime;

interface Ran {
  readonly output: Record<OutputSource, string>;
  readonly end: ProcessEnd;
}

/** Runs a command to its end, and until what is awaited of its outputs. */
async function run(
  options: Partial<StartOptions> & Pick<StartOptions, "command">,
  isThere = (output: Ran["output"]) => output.stdout.endsWith("end\n"),
): Promise<Ran> {
  const output = { stdout: "", stderr: "" };
  const child = await spawner.start({
    cwd: tmpdir(),
    env: { PATH: runtime.process.env("PATH") ?? "" },
    user: undefined,
    input: undefined,
    onOutput: (source, bytes) => void (output[source] += decode(bytes)),
    ...options,
  });
  const end = await child.ended;
  // What it wrote may come after its end was noticed.
  await until(() => isThere(output), "the last line of the program");
  return { output, end };
}

test("A program gets arguments, variables and directory, and says both its outputs", async () => {
  const { output, end } = await run({
    command: ["sh", "-c", 'echo "$0 $WORD $PWD"; echo oops >&2; echo end; exit 3', "zero"],
    cwd: "/",
    env: { PATH: runtime.process.env("PATH") ?? "", WORD: "word" },
  });
  assert.equal(output.stdout, "zero word /\nend\n");
  assert.equal(output.stderr, "oops\n");
  assert.deepEqual(end, { code: 3, signal: null });
});

test("The end of each output is told once, behind all that came from there", async () => {
  const told: string[] = [];
  const { end } = await run({
    command: ["sh", "-c", "printf rest >&2; exec 2>&-; echo end; exit 1"],
    onOutputEnd: (source) => void told.push(`${source} ends`),
    onOutput: (source, bytes) => void told.push(`${source} ${decode(bytes)}`),
  }, () => told.includes("stdout ends"));
  assert.deepEqual(end, { code: 1, signal: null });
  assert.deepEqual(told.filter((text) => text.startsWith("stderr")), [
    "stderr rest",
    "stderr ends",
  ]);
  assert.deepEqual(told.filter((text) => text.startsWith("stdout")), [
    "stdout end\n",
    "stdout ends",
  ]);
});

test("Descriptor 0 of a program is the listening socket, and takes connections before", async () => {
  const path = freshPath();
  const socket = await spawner.listen(path, 5);
  // Nobody accepts: the system's queue takes it.
  const waiting = await runtime.connect({ transport: "unix", path });
  const command = ["sh", "-c", "readlink /proc/self/fd/0; echo end"];
  const { output } = await run({ command, input: socket });
  const target = output.stdout.split("\n")[0]!;
  assert.match(target, /^socket:\[\d+\]$/);
  // The next program gets it too, and it is still ours to close.
  const { output: again } = await run({ command, input: socket });
  assert.equal(again.stdout.split("\n")[0], target);
  waiting.destroy();
  socket.close();
  assert.equal(existsSync(path), false);
});

test("Without a socket there is nothing to read", async () => {
  const { output } = await run({ command: ["sh", "-c", "cat; echo end"] });
  assert.equal(output.stdout, "end\n");
});

test("A path that is too long for a socket is refused by name", async () => {
  const path = `/tmp/${"x".repeat(110)}`;
  await assert.rejects(spawner.listen(path, 5), (error: unknown) => {
    assert.ok(error instanceof SpawnError);
    assert.match(error.message, /the path has over 107 bytes \(set TMPDIR to a shorter one\)$/);
    return true;
  });
});

test("A program that is not there is an error that names it", async () => {
  await assert.rejects(run({ command: ["/nonexistent/program"] }), (error: unknown) => {
    assert.ok(error instanceof SpawnError);
    assert.match(error.message, /^Cannot start "\/nonexistent\/program": there is no such program/);
    return true;
  });
});

test("A program that may not be run is an error that names it", async () => {
  await assert.rejects(run({ command: ["/etc/passwd"] }), (error: unknown) => {
    assert.ok(error instanceof SpawnError);
    assert.match(error.message, /^Cannot start "\/etc\/passwd": it may not be run/);
    return true;
  });
});

test("A signal ends a program, and its group ends with killGroup", async () => {
  let seen = "";
  const told = Promise.withResolvers<void>();
  const child = await spawner.start({
    command: ["sh", "-c", "sleep 60 & echo $!; wait"],
    cwd: "/",
    env: { PATH: runtime.process.env("PATH") ?? "" },
    user: undefined,
    input: undefined,
    onOutput: (_, bytes) => {
      seen += decode(bytes);
      if (seen.endsWith("\n")) told.resolve();
    },
  });
  await told.promise;
  child.signal("SIGTERM");
  assert.deepEqual(await child.ended, { code: null, signal: "SIGTERM" });
  assert.equal(isRunning(Number(seen)), true);
  child.killGroup();
  await until(() => !isRunning(Number(seen)), "the end of the group");
  // Nothing is left: no error.
  child.killGroup();
});

test("A program that ends by itself at a signal has ended with its status", async () => {
  const told = Promise.withResolvers<void>();
  const child = await spawner.start({
    command: ["sh", "-c", "trap 'exit 7' TERM; echo; while :; do sleep 0.01; done"],
    cwd: "/",
    env: { PATH: runtime.process.env("PATH") ?? "" },
    user: undefined,
    input: undefined,
    onOutput: () => told.resolve(),
  });
  await told.promise;
  child.signal("SIGTERM");
  assert.deepEqual(await child.ended, { code: 7, signal: null });
  // It is over: no error, and nobody else gets it.
  child.signal("SIGTERM");
  child.killGroup();
});

/** False too for one that has ended and that nobody has waited for yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("A private directory is nobody else's, holds what is written, and goes with all of it", () => {
  const directory = spawner.createDirectory(undefined);
  directory.write("a.conf", "text");
  assert.equal(statSync(directory.path).mode & 0o777, 0o700);
  assert.equal(statSync(`${directory.path}/a.conf`).mode & 0o777, 0o600);
  directory.remove();
  assert.equal(existsSync(directory.path), false);
});

test("Users are found by name and by number", () => {
  assert.deepEqual(spawner.findUser("root"), { name: "root", user: 0, group: 0 });
  assert.deepEqual(spawner.findUser("0"), { name: "root", user: 0, group: 0 });
  assert.equal(spawner.findUser("nobody-of-that-name"), undefined);
});

test("Gap: only Deno's node:fs does not close a descriptor that it has not opened", async () => {
  const socket = await spawner.listen(freshPath(), 5);
  const close = () => closeSync(socket.descriptor);
  if (onBun) close();
  else assert.throws(close, /Bad file descriptor/);
  assert.equal(existsSync(`/proc/self/fd/${socket.descriptor}`), !onBun);
  if (!onBun) socket.close();
  assert.equal(existsSync(`/proc/self/fd/${socket.descriptor}`), false);
});

test("Starting many programs on a socket holds no descriptors", async () => {
  const socket = await spawner.listen(freshPath(), 5);
  const start = () => run({ command: ["echo", "end"], input: socket });
  await start();
  const before = readdirSync("/proc/self/fd").length;
  for (let count = 0; count < 20; count++) await start();
  // The pipes of the last ones may not be closed yet.
  await until(
    () => readdirSync("/proc/self/fd").length <= before + 3,
    "as many descriptors as before",
  );
  socket.close();
});
