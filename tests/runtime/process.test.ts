import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DescriptorSink } from "../../src/runtime/descriptor_sink.ts";
import { decode, freshPath, runtime } from "./support.ts";

const CURRENT = fileURLToPath(new URL("../../src/runtime/current.ts", import.meta.url));

/** Arguments that make this runtime run a script which has `runtime`. */
function scriptArguments(script: string, ...rest: string[]): string[] {
  const path = `${freshPath()}.ts`;
  writeFileSync(
    path,
    `import { currentRuntime } from ${JSON.stringify(CURRENT)};
     const runtime = currentRuntime();\n${script}`,
  );
  return runtime.name === "bun"
    ? [path, ...rest]
    : ["run", "-A", "--no-check", "--config", configPath(), path, ...rest];
}

function configPath(): string {
  return fileURLToPath(new URL("../../deno.json", import.meta.url));
}

const systemError = (code: string) => Object.assign(new Error(code), { code });

test("currentRuntime says what it runs on", () => {
  assert.match(runtime.name, /^(bun|deno)$/);
  assert.match(runtime.version, /^\d+\.\d+\.\d+/);
  assert.match(runtime.platform, /^[a-z0-9]+-[a-z0-9]+$/);
});

test("A process knows its arguments, environment, directory and number", () => {
  const args = scriptArguments(
    `const { args, env, cwd, pid, cpuCount } = runtime.process;
     runtime.process.stdout.write(JSON.stringify({
       args, set: env("AFCGI_TEST"), unset: env("AFCGI_UNSET") ?? null, cwd: cwd(), pid, cpuCount,
     }));`,
    "one",
    "--two",
  );
  const { stdout } = spawnSync(process.execPath, args, {
    cwd: "/",
    env: { ...process.env, AFCGI_TEST: "yes" },
  });
  const { pid, cpuCount, ...rest } = JSON.parse(decode(stdout));
  assert.deepEqual(rest, { args: ["one", "--two"], set: "yes", unset: null, cwd: "/" });
  assert.ok(pid > 1 && cpuCount >= 1);
});

test("What was written before an exit arrives in full, on both outputs", () => {
  const args = scriptArguments(
    `for (let line = 0; line < 100_000; line++) runtime.process.stdout.write("0123456789\\n");
     runtime.process.stderr.write("last words\\n");
     runtime.process.exit(3);`,
  );
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    maxBuffer: 10_000_000,
  });
  assert.equal(status, 3);
  assert.equal(stdout.length, 1_100_000);
  assert.equal(decode(stderr), "last words\n");
});

test("Bytes go from standard input to standard output as they are", async () => {
  const args = scriptArguments(
    `for await (const bytes of runtime.process.stdin) await runtime.process.writeStdout(bytes);
     runtime.process.exit(0);`,
  );
  const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  child.stdout.on("data", (piece: Uint8Array<ArrayBuffer>) => pieces.push(piece));
  const closed = new Promise((resolve) => child.on("close", resolve));
  child.stdin.end(bytes);
  assert.equal(await closed, 0);
  assert.deepEqual(new Uint8Array(await new Blob(pieces).arrayBuffer()), bytes);
});

test("A signal calls its handler instead of ending the process", async () => {
  const args = scriptArguments(
    `const alive = setInterval(() => {}, 1000);
     runtime.process.onSignal("SIGTERM", () => {
       runtime.process.stdout.write("terminated");
       clearInterval(alive);
       runtime.process.exit(0);
     });
     runtime.process.stdout.write("ready ");`,
  );
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (piece: Uint8Array) => {
    text += decode(piece);
    // Not child.kill(): Deno then takes the child for killed, whatever its exit status.
    if (text === "ready " && child.pid !== undefined) process.kill(child.pid, "SIGTERM");
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(text, "ready terminated");
  assert.equal(code, 0);
});

test("A reader that has gone away ends the sink and nothing else", () => {
  let calls = 0;
  const sink = new DescriptorSink(1, "a pipe", () => {
    calls++;
    throw systemError("EPIPE");
  });
  sink.write("one");
  sink.write("two");
  assert.equal(calls, 1);
});

test("Text that a descriptor does not take at once waits and goes out in order", async () => {
  let room = 4;
  let text = "";
  const sink = new DescriptorSink(1, "a pipe", (_, bytes) => {
    if (room === 0) {
      room = 7;
      throw systemError("EAGAIN");
    }
    const taken = Math.min(room, bytes.length);
    room -= taken;
    text += decode(bytes.subarray(0, taken));
    return taken;
  });
  sink.write("0123456789");
  sink.write("abcdefghij");
  assert.equal(text, "0123");
  await sink.flush();
  assert.equal(text, "0123456789abcdefghij");
  await sink.flush();
});

test("Text that cannot be written waits, and that is told", () => {
  let full = true;
  let file = "";
  const reports: string[] = [];
  const sink = new DescriptorSink(7, '"/var/log/access.log"', (descriptor, bytes) => {
    if (descriptor === 2) reports.push(decode(bytes));
    else if (full) throw systemError("ENOSPC");
    else file += decode(bytes);
    return bytes.length;
  });
  sink.write("12345");
  sink.write("67890");
  full = false;
  sink.write("again");
  assert.equal(file, "1234567890again");
  assert.deepEqual(reports, [
    'Cannot write to "/var/log/access.log": ENOSPC; its lines wait for now\n',
    'Can write to "/var/log/access.log" again; no line was lost\n',
  ]);
});

test("Text for a reader that never reads is bounded", () => {
  const reports: string[] = [];
  const sink = new DescriptorSink(7, "a pipe", (descriptor, bytes) => {
    if (descriptor !== 2) throw systemError("EAGAIN");
    reports.push(decode(bytes));
    return bytes.length;
  });
  const mebibyte = "x".repeat(1024 * 1024);
  for (let count = 0; count < 9; count++) sink.write(mebibyte);
  assert.deepEqual(reports, [
    "Cannot write to a pipe: nobody reads it; its lines are lost for now\n",
  ]);
  sink.abandon();
});

test("An exit waits for a reader that does not read, and not for ever", () => {
  let tries = 0;
  const sink = new DescriptorSink(7, "a pipe", () => {
    tries++;
    throw systemError("EAGAIN");
  });
  sink.write("text");
  sink.flushAtExit();
  assert.ok(tries > 10, `${tries} tries`);
  sink.abandon();
});
