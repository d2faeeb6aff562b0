import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { ListenError } from "../../src/runtime/network.ts";
import { until } from "../support/idle.ts";
import { isListening } from "../../src/runtime/unix_path.ts";
import {
  decode,
  encode,
  freshAddress,
  freshPath,
  LOOPBACK,
  onBun,
  runtime,
  serve,
} from "./support.ts";

const nothing = () => {};

async function failsWith(listening: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(listening, (error: unknown) => {
    assert.ok(error instanceof ListenError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

test("A listener on port 0 says which port it has", async () => {
  const listener = await runtime.listen(LOOPBACK, nothing);
  assert.ok(listener.address.transport === "tcp" && listener.address.port > 0);
  listener.close();
  listener.close();
});

test("A port in use is an error that names it", async () => {
  const listener = await runtime.listen(LOOPBACK, nothing);
  await failsWith(
    runtime.listen(listener.address, nothing),
    /^Cannot listen on 127\.0\.0\.1:\d+: the port is in use \(stop what listens there, or choose another\)$/,
  );
  listener.close();
});

test("An address that no interface has is an error", async () => {
  const address = { transport: "tcp", host: "192.0.2.1", port: 0 } as const;
  await failsWith(runtime.listen(address, nothing), /no network interface has this address$/);
});

test("A host that does not exist is an error", async () => {
  const address = { transport: "tcp", host: "no-such-host.invalid", port: 0 } as const;
  await failsWith(runtime.listen(address, nothing), /^Cannot listen on no-such-host\.invalid:0: /);
});

test("A closed listener lets its connections live and takes no new one", async () => {
  const accepted = Promise.withResolvers<WritableStream<Uint8Array>>();
  const listener = await runtime.listen(
    freshAddress("unix"),
    (connection) => accepted.resolve(connection.writable),
  );
  const connection = await runtime.connect(listener.address);
  const writer = (await accepted.promise).getWriter();
  listener.close();
  await assert.rejects(runtime.connect(listener.address), /no such socket/);
  await writer.write(encode("alive"));
  const { value } = await connection.readable.getReader().read();
  assert.equal(decode(value ?? new Uint8Array()), "alive");
  connection.destroy();
});

test("A unix socket's path is there while it listens, with the process's umask", async () => {
  const path = freshPath();
  const before = process.umask(0o027);
  const listener = await runtime.listen({ transport: "unix", path }, nothing);
  process.umask(before);
  assert.equal(statSync(path).mode & 0o777, 0o750);
  assert.ok(isListening({ transport: "unix", path }));
  listener.close();
  assert.ok(!existsSync(path));
  // On Deno the accept that is under way ends a turn later, or more of them where others are busy.
  await until(() => !isListening({ transport: "unix", path }), "the end of listening");
  listener.close();
});

for (const kind of ["unix", "abstract"] as const) {
  test(`A live ${kind} socket is in use, and goes on`, async () => {
    let accepted = 0;
    const address = freshAddress(kind);
    const listener = await runtime.listen(address, () => accepted++);
    await failsWith(runtime.listen(address, nothing), /^Cannot listen on unix:.*is in use/);
    (await runtime.connect(address)).destroy();
    assert.ok(accepted >= 1);
    listener.close();
  });
}

/** A process that listens and dies without closing. */
function leaveStaleSocket(path: string): void {
  const script = `
    require("node:net").createServer().listen(${JSON.stringify(path)}, () => {
      process.kill(process.pid, "SIGKILL");
    });`;
  const args = onBun ? ["-e", script] : ["eval", "--ext=cjs", script];
  spawnSync(process.execPath, args);
}

test("A socket that a dead process left behind is replaced", async () => {
  const path = freshPath();
  leaveStaleSocket(path);
  assert.ok(statSync(path).isSocket());
  const listener = await runtime.listen({ transport: "unix", path }, nothing);
  (await runtime.connect(listener.address)).destroy();
  listener.close();
});

test("A stale socket is replaced for HTTP too", async () => {
  const path = freshPath();
  leaveStaleSocket(path);
  const server = await serve(() => new Response("fresh"), {
    address: { transport: "unix", path },
  });
  (await runtime.connect(server.address)).destroy();
  await server.stop();
  assert.ok(!existsSync(path));
});

test("A file that is not a socket is never replaced", async () => {
  const path = freshPath();
  writeFileSync(path, "precious");
  await failsWith(
    runtime.listen({ transport: "unix", path }, nothing),
    /: a file that is not a socket is in the way$/,
  );
  assert.ok(statSync(path).isFile());
});

test("A socket's directory that does not exist is an error", async () => {
  const path = `${freshPath()}/no/such/folder.sock`;
  await failsWith(
    runtime.listen({ transport: "unix", path }, nothing),
    /: the socket's directory does not exist$/,
  );
});
