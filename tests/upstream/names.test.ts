/** Servers that are names: when they are looked up, what comes and goes, and what a failure does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import type { ServiceRecord } from "../../src/runtime/resolver.ts";
import { SERVER_ADDRESS_RULES } from "../../src/upstream/options.ts";
import {
  ADDRESSES_MAX,
  FAILED_LOOKUP_PAUSE_MS,
  LOOKUP_TTL_MIN_MS,
  SERVICE_HOSTS_MAX,
} from "../../src/upstream/server_name.ts";
import type { ScriptedApplication } from "../support/scripted_application.ts";
import {
  codeOf,
  errorOf,
  textOf,
  UpstreamWorld,
  type WorldSettings,
} from "../support/upstream_world.ts";

const NAME = "app.test";
const TTL_MS = 10_000;

function nameWorld(settings: WorldSettings = {}): UpstreamWorld {
  return new UpstreamWorld({
    multiplex: "on",
    balance: "round_robin",
    servers: [`tcp://${NAME}:9000`],
    ...settings,
  });
}

/** An application that answers each request with its own address. */
async function applicationAt(world: UpstreamWorld, host: string, port = 9000) {
  const application = await world.application({ address: `tcp://${host}:${port}` });
  void answerAll(application, `${host}:${port}`);
  return application;
}

async function answerAll(application: ScriptedApplication, text: string): Promise<void> {
  for (;;) (await application.next()).answer(text);
}

async function responders(world: UpstreamWorld, count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let index = 0; index < count; index++) texts.push(await textOf(await world.send()));
  return texts.toSorted();
}

function addresses(world: UpstreamWorld): string[] {
  return world.upstream.servers.map(({ address }) => address);
}

test("A name is looked up by the first request, and each of its addresses is a server", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.2", "10.0.0.1", "fd00::1"], TTL_MS);
  for (const host of ["10.0.0.1", "10.0.0.2", "[fd00::1]"]) await applicationAt(world, host);
  await world.advance(1_000);
  assert.equal(resolver.lookUpCount(NAME), 0);
  assert.deepEqual(await responders(world, 6), [
    ...["10.0.0.1:9000", "10.0.0.1:9000"],
    ...["10.0.0.2:9000", "10.0.0.2:9000"],
    ...["[fd00::1]:9000", "[fd00::1]:9000"],
  ]);
  assert.equal(resolver.lookUpCount(NAME), 1);
  await world.close();
});

test("An address, localhost and a unix socket are never looked up", async () => {
  const world = nameWorld({
    servers: ["127.0.0.1:9000", "[::1]:9000", "localhost:9000", "unix:/a"],
  });
  assert.equal(world.upstream.servers.length, 4);
  await applicationAt(world, "127.0.0.1");
  assert.deepEqual(await responders(world, 1), ["127.0.0.1:9000"]);
  assert.equal(world.runtime.resolver.lookUpCount("localhost"), 0);
  await world.close();
});

test("When its time is over a name is looked up again by a request that does not wait", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], TTL_MS);
  await applicationAt(world, "10.0.0.1");
  await applicationAt(world, "10.0.0.2");
  await responders(world, 2);
  resolver.setHost(NAME, ["10.0.0.2"], TTL_MS);
  await world.advance(TTL_MS - 100);
  assert.deepEqual(await responders(world, 1), ["10.0.0.1:9000"]);
  assert.equal(resolver.lookUpCount(NAME), 1);
  await world.advance(200);
  resolver.hold(NAME);
  assert.deepEqual(await responders(world, 2), ["10.0.0.1:9000", "10.0.0.1:9000"]);
  resolver.release(NAME);
  await world.settle();
  assert.equal(resolver.lookUpCount(NAME), 2, "one look-up at a time");
  assert.deepEqual(await responders(world, 2), ["10.0.0.2:9000", "10.0.0.2:9000"]);
  assert.deepEqual(world.seen, [
    `${NAME}: +tcp://10.0.0.1:9000 -`,
    `${NAME}: +tcp://10.0.0.2:9000 -tcp://10.0.0.1:9000`,
  ]);
  await world.close();
});

