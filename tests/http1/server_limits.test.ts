/**
 * What an HTTP server does beside its connections: what it asks its listener for, what changes while
 * it runs, and whom it takes no more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT_PHASES, type ClientPhase } from "../../src/http1/client_phase.ts";
import { NOBODY, RefusedConnection } from "../../src/http1/refused_connection.ts";
import {
  CONNECTION_TIMEOUTS,
  serveHttp1,
  type ServerChanges,
  type ServerOptions,
} from "../../src/http1/server.ts";
import type { SocketListenOptions, SocketTlsOptions } from "../../src/runtime/callback_socket.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";
import { PROXIED_MAX } from "../../src/runtime/proxy_header.ts";
import { untilIdle } from "../support/idle.ts";
import { http1World, whole } from "../support/http1_world.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { inWorld } from "../support/world_test.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const ADDRESS = { transport: "tcp", host: "127.0.0.1", port: 80 } as const;
const TLS = { identify: () => undefined };

/** A server of which the test is the listener; what that was told is in `told`. */
async function listened(options: Partial<ServerOptions> = {}, hasAll = true) {
  const clock = new ManualClock();
  const told: unknown[] = [];
  let asked!: SocketListenOptions;
  const more: Partial<ByteListener> = {
    descriptor: 7,
    pause: (reason) => void told.push(`pause ${reason}`),
    resume: (reason) => void told.push(`resume ${reason}`),
    keepFile: () => void told.push("keep"),
    configureTls: (tls) => void told.push(tls),
    duplicate: () => 8,
  };
  const server = await serveHttp1({
    clock,
    listenSockets: (listening) => {
      asked = listening;
      const listener = { address: ADDRESS, close: () => void told.push("close") };
      return Promise.resolve(hasAll ? { ...listener, ...more } : listener);
    },
  }, {
    address: ADDRESS,
    requestHeadersLengthMax: 100,
    handler: () => whole("first"),
    ...options,
  });
  const open = (host = "192.0.2.7"): MemoryCallbackSocket => {
    const socket = new MemoryCallbackSocket(host);
    socket.events = asked.onSocket(socket);
    return socket;
  };
  return { clock, server, told, asked, open };
}

test("A server is its listener's address and descriptor, and passes on when to accept", async () => {
  const { server, told } = await listened();
  assert.deepEqual([server.address, server.descriptor, server.duplicate()], [ADDRESS, 7, 8]);
  server.pause("full");
  server.resume("descriptors");
  server.keepFile();
  assert.deepEqual(told, ["pause full", "resume descriptors", "keep"]);
  const bare = (await listened({}, false)).server;
  bare.pause("full");
  bare.resume("full");
  bare.keepFile();
  assert.deepEqual([bare.descriptor, bare.duplicate()], [undefined, undefined]);
});

test("What is asked of the listener is what was said, and nothing that was not", async () => {
  const { onSocket: _, ...plain } = (await listened()).asked;
  assert.deepEqual(plain, { address: ADDRESS, descriptor: undefined });
  const all = await listened({ descriptor: 3, reusePort: true, isSpread: true });
  const { onSocket: _onSocket, ...said } = all.asked;
  assert.deepEqual(said, { address: ADDRESS, descriptor: 3, reusePort: true, isSpread: true });
  const { onSocket: _other, ...none } =
    (await listened({ reusePort: false, isSpread: false })).asked;
  assert.deepEqual(none, plain);
});

test("Over TLS the handshake says which versions there are, and asks whom to admit", async () => {
  const admission = {
    hosts: [] as string[],
    admit: (host: string) => admission.hosts.push(`in ${host}`) < 3,
    leave: (host: string) => void admission.hosts.push(`out ${host}`),
  };
  const proxyProtocol = { isTrusted: () => true, onRefused() {} };
  const { asked } = await listened({ tls: TLS, admission, proxyProtocol });
  const tls = asked.tls!;
  assert.deepEqual([tls.protocols, tls.handshakeTimeoutMs], [["http/1.1"], 10_000]);
  assert.equal(tls.proxyProtocol, proxyProtocol);
  const peer = { host: "192.0.2.1", port: 1, protocol: "HTTP/1.1", tls: undefined } as const;
  assert.deepEqual([tls.admit!(peer), tls.admit!(peer), tls.admit!(peer)], [true, true, false]);
  tls.onGone!(peer);
  assert.equal(admission.hosts.at(-1), "out 192.0.2.1");
  const timeouts = { ...CONNECTION_TIMEOUTS, handshakeMs: 3 };
  const openHttp2 = () => assert.fail("nobody speaks it");
  const other = (await listened({ tls: TLS, timeouts, openHttp2 })).asked.tls!;
  assert.deepEqual([other.protocols, other.handshakeTimeoutMs], [["h2", "http/1.1"], 3]);
  assert.deepEqual([other.admit, other.onGone], [undefined, undefined]);
});

