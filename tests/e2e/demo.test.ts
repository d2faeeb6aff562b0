/** `afcgi demo` as README gives it: what it prints is tried as printed. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { AFCGI } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";

async function startDemo(): Promise<{ demo: Child; url: string }> {
  const demo = new Child(AFCGI, ["demo", "--listen", "127.0.0.1:0"]);
  const line = await demo.stdout.waitFor((text) => text.startsWith("Open "));
  await demo.stdout.waitFor((text) => text.startsWith("Ctrl-C"));
  return { demo, url: line.slice("Open ".length) };
}

test("The demo serves a page at the address that it prints", async () => {
  const { demo, url } = await startDemo();
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(await response.text(), /<title>.*afcgi/i);
  assert.deepEqual(await demo.stop("SIGTERM"), { code: 0, signal: null });
});

test("The three curl lines that the demo prints answer as they should", async () => {
  const { demo } = await startDemo();
  const commands = demo.stdout.lines.filter((line) => line.startsWith("  curl "));
  assert.equal(commands.length, 3);
  const outputs = [];
  for (const command of commands) {
    const curl = new Child("sh", ["-c", `${command.trim()} -sS --fail`]);
    assert.deepEqual(await curl.exited, { code: 0, signal: null }, curl.stderr.lines.join("\n"));
    outputs.push(curl.stdout.lines.join("\n"));
  }
  assert.match(outputs[0]!, /^GATEWAY_INTERFACE=CGI\/1\.1$/m);
  assert.match(outputs[1]!, /chunk 1 of/);
  assert.equal(outputs[2], "Hello");
  await demo.stop("SIGTERM");
});

test("The demo ends with status 0 at SIGINT and removes its socket", async () => {
  const { demo } = await startDemo();
  const line = await demo.stdout.waitFor((text) => text.includes("unix:"));
  const socket = /unix:(\S+)/.exec(line)![1]!;
  assert.ok(existsSync(socket));
  assert.deepEqual(await demo.stop("SIGINT"), { code: 0, signal: null });
  assert.ok(!existsSync(socket));
});