test("Addresses that are old beyond twice their time are not used before the response is there", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], TTL_MS);
  const old = await applicationAt(world, "10.0.0.1");
  await applicationAt(world, "10.0.0.2");
  await responders(world, 1);
  await world.advance(2 * TTL_MS);
  resolver.setHost(NAME, ["10.0.0.2"], TTL_MS);
  assert.deepEqual(await responders(world, 1), ["10.0.0.2:9000"]);
  assert.equal(old.carriers.length, 1);
  await world.close();
});

test("Where the name service tells no time, resolve.ttl holds; and never less than a second", async () => {
  const world = nameWorld({ resolve: { ttlMs: 3_000 } });
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"]);
  await applicationAt(world, "10.0.0.1");
  await responders(world, 1);
  await world.advance(2_900);
  await responders(world, 1);
  assert.equal(resolver.lookUpCount(NAME), 1);
  resolver.setHost(NAME, ["10.0.0.1"], 0);
  await world.advance(200);
  await responders(world, 1);
  await world.settle();
  assert.equal(resolver.lookUpCount(NAME), 2);
  await responders(world, 5);
  assert.equal(resolver.lookUpCount(NAME), 2);
  await world.advance(LOOKUP_TTL_MIN_MS);
  await responders(world, 1);
  assert.equal(resolver.lookUpCount(NAME), 3);
  await world.close();
});

test("An address that vanished finishes what is in flight, and is gone then", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], TTL_MS);
  const leaving = await world.application({ address: "tcp://10.0.0.1:9000" });
  await applicationAt(world, "10.0.0.2");
  const slow = world.send();
  const request = await leaving.next();
  resolver.setHost(NAME, ["10.0.0.2"], TTL_MS);
  await world.advance(TTL_MS);
  // The first request after the time still goes to the old address, and sets the look-up off.
  const second = world.send();
  (await leaving.next()).answer("second");
  assert.equal(await textOf(await second), "second");
  await world.settle();
  assert.deepEqual(addresses(world), ["tcp://10.0.0.2:9000", "tcp://10.0.0.1:9000"]);
  assert.equal(world.upstream.servers[1]!.isLeaving, true);
  assert.deepEqual(await responders(world, 2), ["10.0.0.2:9000", "10.0.0.2:9000"]);
  request.answer("slow");
  assert.equal(await textOf(await slow), "slow");
  await world.settle();
  assert.deepEqual(addresses(world), ["tcp://10.0.0.2:9000"]);
  await world.close();
});

test("An address that comes back while it is leaving is the same server again", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1", "10.0.0.2"], TTL_MS);
  const one = await world.application({ address: "tcp://10.0.0.1:9000" });
  await applicationAt(world, "10.0.0.2");
  const slow = world.send();
  const request = await one.next();
  const server = world.upstream.servers[0];
  resolver.setHost(NAME, ["10.0.0.2"], TTL_MS);
  await world.advance(2 * TTL_MS);
  await responders(world, 1);
  assert.equal(server?.isLeaving, true);
  resolver.setHost(NAME, ["10.0.0.1", "10.0.0.2"], TTL_MS);
  await world.advance(2 * TTL_MS);
  void answerAll(one, "again");
  assert.deepEqual(await responders(world, 2), ["10.0.0.2:9000", "again"]);
  assert.equal(world.upstream.servers[0], server);
  assert.equal(server?.isLeaving, false);
  request.answer("slow");
  await slow;
  await world.settle();
  assert.equal(world.upstream.servers.length, 2);
  await world.close();
});

test("A failed connect has the name looked up again before its time", async () => {
  const world = nameWorld({ retry: { delayMs: 200 } });
  const { resolver, network } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], 3_600_000);
  await applicationAt(world, "10.0.0.1");
  const moved = await applicationAt(world, "10.0.0.2");
  await responders(world, 1);
  await world.advance(2_000);
  network.fail(parseAddress("10.0.0.1:9000"), "refused");
  for (const { connections } of world.upstream.servers) for (const it of connections) it.close();
  await world.settle();
  resolver.setHost(NAME, ["10.0.0.2"], 3_600_000);
  const response = world.send({ method: "POST" });
  await world.advance(300);
  assert.equal(await textOf(await response), "10.0.0.2:9000");
  assert.equal(moved.connections.length, 1);
  assert.equal(resolver.lookUpCount(NAME), 2);
  await world.close();
});

