import { test } from "node:test";
import assert from "node:assert/strict";
import { serveHttp1 } from "../../src/http1/server.ts";
import type { Address } from "../../src/runtime/address.ts";
import { MemoryExit, MemoryNetwork, memoryPair, MemoryRuntime } from "../support/memory/memory.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { ConnectError, ListenError } from "../../src/runtime/network.ts";
import { requestInMemory } from "../support/memory_http.ts";
import { decode, encode, readAll, turn } from "./support.ts";

const ADDRESS: Address = { transport: "tcp", host: "app", port: 9000 };

test("A memory pair carries bytes both ways and knows half-close", async () => {
  const [first, second] = memoryPair();
  const writer = first.writable.getWriter();
  await writer.write(encode("ping"));
  await writer.close();
  assert.equal(decode(await readAll(second.readable)), "ping");
  const write = second.writable.getWriter();
  await write.write(encode("pong"));
  await write.close();
  assert.equal(decode(await readAll(first.readable)), "pong");
});

test("A memory pair yields one byte at a time when told to", async () => {
  const [first, second] = memoryPair({ pieceLengthMax: 1 });
  const writer = first.writable.getWriter();
  await writer.write(encode("abc"));
  await writer.write(encode("de"));
  await writer.close();
  const pieces: string[] = [];
  for await (const bytes of second.readable) pieces.push(decode(bytes));
  assert.deepEqual(pieces, ["a", "b", "c", "d", "e"]);
});

test("A memory pair keeps the pieces as they were written when not told otherwise", async () => {
  const [first, second] = memoryPair();
  const writer = first.writable.getWriter();
  await writer.write(encode("abc"));
  await writer.write(encode("de"));
  await writer.close();
  const pieces: string[] = [];
  for await (const bytes of second.readable) pieces.push(decode(bytes));
  assert.deepEqual(pieces, ["abc", "de"]);
});

test("A write to a memory pair waits once its capacity is full", async () => {
  const [first, second] = memoryPair({ capacity: 4 });
  const writer = first.writable.getWriter();
  await writer.write(encode("1234"));
  let settled = false;
  const waiting = writer.write(encode("5")).then(() => settled = true);
  await turn();
  assert.ok(!settled);
  await second.readable.getReader().read();
  await waiting;
  assert.ok(settled);
});

test("A memory pair copies: the writer may use its bytes again", async () => {
  const [first, second] = memoryPair();
  const bytes = encode("before");
  await first.writable.getWriter().write(bytes);
  bytes.fill(0);
  const { value } = await second.readable.getReader().read();
  assert.equal(decode(value ?? new Uint8Array()), "before");
});

test("A destroyed end fails its own streams and its peer's writer; the peer reads on", async () => {
  const [first, second] = memoryPair();
  await first.writable.getWriter().write(encode("last"));
  const reading = assert.rejects(first.readable.getReader().read(), /was destroyed/);
  first.destroy();
  first.destroy();
  assert.ok(first.destroyed);
  await reading;
  assert.equal(decode(await readAll(second.readable)), "last");
  await assert.rejects(second.writable.getWriter().write(encode("x")), /was destroyed/);
});

test("A broken memory pair fails both readers and both writers", async () => {
  const [first, second] = memoryPair({ capacity: 1 });
  const reads = [first, second].map((end) =>
    assert.rejects(end.readable.getReader().read(), /cable cut/)
  );
  first.break(new Error("cable cut"));
  await Promise.all(reads);
  for (const end of [first, second]) {
    await assert.rejects(end.writable.getWriter().write(encode("x")), /cable cut/);
  }
});

test("A write that waits in a memory pair rejects when it breaks", async () => {
  const [first, second] = memoryPair({ capacity: 1 });
  const waiting = assert.rejects(
    first.writable.getWriter().write(encode("more than one")),
    /broke/,
  );
  await turn();
  second.break();
  await waiting;
});

test("A reader that leaves a memory pair does not block its peer", async () => {
  const [first, second] = memoryPair({ capacity: 1 });
  await second.readable.cancel();
  const writer = first.writable.getWriter();
  for (let piece = 0; piece < 10; piece++) await writer.write(encode("much more than one"));
});

test("A memory network connects to who listens, and refuses what nobody listens on", async () => {
  const network = new MemoryNetwork();
  const accepted: ByteConnection[] = [];
  const refused = (error: unknown) => error instanceof ConnectError && error.failure === "refused";
  await assert.rejects(network.connect(ADDRESS), refused);
  const listener = await network.listen(ADDRESS, (connection) => void accepted.push(connection));
  const client = await network.connect(ADDRESS);
  assert.equal(client.remote, "tcp://app:9000");
  assert.equal(accepted.length, 1);
  await assert.rejects(network.listen(ADDRESS, () => {}), ListenError);
  listener.close();
  await assert.rejects(network.connect(ADDRESS), refused);
  assert.equal(network.connectCount(ADDRESS), 3);
});

test("A memory network gives out ports for port 0", async () => {
  const network = new MemoryNetwork();
  const any: Address = { transport: "tcp", host: "app", port: 0 };
  const one = await network.listen(any, () => {});
  const two = await network.listen(any, () => {});
  assert.notDeepEqual(one.address, two.address);
  await network.connect(one.address);
});

