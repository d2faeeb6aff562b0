/** `afcgi responder` in memory: where it listens. The application itself is in `tests/responder/`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logLines, runCommand, startCommand, untilLogged } from "./run_program.ts";

async function addressOf(args: string): Promise<unknown> {
  const command = startCommand(args);
  await untilLogged(command, "listening");
  const address = logLines(command).find(({ msg }) => msg === "listening")?.["address"];
  command.runtime.process.raise("SIGTERM");
  command.runtime.clock.advance(0);
  assert.equal((await command.outcome).status, 0);
  return address;
}

test("afcgi responder listens on FastCGI's port of this machine where no socket was inherited", async () => {
  assert.equal(await addressOf("responder"), "tcp://127.0.0.1:9000");
});

test("afcgi responder listens where it is told to", async () => {
  assert.equal(await addressOf("responder --listen :9001"), "tcp://[::]:9001");
  assert.equal(await addressOf("responder --listen localhost"), "tcp://localhost:9000");
  assert.equal(await addressOf("responder --listen unix:/run/app.sock"), "unix:/run/app.sock");
});

test("afcgi responder that is told to take an inherited socket takes nothing else", async () => {
  const { status, stderr } = await runCommand("responder --listen fd:0");
  assert.equal(status, 1);
  assert.match(stderr, /Cannot listen on fd:0/);
});

test("afcgi responder names a descriptor that cannot be read", async () => {
  const { status, stderr } = await runCommand("responder --listen fd:stdin");
  assert.equal(status, 2);
  assert.match(stderr, /--listen: Cannot read address "fd:stdin": the descriptor is not a number/);
});