test("A failed look-up leaves the old addresses in use, and is told once", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], TTL_MS);
  await applicationAt(world, "10.0.0.1");
  await responders(world, 1);
  resolver.fail(NAME, "unavailable");
  for (let count = 0; count < 4; count++) {
    await world.advance(2 * TTL_MS);
    assert.deepEqual(await responders(world, 1), ["10.0.0.1:9000"]);
  }
  assert.equal(resolver.lookUpCount(NAME), 5);
  resolver.fail(NAME);
  await world.advance(2 * TTL_MS);
  await responders(world, 1);
  assert.deepEqual(world.seen, [
    `${NAME}: +tcp://10.0.0.1:9000 -`,
    `lookup ${NAME}: Cannot look up "${NAME}": unavailable`,
    `lookup ${NAME}: passed`,
  ]);
  await world.close();
});

test("Without any address requests fail with the name and the reason, and the service is spared", async () => {
  const world = nameWorld();
  const { resolver } = world.runtime;
  resolver.fail(NAME, "unknown");
  const error = await errorOf(world.send());
  assert.equal(error.code, "lookup_failed");
  assert.equal(
    error.message,
    `Cannot look up server "${NAME}" of upstream "app": Cannot look up "${NAME}": unknown`,
  );
  for (let count = 0; count < 5; count++) assert.equal(await codeOf(world.send()), "lookup_failed");
  assert.equal(resolver.lookUpCount(NAME), 1);
  resolver.fail(NAME);
  resolver.setHost(NAME, ["10.0.0.1"]);
  await applicationAt(world, "10.0.0.1");
  await world.advance(FAILED_LOOKUP_PAUSE_MS);
  assert.deepEqual(await responders(world, 1), ["10.0.0.1:9000"]);
  await world.close();
});

test("Requests wait for a name as long as resolve.timeout says; a response that comes late counts", async () => {
  const world = nameWorld({ resolve: { timeoutMs: 700 } });
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"]);
  await applicationAt(world, "10.0.0.1");
  resolver.hold(NAME);
  const [first, second] = [world.send(), world.send()];
  await world.advance(600);
  assert.equal(world.upstream.queueLength, 2);
  await world.advance(100);
  assert.equal(await codeOf(first), "lookup_failed");
  assert.match((await errorOf(second)).message, /no response in 700 ms/);
  await world.advance(10 * FAILED_LOOKUP_PAUSE_MS);
  assert.equal(await codeOf(world.send()), "lookup_failed");
  assert.equal(resolver.lookUpCount(NAME), 1, "never a second beside it");
  resolver.release(NAME);
  await world.settle();
  assert.deepEqual(await responders(world, 1), ["10.0.0.1:9000"]);
  await world.close();
});

test("A name that cannot be found holds nobody up while there are other servers", async () => {
  const world = nameWorld({ servers: [`${NAME}:9000`, "10.0.0.9:9000"] });
  await applicationAt(world, "10.0.0.9");
  world.runtime.resolver.hold(NAME);
  assert.deepEqual(await responders(world, 2), ["10.0.0.9:9000", "10.0.0.9:9000"]);
  world.runtime.resolver.release(NAME);
  await world.settle();
  assert.deepEqual(await responders(world, 1), ["10.0.0.9:9000"]);
  await world.close();
});

test("An address that two entries give is one server", async () => {
  const world = nameWorld({ servers: [`${NAME}:9000`, "10.0.0.1:9000", "other.test:9000"] });
  world.runtime.resolver.setHost(NAME, ["10.0.0.1", "10.0.0.2"]);
  world.runtime.resolver.setHost("other.test", ["10.0.0.2"]);
  for (const host of ["10.0.0.1", "10.0.0.2"]) await applicationAt(world, host);
  await responders(world, 1);
  await world.settle();
  assert.deepEqual(addresses(world).toSorted(), ["tcp://10.0.0.1:9000", "tcp://10.0.0.2:9000"]);
  await world.close();
});

test("resolve.family leaves the addresses of the other family out", async () => {
  const world = nameWorld({ resolve: { family: "ipv6" } });
  world.runtime.resolver.setHost(NAME, ["10.0.0.1", "fd00::1"]);
  await applicationAt(world, "[fd00::1]");
  await responders(world, 1);
  assert.deepEqual(addresses(world), ["tcp://[fd00::1]:9000"]);
  await world.close();
  const other = nameWorld({ resolve: { family: "ipv6" } });
  other.runtime.resolver.setHost(NAME, ["10.0.0.1"]);
  assert.match((await errorOf(other.send())).message, /"app.test" has no ipv6 address/);
  await other.close();
});

