/**
 * Clients that open connections and keep them: how many they get, in all and of one address, what
 * becomes of those at the bound, and who is served all the same.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { CLIENT_DEFAULTS } from "../../src/app/client_bounds.ts";
import { ClientConnections } from "../../src/app/client_connections.ts";
import {
  connectionBounds,
  CONNECTIONS_MIN,
  CONNECTIONS_UNKNOWN,
} from "../../src/app/connection_bounds.ts";
import { DescriptorWatch } from "../../src/app/descriptor_watch.ts";
import { Logger } from "../../src/observe/logger.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { type Gateway, type GatewayOptions, LineSink, withGateway } from "../support/gateway.ts";
import { waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const onBun = "Bun" in globalThis;

const RESPOND = [{
  path: undefined,
  methods: undefined,
  handler: { kind: "respond", status: 200, body: "ok" },
}] as const;

function bounded(
  clients: Partial<GatewayOptions["clients"]>,
  use: (gateway: Gateway) => Promise<void>,
  more: GatewayOptions = {},
): Promise<void> {
  const options = { routes: RESPOND, clients: { ...CLIENT_DEFAULTS, ...clients }, admin: true };
  return withGateway({ ...options, ...more }, use);
}

/** Connections that say nothing; each is there when the gateway has counted it. */
async function holdOpen(gateway: Gateway, count: number): Promise<Socket[]> {
  const before = await openNow(gateway);
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port: gateway.port, host: "127.0.0.1" });
    socket.on("error", () => {});
    return socket;
  });
  await waitUntil(async () => await openNow(gateway) === before + count, "connections that count");
  return sockets;
}

async function metric({ admin }: Gateway, name: string): Promise<number> {
  const text = (await admin("/metrics")).body.toString();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

function openNow(gateway: Gateway): Promise<number> {
  return metric(gateway, "afcgi_client_connections");
}

/** The status that a new client gets; 0 where it is closed without a word. */
async function statusFor({ port }: Gateway, localAddress = "127.0.0.1"): Promise<number> {
  return await new Promise((resolve) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", localAddress }, () => {
      socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    });
    socket.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
    socket.on("error", () => {});
    socket.on("close", () => resolve(Number(text.split(" ")[1] ?? 0)));
  });
}

function endAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy();
}

