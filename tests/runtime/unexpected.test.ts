/** Exceptions of our own, thrown where nobody waits for them: they reach one place, and the peer sees an end. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { connect } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { LimitedLog } from "../../src/observe/limited_log.ts";
import { Logger } from "../../src/observe/logger.ts";
import { logUnexpected } from "../../src/app/unexpected_log.ts";
import { MemorySink } from "../support/memory/memory.ts";
import type { SocketEvents } from "../../src/runtime/callback_socket.ts";
import { connectSocket } from "../../src/runtime/streamed_socket.ts";
import { reportIfOurs } from "../../src/runtime/unexpected.ts";
import { assertNoUnexpected, nextUnexpected } from "../support/unexpected.ts";
import { Child } from "../support/child.ts";
import { LOOPBACK, onBun, runtime } from "./support.ts";

const BUG = new TypeError("undefined is not an object");

/** A handler that does nothing but throw in one of its methods. */
function throwingIn(method: keyof SocketEvents): SocketEvents {
  const events: SocketEvents = { received() {}, drained() {}, peerEnded() {}, closed() {} };
  return {
    ...events,
    [method]() {
      throw BUG;
    },
  };
}

for (const method of ["received", "peerEnded", "closed"] as const) {
  test(`What "${method}" of an accepted socket throws is told, and the client loses it`, async () => {
    const told = nextUnexpected();
    const { address, close } = await runtime.listenSockets!({
      address: LOOPBACK,
      onSocket: () => throwingIn(method),
    });
    assert.ok(address.transport === "tcp");
    const gone = Promise.withResolvers<void>();
    const client = connect(address.port, "127.0.0.1");
    client.on("error", () => {}).on("close", () => gone.resolve());
    client.on("connect", () => {
      if (method === "closed") client.resetAndDestroy();
      else client.end("x");
    });
    await gone.promise;
    assert.equal(await told, BUG);
    close();
  });

  for (const way of ["callbacks", "streams"] as const) {
    test(`What "${method}" of a connection over ${way} throws is told`, async () => {
      const told = nextUnexpected();
      const gone = Promise.withResolvers<void>();
      const { address, close } = await runtime.listen(LOOPBACK, async (connection) => {
        const writer = connection.writable.getWriter();
        await writer.write(new TextEncoder().encode("x")).catch(() => {});
        await writer.close().catch(() => {});
        const reader = connection.readable.getReader();
        while (!(await reader.read().catch(() => ({ done: true }))).done);
        gone.resolve();
      });
      const { connect, connectSocket: connectRaw } = runtime;
      await connectSocket(
        way === "streams" ? { connect } : { connect, connectSocket: connectRaw! },
        {
          address,
          onSocket(socket) {
            const events = throwingIn(method);
            return method === "closed" ? { ...events, peerEnded: () => socket.reset() } : events;
          },
        },
      );
      assert.equal(await told, BUG);
      await gone.promise;
      close();
    });
  }
}

test("Of what a catch meets only what the language throws is ours", async () => {
  const told = nextUnexpected();
  reportIfOurs(new Error("ECONNRESET"), "a test");
  reportIfOurs("text", "a test");
  reportIfOurs(BUG, "a test");
  assert.equal(await told, BUG);
});

test("The log says what was thrown, where, and which code led to it", () => {
  const sink = new MemorySink();
  const logger = new Logger({ sink, clock: runtime.clock, level: "info", format: "json" });
  const log = logUnexpected(new LimitedLog(logger, runtime.clock));
  log(BUG, "a timer");
  log("text", "a test");
  return logger.flush().then(() => {
    const [line, other] = sink.text.trim().split("\n").map((text) => JSON.parse(text));
    assert.equal(line.level, "error");
    assert.equal(line.code, "internal_error");
    assert.equal(line.msg, BUG.message);
    assert.equal(line.where, "a timer");
    assert.match(line.stack, /^at .*unexpected\.test/);
    assert.equal(other.msg, "text");
    assert.throws(() => assertNoUnexpected([line]), "tests of whole programs look for it");
  });
});

test("A program goes on whose timers and promises throw; standard error is told without a listener", async () => {
  const flags = onBun ? [] : ["run", "-A", "--no-check"];
  const program = fileURLToPath(new URL("./unexpected_survivor.ts", import.meta.url));
  const child = new Child(process.execPath, [...flags, program]);
  await child.stdout.waitFor((line) => line === "still here");
  assert.deepEqual(await child.exited, { code: 0, signal: null });
  const said = child.stderr.lines.filter((line) => line.startsWith("afcgi: unexpected"));
  assert.equal(said.filter((line) => line.includes("in a callback:")).length, 2);
  assert.equal(said.filter((line) => line.includes("in a promise:")).length, 1);
});
