/** Several servers: turns, weights, least requests, backups, and those that rest after a failure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import fc from "fast-check";
import { Balancer, MANY_SERVERS } from "../../src/upstream/balancer.ts";
import type { ServerOptions } from "../../src/upstream/options.ts";
import { OwnTurns, TURN_PARTS } from "../../src/upstream/server_turns.ts";
import { FAILED_SERVER_REST_MS, type Server } from "../../src/upstream/server.ts";
import type { ScriptedApplication } from "../support/scripted_application.ts";
import { textOf, UpstreamWorld } from "../support/upstream_world.ts";

const NAMES = ["a", "b", "c"] as const;

function serverOptions(
  name: string,
  { weight = 1, backup = false }: { weight?: number; backup?: boolean } = {},
): ServerOptions {
  return { address: parseAddress(`unix:/${name}`), weight, backup };
}

/** What the balancer looks at, and no more. */
function fakeServer(
  name: string,
  weight = 1,
): Server & { requestsUnderWay: number; isEjected: boolean } {
  const standing = { turns: new OwnTurns() };
  const seen = { address: name, weight, standing, requestsUnderWay: 0 };
  return { ...seen, isEjected: false, isBackup: false } as never;
}

/** The names in the order in which `count` requests were given to the best of those offered. */
function turnsOf(balancer: Balancer, count: number): string {
  let turns = "";
  for (let turn = 0; turn < count; turn++) {
    const offered = balancer.order(new Set());
    balancer.chosen(offered[0]!, offered);
    turns += offered[0]!.address;
  }
  return turns;
}

async function applications(world: UpstreamWorld): Promise<Map<string, ScriptedApplication>> {
  const all = new Map<string, ScriptedApplication>();
  for (const name of NAMES) {
    all.set(name, await world.application({ address: `unix:/${name}` }));
  }
  return all;
}

/** Each application answers with its own name. */
function answerAll(all: ReadonlyMap<string, ScriptedApplication>): void {
  for (const [name, application] of all) {
    void (async () => {
      for (;;) (await application.next()).answer(name);
    })();
  }
}

async function responders(world: UpstreamWorld, count: number): Promise<string> {
  let names = "";
  for (let index = 0; index < count; index++) names += await textOf(await world.send());
  return names;
}

test("Balancer gives servers their turns by weight, spread out", () => {
  const servers = [fakeServer("a", 5), fakeServer("b"), fakeServer("c")];
  assert.equal(turnsOf(new Balancer(servers, "round_robin"), 14), "aabacaaaabacaa");
});

test("Balancer offers without counting: what could not be placed is nobody's turn", () => {
  const balancer = new Balancer([fakeServer("a"), fakeServer("b")], "round_robin");
  for (let count = 0; count < 5; count++) balancer.order(new Set());
  assert.equal(turnsOf(balancer, 4), "abab");
});

test("Balancer gives a server that was resting its share again, and not all that it missed", () => {
  const [a, b] = [fakeServer("a"), fakeServer("b")];
  const balancer = new Balancer([a, b], "round_robin");
  a.isEjected = true;
  assert.equal(turnsOf(balancer, 6), "bbbbbb");
  a.isEjected = false;
  assert.match(turnsOf(balancer, 6), /^(ab){3}$|^(ba){3}$/);
});

test("Balancer sends to the least busy server by weight, and takes turns where they are equal", () => {
  const [a, b] = [fakeServer("a", 2), fakeServer("b")];
  const balancer = new Balancer([a, b], "least_requests");
  a.requestsUnderWay = 3;
  b.requestsUnderWay = 2;
  assert.equal(turnsOf(balancer, 2), "aa", "3 of weight 2 is less than 2 of weight 1");
  a.requestsUnderWay = 5;
  assert.equal(turnsOf(balancer, 2), "bb");
  a.requestsUnderWay = 0;
  b.requestsUnderWay = 0;
  const turns = turnsOf(balancer, 6);
  assert.ok(turns.includes("a") && turns.includes("b"), turns);
});

test("Balancer owes a server nothing for requests that went by while it was busier, or had no room", () => {
  const [a, b] = [fakeServer("a"), fakeServer("b")];
  const busy = new Balancer([a, b], "least_requests");
  a.requestsUnderWay = 1;
  assert.equal(turnsOf(busy, 1_000), "b".repeat(1_000));
  a.requestsUnderWay = 0;
  assert.match(turnsOf(busy, 6), /^(ab){3}$|^(ba){3}$/);
  const full = new Balancer([a, b], "round_robin");
  for (let count = 0; count < 1_000; count++) {
    // It was asked first where it was its turn.
    full.chosen(b, full.order(new Set()));
  }
  assert.match(turnsOf(full, 6), /^b?(ab){2,3}a?$/);
});