test("A memory network fails as it is told, and recovers", async () => {
  const network = new MemoryNetwork();
  await network.listen(ADDRESS, () => {});
  for (const failure of ["full", "unreachable", "refused"] as const) {
    network.fail(ADDRESS, failure);
    await assert.rejects(
      network.connect(ADDRESS),
      (error: unknown) => error instanceof ConnectError && error.failure === failure,
    );
  }
  network.fail(ADDRESS);
  await network.connect(ADDRESS);
});

test("A connect to a silent address ends when its caller gives up", async () => {
  const network = new MemoryNetwork();
  network.silence(ADDRESS);
  const aborter = new AbortController();
  const connecting = network.connect(ADDRESS, { signal: aborter.signal });
  aborter.abort();
  await assert.rejects(
    connecting,
    (error: unknown) => error instanceof ConnectError && error.failure === "aborted",
  );
});

test("A manual clock fires timers in the order of their time, also those set meanwhile", () => {
  const { clock } = new MemoryRuntime();
  const fired: string[] = [];
  clock.setTimer(() => fired.push(`late ${clock.nowMs()}`), 20);
  clock.setTimer(() => {
    fired.push(`early ${clock.nowMs()}`);
    clock.setTimer(() => fired.push(`nested ${clock.nowMs()}`), 5);
  }, 10);
  clock.setTimer(() => fired.push(`same ${clock.nowMs()}`), 10);
  const cleared = clock.setTimer(() => fired.push("never"), 15);
  clock.clearTimer(cleared);
  clock.advance(9);
  assert.deepEqual(fired, []);
  clock.advance(91);
  assert.deepEqual(fired, ["early 10", "same 10", "nested 15", "late 20"]);
  assert.equal(clock.nowMs(), 100);
  assert.equal(clock.timerCount, 0);
});

test("A manual clock's wall time moves with it", () => {
  const { clock } = new MemoryRuntime();
  const before = clock.wallMs();
  clock.advance(1500);
  assert.equal(clock.wallMs(), before + 1500);
});

test("Memory files know links, directories and ways out of them", async () => {
  const { files } = new MemoryRuntime();
  files.write("/srv/www/index.html", "hello", 7);
  files.symlink("/srv/www/out", "/etc");
  files.symlink("/srv/www/loop", "/srv/www/loop");
  files.write("/etc/passwd", "secret");
  assert.deepEqual(files.stat("/srv/www/index.html"), {
    kind: "file",
    size: 5,
    modifiedMs: 7,
    changedMs: 7,
    inode: files.stat("/srv/www/./index.html")!.inode,
    device: 0,
  });
  assert.equal(files.stat("/srv/www")?.kind, "directory");
  assert.equal(files.stat("/srv/none"), undefined);
  assert.equal(files.realPath("/srv/www/../www/./index.html"), "/srv/www/index.html");
  assert.equal(files.realPath("/srv/www/out/passwd"), "/etc/passwd");
  assert.equal(files.realPath("/srv/www/loop"), undefined);
  assert.equal(await files.readText("/srv/www/index.html"), "hello");
  const file = files.openNow("/srv/www/index.html")!;
  assert.equal(files.openCount, 1);
  assert.equal(await new Response(file.stream([{ start: 1, end: 3 }])).text(), "el");
  assert.equal(files.openCount, 0);
  assert.equal(files.openNow("/srv/www"), undefined);
});

test("Memory files count the temporary files that were not closed", async () => {
  const { files } = new MemoryRuntime();
  const file = await files.temporary();
  await file.append([encode("ab"), encode("c")]);
  assert.equal(decode(await file.read(1, 10)), "bc");
  assert.equal(files.temporaryCount, 1);
  file.close();
  assert.equal(files.temporaryCount, 0);
});

test("A memory runtime hands its clients to who listens, once for an address", async () => {
  const runtime = new MemoryRuntime();
  const server = await serveHttp1(runtime, {
    address: ADDRESS,
    requestHeadersLengthMax: 1024,
    handler: (request, peer) => new Response(`${request.method} from ${peer.host}`),
  });
  await assert.rejects(
    runtime.listenSockets({ address: ADDRESS, onSocket: () => assert.fail("Nobody connects") }),
    /: the address is in use$/,
  );
  const response = await requestInMemory(runtime, ADDRESS, new Request("http://app/"));
  assert.equal(await response.text(), "GET from 127.0.0.1");
  await server.stop();
  await assert.rejects(
    requestInMemory(runtime, ADDRESS, new Request("http://app/")),
    /Nobody listens/,
  );
});

test("A memory process collects what is written, raises signals and throws on exit", async () => {
  const { process } = new MemoryRuntime({ process: { args: ["check"], env: { A: "1" } } });
  assert.deepEqual(process.args, ["check"]);
  assert.equal(process.env("A"), "1");
  process.stdout.write("text ");
  await process.writeStdout(encode("bytes"));
  assert.equal(process.stdout.text, "text bytes");
  let raised = 0;
  process.onSignal("SIGTERM", () => raised++);
  process.raise("SIGTERM");
  assert.equal(raised, 1);
  assert.throws(
    () => process.exit(2),
    (error: unknown) => error instanceof MemoryExit && error.exitCode === 2,
  );
});
