/** The limits of `serveHttp`: what they are, what they may be, and that each of them holds for what it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readHttp2Limits, readLimits } from "../../src/serve/limits.ts";
import type { ServeHttpLimits } from "../../src/serve/options.ts";
import { requestFields } from "../support/http2_client.ts";
import { untilIdle } from "../support/idle.ts";
import { GET, type ServeWorld, serveWorld } from "./world.ts";

/** As docs/library.md has them. */
const DEFAULTS: ServeHttpLimits = {
  maxConnections: 10_000,
  maxRequestsPerConnection: 0,
  headersLengthMax: 65_536,
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 60_000,
  idleTimeoutMs: 75_000,
  sendTimeoutMs: 300_000,
};

const HTTP2_DEFAULTS = {
  streamsMax: 128,
  headerTableMax: 4096,
  continuationsMax: 8,
  resetsMax: 500,
  settingsMax: 100,
  pingsMax: 500,
  emptyFramesMax: 500,
  windowUpdatesMax: 2000,
  memoryMax: 16_777_216,
};

const NO_LIMITS = [-1, -Infinity, NaN, "5", "5s", {}, true, 1n];

test("Where nothing is said of a limit its default holds, and each can be said by itself", () => {
  assert.deepEqual(readLimits({}), DEFAULTS);
  for (const name of Object.keys(DEFAULTS) as (keyof ServeHttpLimits)[]) {
    assert.deepEqual(readLimits({ [name]: 7 }), { ...DEFAULTS, [name]: 7 }, name);
    assert.deepEqual(readLimits({ [name]: undefined }), DEFAULTS, name);
    assert.deepEqual(readLimits({ [name]: 1 }), { ...DEFAULTS, [name]: 1 }, name);
  }
  assert.deepEqual(readLimits({ other: 1 } as Partial<ServeHttpLimits>), DEFAULTS);
});

test("What is no limit is told with its name; nothing is one where nothing means no bound", () => {
  for (const name of Object.keys(DEFAULTS) as (keyof ServeHttpLimits)[]) {
    const least = name === "maxRequestsPerConnection" ? 0 : 1;
    for (const value of least === 0 ? NO_LIMITS : [0, 0.5, ...NO_LIMITS]) {
      assert.throws(
        () => readLimits({ [name]: value as number }),
        new RangeError(`Cannot serve HTTP: ${name} "${value}" is not ${least} or more`),
      );
    }
  }
  assert.deepEqual(readLimits({ maxRequestsPerConnection: 0 }), DEFAULTS);
});

test("The limits of HTTP/2 are none without it, their defaults, or what is said of each", () => {
  assert.equal(readHttp2Limits(false), undefined);
  assert.deepEqual(readHttp2Limits(true), HTTP2_DEFAULTS);
  assert.deepEqual(readHttp2Limits({}), HTTP2_DEFAULTS);
  const names = Object.keys(HTTP2_DEFAULTS) as (keyof typeof HTTP2_DEFAULTS)[];
  for (const name of [...names, "headerListMax" as const]) {
    assert.deepEqual(readHttp2Limits({ [name]: 1 }), { ...HTTP2_DEFAULTS, [name]: 1 }, name);
    for (const value of [0, 0.5, ...NO_LIMITS]) {
      assert.throws(
        () => readHttp2Limits({ [name]: value as number }),
        new RangeError(`Cannot serve HTTP: http2.${name} "${value}" is not 1 or more`),
      );
    }
  }
});

