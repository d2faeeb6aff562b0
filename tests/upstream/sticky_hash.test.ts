/** `balance: hash`: shares, what moves when servers come and go, and where a request goes then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { Balancer } from "../../src/upstream/balancer.ts";
import { FAILED_SERVER_REST_MS, type Server } from "../../src/upstream/server.ts";
import { OwnTurns } from "../../src/upstream/server_turns.ts";
import { hashText, keyHashOf } from "../../src/upstream/sticky_hash.ts";
import type { ScriptedApplication } from "../support/scripted_application.ts";
import { textOf, UpstreamWorld } from "../support/upstream_world.ts";

const KEYS = Array.from(
  { length: 4_000 },
  (_, index) => hashText(`10.1.${index >> 8}.${index & 255}`),
);

interface FakeServer extends Server {
  isEjected: boolean;
}

function fakeServer(address: string, weight = 1): FakeServer {
  const hash = hashText(address);
  const standing = { turns: new OwnTurns() };
  return { address, hash, weight, standing, isEjected: false, isBackup: false } as never;
}

function fakeServers(count: number): FakeServer[] {
  return Array.from({ length: count }, (_, index) => fakeServer(`tcp://10.0.0.${index}:9000`));
}

/** For each key the server that it belongs to. */
function owners(balancer: Balancer): (Server | undefined)[] {
  return KEYS.map((key) => balancer.order(new Set(), key)[0]);
}

function countOf<Item>(items: readonly Item[], item: Item): number {
  return items.filter((other) => other === item).length;
}

test("Keys spread over the servers by weight", () => {
  const servers = [
    fakeServer("tcp://a:1", 1),
    fakeServer("tcp://b:1", 3),
    fakeServer("tcp://c:1", 4),
  ];
  const all = owners(new Balancer(servers, "hash"));
  for (const server of servers) {
    const share = countOf(all, server) / KEYS.length;
    assert.ok(Math.abs(share - server.weight / 8) < 0.03, `${server.address}: ${share}`);
  }
});

test("A server that goes moves only its own keys, and gets them again when it returns", () => {
  const servers = fakeServers(5);
  const balancer = new Balancer(servers, "hash");
  const before = owners(balancer);
  servers[2]!.isEjected = true;
  const during = owners(balancer);
  during.forEach((owner, index) => {
    if (before[index] !== servers[2]) assert.equal(owner, before[index]);
    else assert.notEqual(owner, servers[2]);
  });
  const heirs = new Set(during.filter((_, index) => before[index] === servers[2]));
  assert.equal(heirs.size, 4, "its keys spread over all others");
  servers[2]!.isEjected = false;
  assert.deepEqual(owners(balancer), before);
});

test("A server that joins takes a share from each and moves nothing between the others", () => {
  const servers = fakeServers(5);
  const before = owners(new Balancer(servers.slice(0, 4), "hash"));
  const after = owners(new Balancer(servers, "hash"));
  after.forEach((owner, index) => {
    if (owner !== servers[4]) assert.equal(owner, before[index]);
  });
  const share = countOf(after, servers[4]) / KEYS.length;
  assert.ok(Math.abs(share - 1 / 5) < 0.03, `${share}`);
});

test("The order of the configuration does not matter", () => {
  const servers = fakeServers(4);
  assert.deepEqual(
    owners(new Balancer(servers, "hash")),
    owners(new Balancer(servers.toReversed(), "hash")),
  );
});

test("keyHashOf finds a parameter among long and short ones, and no part of another", () => {
  const name = new TextEncoder().encode("HTTP_X_USER");
  const find = (pairs: readonly (readonly [string, string])[]) =>
    keyHashOf(encodeNameValues(pairs), name);
  const long = "v".repeat(300);
  assert.equal(find([["A", long], ["HTTP_X_USER", "bob"], ["B", "c"]]), hashText("bob"));
  assert.equal(find([["n".repeat(200), "x"], ["HTTP_X_USER", long]]), hashText(long));
  assert.equal(find([["HTTP_X_USERS", "bob"], ["X", "HTTP_X_USER"]]), undefined);
  assert.equal(find([["HTTP_X_USER", ""]]), undefined, "an empty value keeps nothing together");
  assert.equal(find([]), undefined);
});