test("What servers are owed adds up to nothing and stays small, whatever they weigh (300 seeds)", () => {
  // The weights of records of SRV, and of a slow start.
  const weights = fc.constantFrom(0.05, 1, 7, 1_000, 65_535 * 1_000);
  const turn = fc.record({ chosen: fc.nat(), busy: fc.nat(), streams: fc.nat({ max: 3 }) });
  fc.assert(
    fc.property(
      fc.array(weights, { minLength: 2, maxLength: MANY_SERVERS - 1 }),
      fc.constantFrom("round_robin" as const, "least_requests" as const),
      fc.array(turn, { minLength: 1, maxLength: 2_000, size: "max" }),
      (all, mode, turns) => {
        const servers = all.map((weight, index) => fakeServer(`${index}`, weight));
        const balancer = new Balancer(servers, mode);
        const owed = () => servers.map(({ standing }) => standing.turns.owed);
        for (const { chosen, busy, streams } of turns) {
          servers[busy % servers.length]!.requestsUnderWay = streams;
          const offered = balancer.order(new Set());
          // Mostly the first one has room.
          balancer.chosen(offered[chosen % 4 === 0 ? chosen % offered.length : 0]!, offered);
          assert.equal(owed().reduce((sum, parts) => sum + parts, 0), 0);
          const most = Math.max(...owed().map(Math.abs));
          assert.ok(most <= servers.length * TURN_PARTS, `${most / TURN_PARTS} requests`);
          assert.ok(owed().every(Number.isInteger));
        }
      },
    ),
    { numRuns: 300, seed: 1 },
  );
});

test("Balancer leaves out servers that were tried, unless all were", () => {
  const [a, b] = [fakeServer("a"), fakeServer("b")];
  const balancer = new Balancer([a, b], "round_robin");
  assert.deepEqual(balancer.order(new Set([a])), [b]);
  assert.equal(balancer.order(new Set([a, b])).length, 2);
});

test("Upstream takes turns over its servers", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    balance: "round_robin",
    servers: [serverOptions("a", { weight: 2 }), serverOptions("b"), serverOptions("c")],
  });
  answerAll(await applications(world));
  const names = await responders(world, 8);
  assert.deepEqual([...names].toSorted().join(""), "aaaabbcc");
  await world.close();
});

test("Upstream sends to the server with the least requests in flight", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    balance: "least_requests",
    servers: NAMES.map((name) => serverOptions(name)),
  });
  const all = await applications(world);
  const open = Array.from({ length: 6 }, () => world.send());
  await world.settle();
  assert.deepEqual([...all.values()].map(({ begun }) => begun), [2, 2, 2]);
  (await all.get("b")!.next()).answer();
  await world.settle();
  open.push(world.send());
  await world.settle();
  assert.deepEqual([...all.values()].map(({ begun }) => begun), [2, 2, 2]);
  answerAll(all);
  await Promise.all(open);
  await world.close();
});

test("Upstream passes a server that failed over while there are others, and tries it again later", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    balance: "round_robin",
    servers: [serverOptions("a"), serverOptions("b")],
  });
  const all = await applications(world);
  answerAll(all);
  world.runtime.network.fail(parseAddress("unix:/a"), "refused");
  assert.equal(await responders(world, 4), "bbbb");
  assert.deepEqual(world.seen, ["retry connect_failed"], "one request met the server that is down");
  world.runtime.network.fail(parseAddress("unix:/a"));
  assert.equal(await responders(world, 2), "bb", "it rests");
  await world.advance(FAILED_SERVER_REST_MS + 100);
  assert.deepEqual([...await responders(world, 4)].toSorted().join(""), "aabb");
  await world.close();
});

test("Upstream uses a backup only while no other server is up", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    servers: [serverOptions("a"), serverOptions("b", { backup: true })],
    retry: { delayMs: 1 },
  });
  answerAll(await applications(world));
  assert.equal(await responders(world, 3), "aaa");
  world.runtime.network.fail(parseAddress("unix:/a"), "refused");
  for (const server of world.upstream.servers) {
    for (const connection of server.connections) connection.close();
  }
  await world.settle();
  assert.equal(await responders(world, 3), "bbb");
  world.runtime.network.fail(parseAddress("unix:/a"));
  await world.advance(FAILED_SERVER_REST_MS + 100);
  assert.equal(await responders(world, 2), "aa");
  await world.close();
});

test("A request that waits for one server only does not hold up those behind it", async () => {
  const world = new UpstreamWorld({
    servers: [serverOptions("a"), serverOptions("b")],
    balance: "round_robin",
    connections: { max: 1, streamsMax: 8 },
  });
  const all = await applications(world);
  const [a, b] = [all.get("a")!, all.get("b")!];
  // Server a does not say whether it multiplexes; b does, and loses the first request.
  a.options = { values: "silence" };
  const first = world.send();
  const lost = await b.next();
  lost.connection.close();
  await world.settle();
  const second = world.send();
  (await b.next()).answer("second");
  assert.equal(await textOf(await second), "second");
  await world.advance(1_100);
  (await a.next()).answer("first");
  assert.equal(await textOf(await first), "first");
  await world.close();
});