test("What changes holds for requests and handshakes from then on", async () => {
  const { server, told, open } = await listened({ requestsMax: 1 });
  const before = open();
  const changes: ServerChanges = { requestHeadersLengthMax: 30, handler: () => whole("second") };
  server.configure(changes);
  assert.deepEqual(told, [], "it speaks no TLS");
  before.send(GET);
  before.send(GET);
  assert.match(before.text, /second.*second$/s);
  const long = open();
  long.send(GET.replace("a\r", `${"a".repeat(40)}\r`));
  assert.match(long.text, /^HTTP\/1\.1 431 .*content-length: 0\r\n/s);
  server.configure({ ...changes, requestsMax: 1 });
  const once = open();
  once.send(GET);
  assert.match(once.text, /connection: close/);
  const secure = await listened({ tls: TLS });
  secure.server.configure({
    ...changes,
    tls: TLS,
    timeouts: { ...CONNECTION_TIMEOUTS, handshakeMs: 4 },
    openHttp2: () => assert.fail("nobody speaks it"),
  });
  const [tls] = secure.told as SocketTlsOptions[];
  assert.deepEqual([tls!.protocols, tls!.handshakeTimeoutMs], [["h2", "http/1.1"], 4]);
  for (const socket of [before, long, once]) socket.close();
});

test("Times are what they are when a connection comes to them", async () => {
  const { server, clock, open } = await listened();
  const first = open();
  server.configure({
    requestHeadersLengthMax: 100,
    handler: () => whole("x"),
    timeouts: { ...CONNECTION_TIMEOUTS, idleMs: 10_000 },
  });
  const second = open();
  clock.advance(12_000);
  assert.deepEqual([first.ended, second.ended], ["no", "end"]);
  clock.advance(66_000);
  assert.equal(first.ended, "end");
  for (const socket of [first, second]) socket.close();
  assert.equal(clock.timerCount, 0);
});

test(
  "Each connection is counted in the phase that it is in",
  inWorld(async () => {
    const { server, open } = await http1World((request) =>
      request.url.endsWith("/wait") ? new Promise(() => {}) : whole("x".repeat(100))
    );
    const counts = (): Record<ClientPhase, number> => {
      const all = Object.fromEntries(CLIENT_PHASES.map((phase) => [phase, 0]));
      server.countPhases(all as Record<ClientPhase, number>);
      return all as Record<ClientPhase, number>;
    };
    const none = { idle: 0, reading: 0, responding: 0, sending: 0, closing: 0 };
    assert.deepEqual(counts(), none);
    const [reading, responding, sending, closing] = [open(), open(), open(), open(), open()];
    reading!.send("GET");
    responding!.send(GET.replace("/ ", "/wait "));
    sending!.room = 10;
    sending!.send(GET);
    closing!.send("nonsense\r\n\r\n");
    assert.deepEqual(counts(), { idle: 1, reading: 1, responding: 1, sending: 1, closing: 1 });
    sending!.take(Infinity);
    closing!.close();
    assert.deepEqual(counts(), { ...none, idle: 2, reading: 1, responding: 1 });
  }),
);