test("Only so many clients are served at once, and one that has gone makes room for one", async () => {
  const world = await serveWorld(() => new Response("x"), { maxConnections: 2 });
  const clients = [GET, GET, GET].map((text) => world.open(text));
  await untilIdle();
  const statuses = () => clients.map(({ text }) => /^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  assert.deepEqual(statuses(), ["200", "200", "503"]);
  for (let round = 0; round < 3; round++) {
    clients.shift()!.close();
    clients.push(world.open(GET), world.open(GET));
    await untilIdle();
    assert.deepEqual(statuses().slice(-2), ["200", "503"], "each leaves once");
    clients.splice(1, clients.length - 2, clients.at(-2)!);
    clients.pop();
  }
  await world.end();
});

/** The time limits: how a client runs into each, and what shows that it has. */
const TIMES: readonly (readonly [
  name: keyof ServeHttpLimits,
  begin: (world: ServeWorld) => () => boolean,
])[] = [
  ["idleTimeoutMs", (world) => {
    const socket = world.open(GET);
    return () => socket.ended !== "no";
  }],
  ["headersTimeoutMs", (world) => {
    const socket = world.open("GET / HT");
    return () => socket.ended !== "no";
  }],
  ["sendTimeoutMs", (world) => {
    const socket = world.open();
    socket.room = 10;
    socket.send(GET);
    return () => socket.ended !== "no";
  }],
  ["idleTimeoutMs", (world) => {
    const client = world.openHttp2();
    return () => client.read().goaway === "NO_ERROR";
  }],
  ["headersTimeoutMs", (world) => {
    const client = world.openHttp2();
    client.frame("HEADERS", 0, 1, client.block(requestFields("GET", "/")).subarray(0, 2));
    return () => client.read().goaway === "ENHANCE_YOUR_CALM";
  }],
  ["sendTimeoutMs", (world) => {
    const client = world.openHttp2();
    client.socket.room = 10;
    client.request();
    return () => client.socket.ended !== "no";
  }],
];

const LIMIT_MS = 20_000;
/** Clients are looked at once a second. */
const LATE_MS = 1_000;

for (const [index, [name, begin]] of TIMES.entries()) {
  test(`${name} is the time that holds over ${index < 3 ? "HTTP/1.1" : "HTTP/2"}, and no other`, async () => {
    const far = { idleTimeoutMs: 1e9, headersTimeoutMs: 1e9, sendTimeoutMs: 1e9 };
    const handler = () => new Response("x".repeat(1000));
    for (const options of [{ ...far, [name]: LIMIT_MS }, far]) {
      const world = await serveWorld(handler, options);
      const isOver = begin(world);
      await untilIdle();
      await world.advance(LIMIT_MS - LATE_MS);
      assert.equal(isOver(), false, "before its time");
      for (let step = 0; step < 4; step++) await world.advance(LATE_MS);
      assert.equal(isOver(), options !== far);
      await world.end();
    }
  });
}

test("A header section may be as long as its limit, over both versions", async () => {
  const world = await serveWorld(() => new Response("x"), { headersLengthMax: 200 });
  // The empty line behind it does not count.
  const section = (length: number) =>
    GET.slice(0, -2) + `x: ${"y".repeat(length - GET.length - 3)}\r\n\r\n`;
  const statuses = [200, 201].map((length) => {
    const socket = world.open(section(length));
    return () => socket.text.slice(9, 12);
  });
  const client = world.openHttp2();
  // Each of the five fields counts 32 bytes more than it has (RFC 9113 section 6.5.2).
  const rest = ":methodGET:schemehttp:path/:authorityax".length + 5 * 32;
  const requests = [200, 201].map((size) =>
    client.request(requestFields("GET", "/", [["x", "y".repeat(size - rest)]]))
  );
  await untilIdle();
  assert.deepEqual(statuses.map((status) => status()), ["200", "431"]);
  client.read();
  assert.deepEqual(requests.map((id) => client.response(id).status), [200, 431]);
  await world.end();
});

test("Requests of a connection have their limit over both versions, or none", async () => {
  for (const max of [0, 2]) {
    const world = await serveWorld(() => new Response("x"), { maxRequestsPerConnection: max });
    const socket = world.open();
    const client = world.openHttp2();
    for (let request = 0; request < 2; request++) {
      await untilIdle();
      assert.equal(socket.ended, "no");
      assert.equal(client.read().of("GOAWAY").length, 0);
      socket.send(GET);
      client.request();
    }
    await untilIdle();
    assert.equal(socket.ended, max === 0 ? "no" : "end");
    assert.equal(client.read().of("GOAWAY").length > 0, max > 0);
    await world.end();
  }
});

const IDENTITY = { cert: "own certificate", key: "own key" };

test("What is said of TLS is what its handshakes have, and their limit of time", async () => {
  const other = { cert: "other certificate", key: "other key" };
  const asked: string[] = [];
  const world = await serveWorld(() => new Response("x"), {
    handshakeTimeoutMs: 1234,
    tls: {
      ...IDENTITY,
      min: "1.3",
      ciphers: "SOME",
      forName: (name) => {
        asked.push(name);
        return name === "other" ? other : undefined;
      },
    },
  });
  const tls = world.listening.tls!;
  assert.deepEqual(
    [tls.handshakeTimeoutMs, tls.versionMin, tls.ciphers, tls.protocols],
    [1234, "1.3", "SOME", ["h2", "http/1.1"]],
  );
  const identify = async (name: string) =>
    await (tls.identify as (name: string) => Promise<unknown>)(name);
  assert.equal(await identify("other"), other);
  const own = await identify("own");
  assert.deepEqual(own, IDENTITY);
  assert.equal(await identify(""), own, "the same object is the same certificate");
  assert.deepEqual(asked, ["other", "own"], "nobody is asked about no name");
  await world.end();
  const plain = await serveWorld(() => new Response("x"), { tls: IDENTITY, http2: false });
  const { identify: alone, protocols, versionMin } = plain.listening.tls!;
  assert.deepEqual([protocols, versionMin], [["http/1.1"], undefined]);
  const found = await (alone as (name: string) => Promise<unknown>)("any");
  assert.deepEqual(found, IDENTITY);
  await plain.end();
});

test("A client that speaks HTTP/2 is served so where it may be, else told that nobody knows it", async () => {
  for (const http2 of [true, false]) {
    const world = await serveWorld(() => new Response("x"), { http2 });
    const client = world.openHttp2();
    const id = http2 ? client.request() : 0;
    await untilIdle();
    if (http2) assert.equal(client.read().response(id).status, 200);
    else assert.match(client.socket.text, /^HTTP\/1\.1 505 /);
    await world.end();
  }
});

test("A limit of HTTP/2 that is said is the one that holds", async () => {
  const world = await serveWorld(() => new Promise(() => {}), {
    http2: { streamsMax: 1, pingsMax: 2, headerListMax: 300 },
  });
  const client = world.openHttp2();
  const ids = [client.request(), client.request()];
  client.ping();
  client.ping();
  await untilIdle();
  assert.equal(client.read().response(ids[1]!).reset, "REFUSED_STREAM");
  assert.equal(client.goaway, undefined);
  client.ping();
  await untilIdle();
  assert.equal(client.read().goaway, "ENHANCE_YOUR_CALM");
  const other = world.openHttp2();
  const id = other.request(requestFields("GET", "/", [["x", "y".repeat(300)]]));
  await untilIdle();
  assert.equal(other.read().response(id).status, 431);
  await world.end();
});