test("A name with more addresses than there may be is an error, not a part of them", async () => {
  const world = nameWorld();
  const all = Array.from(
    { length: ADDRESSES_MAX + 1 },
    (_, index) => `10.0.${index >> 8}.${index & 255}`,
  );
  world.runtime.resolver.setHost(NAME, all);
  assert.match((await errorOf(world.send())).message, /has 257 addresses, 256 are the most/);
  await world.close();
});

test("A body is not streamed to servers that are not known yet", async () => {
  const world = nameWorld();
  world.runtime.resolver.setHost(NAME, ["10.0.0.1"]);
  const application = await world.application({ address: "10.0.0.1:9000" });
  const body = { stream: new Blob(["hello"]).stream(), length: 5, memoryMax: 1_000 };
  const response = world.send({ method: "POST", body });
  const request = await application.next();
  assert.equal(await request.stdin, "hello");
  request.answer("done");
  assert.equal(await textOf(await response), "done");
  await world.close();
});

test("Draining while a name is looked up leaves no timer, and its response changes nothing", async () => {
  const world = nameWorld();
  world.runtime.resolver.setHost(NAME, ["10.0.0.1"]);
  world.runtime.resolver.hold(NAME);
  const response = world.send();
  await world.settle();
  await world.close();
  assert.equal(await codeOf(response), "draining");
  world.runtime.resolver.release(NAME);
  await world.settle();
  assert.equal(world.upstream.servers.length, 0);
});

test("A server that joins starts slowly, the first ones do not", async () => {
  const world = nameWorld({ slowStartMs: 60_000 });
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], TTL_MS);
  await applicationAt(world, "10.0.0.1");
  await applicationAt(world, "10.0.0.2");
  await responders(world, 1);
  assert.equal(world.upstream.servers[0]!.weight, 1);
  resolver.setHost(NAME, ["10.0.0.1", "10.0.0.2"], 3_600_000);
  await world.advance(2 * TTL_MS);
  await responders(world, 1);
  const early = (await responders(world, 20)).filter((text) => text === "10.0.0.2:9000").length;
  assert.ok(early <= 2, `${early} of 20`);
  await world.advance(60_000);
  await responders(world, 1);
  assert.equal(world.upstream.servers[1]!.weight, 1);
  await world.close();
});

test("Each address has its own health, which stops when it leaves", async () => {
  const world = nameWorld({ health: { intervalMs: 1_000, timeoutMs: 100, fall: 1 } });
  const { resolver } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1", "10.0.0.2"], TTL_MS);
  const one = await applicationAt(world, "10.0.0.1");
  const two = await applicationAt(world, "10.0.0.2");
  await responders(world, 2);
  two.options = { values: "silence" };
  await world.advance(1_700);
  assert.deepEqual(world.upstream.servers.map(({ isUp }) => isUp), [true, false]);
  assert.deepEqual(await responders(world, 2), ["10.0.0.1:9000", "10.0.0.1:9000"]);
  resolver.setHost(NAME, ["10.0.0.1"], 3_600_000);
  await world.advance(2 * TTL_MS);
  await responders(world, 1);
  const [asked, askedTwo] = [one.questions, two.questions];
  await world.advance(5_000);
  assert.ok(one.questions > asked);
  assert.equal(two.questions, askedTwo);
  await world.close();
});

test("A failed health check has the name looked up again, also while nobody sends a request", async () => {
  const world = nameWorld({ health: { intervalMs: 5_000, timeoutMs: 100 } });
  const { resolver, network } = world.runtime;
  resolver.setHost(NAME, ["10.0.0.1"], 3_600_000);
  await applicationAt(world, "10.0.0.1");
  const moved = await applicationAt(world, "10.0.0.2");
  await responders(world, 1);
  network.fail(parseAddress("10.0.0.1:9000"), "refused");
  resolver.setHost(NAME, ["10.0.0.2"], 3_600_000);
  await world.advance(10_000);
  assert.equal(resolver.lookUpCount(NAME), 2);
  assert.ok(moved.questions > 0, "the new address is asked how it is");
  await world.close();
});

const SERVICE = "_fcgi._tcp.app.test";

function record(host: string, port: number, priority: number, weight: number): ServiceRecord {
  return { host, port, priority, weight };
}