test("One that is refused hears why, and is gone when it has ended, or after a second", () => {
  for (const way of ["ends", "waits"] as const) {
    const clock = new ManualClock();
    const socket = new MemoryCallbackSocket();
    let gone = 0;
    socket.events = new RefusedConnection(socket, clock, () => gone++);
    assert.match(socket.text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
    assert.equal(socket.ended, "end");
    socket.send(GET);
    socket.events.drained();
    if (way === "ends") socket.events.peerEnded();
    else {
      clock.advance(999);
      assert.equal(socket.ended, "end");
      clock.advance(1);
    }
    assert.deepEqual([socket.ended, gone], ["destroy", 0]);
    socket.close();
    assert.deepEqual([gone, clock.timerCount], [1, 0]);
  }
});

test("As many are told that they are too many as 32 at once, and more are cut", async () => {
  const admission = { admit: () => false, leave: () => assert.fail("nobody was let in") };
  const { open, clock } = await listened({ admission });
  const refused = Array.from({ length: 32 }, () => open());
  assert.ok(refused.every(({ ended, text }) => ended === "end" && text.includes(" 503 ")));
  const more = open();
  assert.deepEqual([more.ended, more.text, more.events], ["reset", "", NOBODY]);
  refused[0]!.close();
  assert.equal(open().ended, "end");
  assert.equal(open().ended, "reset");
  clock.advance(1_000);
  assert.ok(refused.slice(1).every(({ ended }) => ended === "destroy"));
});

test("Behind proxies so many wait for their header, and only those that are named", async () => {
  const seen: string[] = [];
  const proxyProtocol = {
    isTrusted: (host: string) => host === "10.0.0.1",
    onRefused: (host: string, why: string) => void seen.push(`${host}: ${why}`),
  };
  const { server, open, clock } = await listened({ proxyProtocol });
  assert.deepEqual([open("192.0.2.1").ended, seen.pop()], [
    ...["reset", "192.0.2.1: It is no proxy that is named"],
  ]);
  const proxied = Array.from({ length: PROXIED_MAX }, () => open("10.0.0.1"));
  assert.equal(proxied.at(-1)!.ended, "no");
  assert.equal(open("10.0.0.1").ended, "reset");
  assert.deepEqual(seen, ["10.0.0.1: Too many wait"]);
  proxied[0]!.send("PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n" + GET);
  assert.match(proxied[0]!.text, /first$/);
  proxied[1]!.close();
  assert.deepEqual([open("10.0.0.1"), open("10.0.0.1")].map(({ ended }) => ended), ["no", "no"]);
  assert.equal(open("10.0.0.1").ended, "reset");
  clock.advance(CONNECTION_TIMEOUTS.headersMs);
  assert.equal(proxied[2]!.ended, "reset");
  const late = open("10.0.0.1");
  server.destroy();
  assert.deepEqual([late.ended, proxied[0]!.ended], ["destroy", "destroy"]);
  assert.equal(open("10.0.0.1").ended, "destroy", "it is over");
  proxied[0]!.close();
  assert.equal(clock.timerCount, 0);
});

test("An idle client may begin one more request while it lingers, and the wait ends with the last", async () => {
  for (const way of ["time", "empty", "cut"] as const) {
    const { server, open, clock } = await listened();
    const [idle, other] = [open(), open()];
    let isStopped = false;
    const stopping = server.stop(3_000).then(() => isStopped = true);
    await untilIdle();
    assert.deepEqual([idle.ended, isStopped], ["no", false]);
    idle.send(GET);
    assert.match(idle.text, /connection: close\r\n\r\nfirst$/);
    if (way === "time") {
      clock.advance(2_999);
      await untilIdle();
      assert.deepEqual([other.ended, isStopped], ["no", false]);
      clock.advance(1);
    } else if (way === "empty") {
      for (const socket of [idle, other]) socket.close();
    } else server.destroy();
    await stopping;
    for (const socket of [idle, other]) if (!socket.isClosed) socket.close();
    assert.equal(clock.timerCount, 0, way);
  }
  const { server, clock } = await listened();
  await server.stop(3_000);
  assert.equal(clock.timerCount, 0, "nobody is there to linger for");
});

test("A body that could not be read has an empty response where nobody makes one", async () => {
  const { open } = await listened();
  const socket = open();
  socket.send("nonsense\r\n\r\n");
  assert.match(socket.text, /^HTTP\/1\.1 400 Bad Request\r\n.*content-length: 0\r\n.*\r\n\r\n$/s);
  socket.close();
});
