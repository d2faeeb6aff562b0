/**
 * Another configuration names other servers for an upstream that is the same otherwise: those that
 * stay keep connections, requests, queue and what is known of them; the others finish what they have.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { SERVER_ADDRESS_RULES, type ServerOptions } from "../../src/upstream/options.ts";
import { FAILED_SERVER_REST_MS } from "../../src/upstream/server_standing.ts";
import { textOf, UpstreamWorld, type WorldSettings } from "../support/upstream_world.ts";

const [FIRST, SECOND, THIRD] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"] as const;

function server(host: string, more: Partial<ServerOptions> = {}): ServerOptions {
  const address = parseAddress(`tcp://${host}:9000`, SERVER_ADDRESS_RULES);
  return { address, weight: 1, backup: false, ...more };
}

function worldOf(hosts: readonly string[], settings: WorldSettings = {}): UpstreamWorld {
  return new UpstreamWorld({
    multiplex: "on",
    balance: "round_robin",
    servers: hosts.map((host) => server(host)),
    ...settings,
  });
}

/** An application that answers each request with its host, but those whose ids begin with "held". */
async function applicationAt(world: UpstreamWorld, host: string) {
  const application = await world.application({ address: `tcp://${host}:9000` });
  const answerAll = async () => {
    for (;;) (await application.next()).answer(host);
  };
  void answerAll();
  return application;
}

async function responders(world: UpstreamWorld, count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let index = 0; index < count; index++) texts.push(await textOf(await world.send()));
  return texts.toSorted();
}

const hostsOf = (world: UpstreamWorld) =>
  world.upstream.servers.map(({ address }) => /\d+(\.\d+){3}/.exec(address)![0]).toSorted();

test("A server that joins gets requests, and the one that was there keeps its connection", async () => {
  const world = worldOf([FIRST]);
  const first = await applicationAt(world, FIRST);
  await applicationAt(world, SECOND);
  assert.deepEqual(await responders(world, 2), [FIRST, FIRST]);
  world.upstream.configureServers([server(FIRST), server(SECOND)]);
  assert.deepEqual(await responders(world, 4), [FIRST, FIRST, SECOND, SECOND]);
  assert.equal(first.carriers.length, 1);
  assert.equal(world.upstream.options.servers.length, 2);
  await world.close();
});

test("A server that leaves finishes its request and gets no other", async () => {
  const world = worldOf([FIRST, SECOND]);
  const second = await world.application({ address: `tcp://${SECOND}:9000` });
  world.upstream.configureServers([server(SECOND)]);
  const held = world.send();
  const request = await second.next();
  await applicationAt(world, FIRST);
  world.upstream.configureServers([server(FIRST)]);
  assert.deepEqual(await responders(world, 3), [FIRST, FIRST, FIRST]);
  request.answer("late");
  assert.equal(await textOf(await held), "late");
  await world.settle();
  assert.deepEqual(hostsOf(world), [FIRST]);
  await world.close();
});

test("What waits in the queue goes to a server that joins", async () => {
  const world = worldOf([FIRST], { multiplex: "off", connections: { max: 1 } });
  const first = await world.application({ address: `tcp://${FIRST}:9000` });
  const busy = world.send();
  const request = await first.next();
  const waiting = [world.send(), world.send()];
  await world.settle();
  assert.equal(world.upstream.queueLength, 2);
  await applicationAt(world, SECOND);
  world.upstream.configureServers([server(FIRST), server(SECOND)]);
  for (const response of waiting) assert.equal(await textOf(await response), SECOND);
  request.answer("first");
  assert.equal(await textOf(await busy), "first");
  assert.equal(first.carriers.length, 1);
  await world.close();
});

test("An ejected server stays ejected, one that is down stays down", async () => {
  const health = { intervalMs: 1_000, timeoutMs: 500, rise: 1, fall: 1 };
  for (const settings of [{}, { health }] as readonly WorldSettings[]) {
    const world = worldOf([FIRST, SECOND], settings);
    await applicationAt(world, FIRST);
    // Nobody listens at the second one.
    await responders(world, 4);
    await world.advance(2_500);
    const isBad = () => {
      const { isEjected, isUp } = world.upstream.servers.find((one) =>
        one.address.includes(SECOND)
      )!;
      return isEjected || !isUp;
    };
    assert.equal(isBad(), true);
    await applicationAt(world, THIRD);
    world.upstream.configureServers([server(FIRST), server(SECOND), server(THIRD)]);
    assert.equal(isBad(), true);
    assert.deepEqual(await responders(world, 4), [FIRST, FIRST, THIRD, THIRD]);
    await world.advance(FAILED_SERVER_REST_MS);
    await world.upstream.drain(0);
  }
});

test("A weight and a backup change where they stand, and one that left is back as it was", async () => {
  const world = worldOf([FIRST, SECOND]);
  const applications = [await applicationAt(world, FIRST), await applicationAt(world, SECOND)];
  await responders(world, 2);
  world.upstream.configureServers([server(FIRST, { weight: 3 }), server(SECOND)]);
  assert.deepEqual(await responders(world, 4), [FIRST, FIRST, FIRST, SECOND]);
  world.upstream.configureServers([server(FIRST), server(SECOND, { backup: true })]);
  assert.deepEqual(await responders(world, 2), [FIRST, FIRST]);
  world.upstream.configureServers([server(SECOND)]);
  world.upstream.configureServers([server(FIRST), server(SECOND)]);
  assert.deepEqual(await responders(world, 2), [FIRST, SECOND]);
  assert.deepEqual(hostsOf(world), [FIRST, SECOND]);
  assert.equal(applications[1]!.carriers.length, 1);
  await world.close();
});

test("A name that stays keeps its addresses without a look-up; one that comes is looked up", async () => {
  const [old, other] = ["app.test", "other.test"];
  const world = worldOf([], { servers: [server(old!)] });
  const { resolver } = world.runtime;
  resolver.setHost(old!, [FIRST], 60_000);
  resolver.setHost(other!, [SECOND], 60_000);
  const first = await applicationAt(world, FIRST);
  await applicationAt(world, SECOND);
  assert.deepEqual(await responders(world, 1), [FIRST]);
  world.upstream.configureServers([server(old!, { weight: 2 }), server(other!)]);
  assert.deepEqual(await responders(world, 3), [FIRST, FIRST, SECOND]);
  assert.equal(resolver.lookUpCount(old!), 1);
  assert.equal(resolver.lookUpCount(other!), 1);
  world.upstream.configureServers([server(other!)]);
  assert.deepEqual(await responders(world, 2), [SECOND, SECOND]);
  assert.equal(first.carriers.length, 1);
  await world.advance(120_000);
  assert.equal(resolver.lookUpCount(old!), 1, "nobody asks for a name that has gone");
  await world.close();
});

test("A thousand changes leave nothing behind", async () => {
  const world = worldOf([FIRST, SECOND]);
  for (const host of [FIRST, SECOND, THIRD]) await applicationAt(world, host);
  const all = [FIRST, SECOND, THIRD];
  for (let round = 0; round < 1_000; round++) {
    const left = all.filter((_, index) => index !== round % 3);
    world.upstream.configureServers(left.map((host) => server(host)));
    if (round % 100 === 0) assert.equal((await responders(world, 2)).length, 2);
  }
  await world.settle();
  assert.equal(world.upstream.servers.length, 2);
  await world.close();
});