test("A service is looked up with its hosts: ports, weights, and the lowest priority first", async () => {
  const world = nameWorld({ servers: [SERVICE] });
  const { resolver } = world.runtime;
  resolver.setService(SERVICE, [
    record("spare.test", 9003, 20, 0),
    record("one.test", 9001, 10, 3),
    record("two.test", 9002, 10, 1),
  ]);
  resolver.setHost("one.test", ["10.0.0.1"]);
  resolver.setHost("two.test", ["10.0.0.2"]);
  resolver.setHost("spare.test", ["10.0.0.3"]);
  await applicationAt(world, "10.0.0.1", 9001);
  await applicationAt(world, "10.0.0.2", 9002);
  await applicationAt(world, "10.0.0.3", 9003);
  const texts = await responders(world, 8);
  assert.equal(texts.filter((text) => text === "10.0.0.1:9001").length, 6);
  assert.equal(texts.filter((text) => text === "10.0.0.2:9002").length, 2);
  assert.deepEqual(world.upstream.servers.map(({ isBackup }) => isBackup), [false, false, true]);
  await world.close();
});

test("A service's records change weights and backups of servers that stay", async () => {
  const world = nameWorld({ servers: [SERVICE] });
  const { resolver } = world.runtime;
  resolver.setHost("one.test", ["10.0.0.1"], TTL_MS);
  resolver.setHost("two.test", ["10.0.0.2"], TTL_MS);
  resolver.setService(
    SERVICE,
    [record("one.test", 9000, 1, 1), record("two.test", 9000, 1, 1)],
    TTL_MS,
  );
  await applicationAt(world, "10.0.0.1");
  await applicationAt(world, "10.0.0.2");
  await responders(world, 2);
  const servers = world.upstream.servers;
  resolver.setService(
    SERVICE,
    [record("one.test", 9000, 2, 1), record("two.test", 9000, 1, 7)],
    TTL_MS,
  );
  await world.advance(2 * TTL_MS);
  assert.deepEqual(await responders(world, 2), ["10.0.0.2:9000", "10.0.0.2:9000"]);
  assert.deepEqual(new Set(world.upstream.servers), new Set(servers));
  assert.deepEqual(servers.map(({ weight, isBackup }) => [weight, isBackup]), [[1, true], [
    7,
    false,
  ]]);
  await world.close();
});

test("A host of a service that cannot be looked up keeps the addresses that it had", async () => {
  const world = nameWorld({ servers: [SERVICE] });
  const { resolver } = world.runtime;
  resolver.setHost("one.test", ["10.0.0.1"], TTL_MS);
  resolver.setHost("two.test", ["10.0.0.2"], TTL_MS);
  resolver.setService(
    SERVICE,
    [record("one.test", 9000, 1, 1), record("two.test", 9000, 1, 1)],
    TTL_MS,
  );
  await applicationAt(world, "10.0.0.1");
  await applicationAt(world, "10.0.0.2");
  await responders(world, 2);
  resolver.fail("two.test", "unavailable");
  await world.advance(2 * TTL_MS);
  assert.deepEqual(await responders(world, 2), ["10.0.0.1:9000", "10.0.0.2:9000"]);
  assert.equal(addresses(world).length, 2);
  resolver.fail("one.test", "unavailable");
  await world.advance(2 * TTL_MS);
  assert.deepEqual(await responders(world, 2), ["10.0.0.1:9000", "10.0.0.2:9000"]);
  await world.close();
});

test("A service with more hosts than there may be is an error", async () => {
  const world = nameWorld({ servers: [SERVICE] });
  const all = Array.from(
    { length: SERVICE_HOSTS_MAX + 1 },
    (_, index) => record(`h${index}.test`, 9000, 1, 1),
  );
  world.runtime.resolver.setService(SERVICE, all);
  const { message } = await errorOf(world.send());
  assert.match(message, /"_fcgi._tcp.app.test" names 65 hosts, 64 are the most/);
  await world.close();
});

test("An address may name a service, and then has no port", () => {
  const address = parseAddress(SERVICE, SERVER_ADDRESS_RULES);
  assert.deepEqual(address, { transport: "tcp", host: SERVICE, port: 0 });
  assert.throws(() => parseAddress(`${SERVICE}:9000`, SERVER_ADDRESS_RULES), /say its port/);
  assert.throws(() => parseAddress(SERVICE), /the port is missing/);
});