test("One connection too many is refused, and room is room again", async () => {
  await bounded({ connectionsMax: 4, connectionsPerAddressMax: 100 }, async (gateway) => {
    const held = await holdOpen(gateway, 4);
    for (let count = 0; count < 10; count++) {
      assert.ok([0, 503].includes(await statusFor(gateway)));
    }
    assert.equal(
      await metric(gateway, 'afcgi_client_connections_refused_total{reason="full"}'),
      10,
    );
    assert.equal(await metric(gateway, "afcgi_client_connections_max"), 4);
    const lines = gateway.log.lines.filter(({ code }) => code === "connections_full");
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} lines`);
    held.pop()!.destroy();
    await waitUntil(async () => await openNow(gateway) === 3, "room");
    assert.equal(await statusFor(gateway), 200);
    endAll(held);
  });
});

test("Who is refused and waits for a word gets 503 with when to come again", async () => {
  await bounded({ connectionsMax: 1 }, async (gateway) => {
    const held = await holdOpen(gateway, 1);
    const refused = await HttpConnection.open(gateway.port);
    const response = await refused.readResponse();
    assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "1"]);
    refused.destroy();
    endAll(held);
  });
});

test("One address cannot have all of them, another one is served", async () => {
  await bounded({ connectionsMax: 100, connectionsPerAddressMax: 2 }, async (gateway) => {
    const held = await holdOpen(gateway, 2);
    assert.ok([0, 503].includes(await statusFor(gateway)));
    assert.equal(
      await metric(gateway, 'afcgi_client_connections_refused_total{reason="address"}'),
      1,
    );
    assert.equal(await statusFor(gateway, "127.0.0.2"), 200);
    endAll(held);
  });
});

test("A trusted proxy has no bound of its own", async () => {
  const sites = [{
    hosts: [],
    root: undefined,
    routes: RESPOND,
    proxies: { trusted: ["127.0.0.1"], headers: ["for"] },
  }] as const;
  await bounded({ connectionsPerAddressMax: 1 }, async (gateway) => {
    const held = await holdOpen(gateway, 3);
    assert.equal(await statusFor(gateway), 200);
    assert.equal(await statusFor(gateway, "127.0.0.2"), 200);
    endAll(held);
  }, { sites });
});

test("Where clients wait at the bound nobody is refused, and the next is served", async () => {
  const clients = { connectionsMax: 2, connectionsPerAddressMax: 100, whenFull: "wait" } as const;
  await bounded(clients, async (gateway) => {
    const held = await holdOpen(gateway, 2);
    // Only where a listener can pause; else they are refused.
    if (!onBun) assert.ok([0, 503].includes(await statusFor(gateway)));
    const waiting = onBun ? [statusFor(gateway), statusFor(gateway), statusFor(gateway)] : [];
    assert.equal((await gateway.admin("/livez")).status, 200);
    held.pop()!.destroy();
    for (const status of waiting) assert.equal(await status, 200);
    await waitUntil(async () => await openNow(gateway) === 1, "room");
    assert.equal(await statusFor(gateway), 200);
    if (onBun) {
      assert.equal(
        await metric(gateway, 'afcgi_client_connections_refused_total{reason="full"}'),
        0,
      );
      assert.ok(await metric(gateway, "afcgi_client_connections_waits_total") >= 1);
    }
    endAll(held);
  });
});

test("The admin address answers while clients have all connections", async () => {
  await bounded({ connectionsMax: 2, connectionsPerAddressMax: 2 }, async (gateway) => {
    const held = await holdOpen(gateway, 2);
    for (let count = 0; count < 20; count++) {
      assert.equal((await gateway.admin("/livez")).status, 200);
    }
    endAll(held);
  });
});

test("A connection ends behind as many requests as it may make", async () => {
  await bounded({ requestsPerConnectionMax: 3 }, async ({ port }) => {
    const connection = await HttpConnection.open(port);
    const kept: (string | undefined)[] = [];
    for (let count = 0; count < 3; count++) {
      await connection.send({});
      kept.push((await connection.readResponse()).headers.get("connection"));
    }
    assert.deepEqual(kept, [undefined, undefined, "close"]);
    assert.equal(await connection.readToEnd(), "");
    connection.destroy();
    assert.equal((await httpRequest(port, {})).status, 200);
  });
});

function counting(options: Partial<ConstructorParameters<typeof ClientConnections>[0]> = {}) {
  return new ClientConnections({
    max: 1000,
    perAddressMax: 2,
    whenFull: "refuse",
    isExempt: () => false,
    onRefused: () => {},
    onWaiting: () => {},
    ...options,
  });
}

test("An IPv6 client is counted by its /64, and clients without address only in all", () => {
  const connections = counting();
  assert.ok(connections.admit("2001:db8::1"));
  assert.ok(connections.admit("2001:db8:0:0:1::"));
  assert.ok(!connections.admit("2001:db8::ffff:1"));
  assert.ok(connections.admit("2001:db8:0:1::1"));
  for (let count = 0; count < 10; count++) assert.ok(connections.admit(""));
  connections.leave("2001:db8::1");
  assert.ok(connections.admit("2001:db8::2"));
});

test("Nothing is remembered of addresses that have gone", () => {
  const connections = counting({ perAddressMax: 5, isExempt: (host) => host === "10.0.0.1" });
  const open: string[] = [];
  for (let step = 0; step < 20_000; step++) {
    const host = `10.0.${step % 7}.${step % 40}`;
    if (step % 3 === 2 && open.length > 0) connections.leave(open.pop()!);
    else if (connections.admit(host)) open.push(host);
  }
  for (const host of open) connections.leave(host);
  assert.deepEqual([connections.open, connections.addresses], [0, 0]);
});

test("The default leaves descriptors for files and applications, and more is never promised", () => {
  const upstreams = [{
    ...UPSTREAM_DEFAULTS,
    name: "app",
    servers: [],
    connections: { ...UPSTREAM_DEFAULTS.connections, max: 40 },
  }];
  assert.equal(connectionBounds({}, 256, upstreams).max, (256 - 64 - 40) / 2);
  assert.equal(connectionBounds({}, 256, upstreams, 5).max, (256 - 64 - 40) / 2 - 4);
  assert.equal(connectionBounds({ max: 500 }, 256, upstreams, 5).max, 256 - 64 - 8);
  assert.equal(connectionBounds({}, 64, upstreams).max, CONNECTIONS_MIN);
  assert.equal(connectionBounds({}, undefined, upstreams).max, CONNECTIONS_UNKNOWN);
  assert.equal(connectionBounds({}, 1_048_576, upstreams).perAddressMax, 262_118);
  const asked = connectionBounds({ max: 10_000, perAddressMax: 7 }, 256, upstreams);
  assert.deepEqual(asked, { max: 192, perAddressMax: 7, loweredFrom: 10_000 });
  assert.equal(connectionBounds({ max: 10_000 }, 65_536, upstreams).max, 10_000);
});

test("Listeners pause while there are no descriptors, with one line a second", () => {
  const clock = new ManualClock();
  const sink = new LineSink();
  const logger = new Logger({ sink, clock, level: "info", format: "json" });
  let free = 100;
  let paused = 0;
  const process = { descriptorLimit: 256, hasDescriptors: (count: number) => free >= count };
  const watch = new DescriptorWatch({ clock, process, logger });
  watch.add({ pause: () => void paused++, resume: () => void paused-- });
  watch.start();
  clock.advance(1_000);
  assert.equal(paused, 0);
  free = 3;
  clock.advance(1_000);
  assert.equal(paused, 1);
  for (let count = 0; count < 4; count++) {
    free = 100;
    clock.advance(50);
    assert.equal(paused, 0);
    free = 3;
    clock.advance(50);
    assert.equal(paused, 1);
  }
  clock.advance(1);
  assert.equal(sink.lines.filter(({ code }) => code === "descriptors_exhausted").length, 1);
  free = 100;
  clock.advance(50);
  assert.equal(paused, 0);
  watch.stop();
  assert.equal(clock.timerCount, 0);
});