const NAMES = ["a", "b", "c"] as const;

async function hashWorld(settings: object = {}) {
  const world = new UpstreamWorld({
    multiplex: "on",
    balance: "hash",
    hash: "USER",
    servers: NAMES.map((name) => `unix:/${name}`),
    ...settings,
  });
  const applications = new Map<string, ScriptedApplication>();
  for (const name of NAMES) {
    applications.set(name, await world.application({ address: `unix:/${name}` }));
  }
  return { world, applications };
}

function answerWithName(applications: ReadonlyMap<string, ScriptedApplication>): void {
  for (const [name, application] of applications) {
    void (async () => {
      for (;;) (await application.next()).answer(name);
    })();
  }
}

async function serverOf(world: UpstreamWorld, user: string): Promise<string> {
  return await textOf(await world.send({ params: [["USER", user]] }));
}

test("Upstream keeps requests of one value with one server, over its failure and return", async () => {
  const { world, applications } = await hashWorld();
  answerWithName(applications);
  const users = Array.from({ length: 12 }, (_, index) => `user${index}`);
  const before = await Promise.all(users.map((user) => serverOf(world, user)));
  assert.equal(new Set(before).size, 3);
  assert.deepEqual(await Promise.all(users.map((user) => serverOf(world, user))), before);
  const down = before[0]!;
  world.runtime.network.fail(parseAddress(`unix:/${down}`), "refused");
  for (const { connections } of world.upstream.servers) {
    for (const connection of connections) if (connection.address.endsWith(down)) connection.close();
  }
  await world.settle();
  const during: string[] = [];
  for (const user of users) during.push(await serverOf(world, user));
  users.forEach((user, index) => {
    if (before[index] === down) assert.notEqual(during[index], down, user);
    else assert.equal(during[index], before[index], user);
  });
  world.runtime.network.fail(parseAddress(`unix:/${down}`));
  await world.advance(FAILED_SERVER_REST_MS + 100);
  const after: string[] = [];
  for (const user of users) after.push(await serverOf(world, user));
  assert.deepEqual(after, before);
  await world.close();
});

test("Requests without the parameter take turns", async () => {
  const { world, applications } = await hashWorld();
  answerWithName(applications);
  const names: string[] = [];
  for (let count = 0; count < 6; count++) names.push(await textOf(await world.send()));
  assert.equal(names.toSorted().join(""), "aabbcc");
  await world.close();
});

test("A request waits for its server while that is busy, and holds nobody up behind it", async () => {
  const { world, applications } = await hashWorld({ multiplex: "off", connections: { max: 1 } });
  const users = Array.from({ length: 30 }, (_, index) => `user${index}`);
  const first = world.send({ params: [["USER", users[0]!]] });
  await world.settle();
  const [name, busy] = [...applications].find(([, { begun }]) => begun === 1)!;
  const rest = users.slice(1).map((user) => world.send({ params: [["USER", user]] }));
  await world.settle();
  assert.deepEqual([...applications.values()].map(({ begun }) => begun), [1, 1, 1]);
  assert.ok(world.upstream.queueLength > 10);
  answerWithName(new Map([...applications].filter(([other]) => other !== name)));
  await world.settle();
  assert.equal(busy.begun, 1, "nothing else of its own could begin");
  const left = world.upstream.queueLength;
  assert.ok(left > 0 && left < 20, `${left} wait for the busy one, and the others are done`);
  answerWithName(new Map([[name, busy]]));
  await Promise.all([first, ...rest]);
  await world.close();
});
