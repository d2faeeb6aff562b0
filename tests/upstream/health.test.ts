/** Active health: what is asked, what counts, how a server goes down and comes back; slow start. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { FAILED_SERVER_REST_MS } from "../../src/upstream/server.ts";
import { ServerWeight, SLOW_START_SHARE } from "../../src/upstream/server_weight.ts";
import type { ScriptedApplication, ScriptedRequest } from "../support/scripted_application.ts";
import {
  codeOf,
  errorOf,
  textOf,
  UpstreamWorld,
  type WorldSettings,
} from "../support/upstream_world.ts";

const INTERVAL_MS = 1_000;
const HEALTH = {
  intervalMs: INTERVAL_MS,
  timeoutMs: 500,
  rise: 2,
  fall: 3,
  script: "/ping",
} as const;

/** Answers pings as `ping` says, and everything else with the application's name. */
function serve(
  application: ScriptedApplication,
  name: string,
  ping: (request: ScriptedRequest) => void,
): void {
  void (async () => {
    for (;;) {
      const request = await application.next();
      if (request.params.get("SCRIPT_NAME") === "/ping") ping(request);
      else request.answer(name);
    }
  })();
}

interface Pings {
  count: number;
  answer: (request: ScriptedRequest) => void;
}

async function healthWorld(names: readonly string[], settings: WorldSettings = {}) {
  const world = new UpstreamWorld({
    multiplex: "on",
    balance: "round_robin",
    health: HEALTH,
    servers: names.map((name) => `unix:/${name}`),
    ...settings,
  });
  const pings = new Map<string, Pings>();
  const applications = new Map<string, ScriptedApplication>();
  for (const name of names) {
    const application = await world.application({ address: `unix:/${name}` });
    const ping: Pings = { count: 0, answer: (request) => request.answer("pong") };
    serve(application, name, (request) => {
      ping.count++;
      ping.answer(request);
    });
    pings.set(name, ping);
    applications.set(name, application);
  }
  return { world, pings, applications };
}

async function responders(world: UpstreamWorld, count: number): Promise<string> {
  let names = "";
  for (let index = 0; index < count; index++) names += await textOf(await world.send());
  return names;
}

test("A script is asked as php-fpm's ping.path wants it, on a connection that is closed", async () => {
  const { world, pings, applications } = await healthWorld(["a"]);
  let asked: ScriptedRequest | undefined;
  pings.get("a")!.answer = (request) => {
    asked = request;
    request.answer("pong");
  };
  await world.advance(INTERVAL_MS);
  assert.equal(asked?.params.get("SCRIPT_NAME"), "/ping");
  assert.equal(asked?.params.get("SCRIPT_FILENAME"), "/ping");
  assert.equal(asked?.params.get("REQUEST_METHOD"), "GET");
  await asked?.connection.closed;
  assert.equal(applications.get("a")!.connections.length, 1);
  assert.equal(world.connectionCount, 0, "it is none of the pool's");
  await world.close();
});

test("A server is down after `fall` failures in a row, and up after `rise` good responses", async () => {
  const { world, pings } = await healthWorld(["a", "b"]);
  const a = pings.get("a")!;
  a.answer = (request) => request.answer("no", "Status: 500\n");
  await world.advance(2.6 * INTERVAL_MS);
  assert.equal(a.count, 3);
  assert.deepEqual(world.seen, ["unix:/a is down"]);
  assert.equal(await responders(world, 4), "bbbb");
  a.answer = (request) => request.answer("pong", "Status: 302\nLocation: /\n");
  await world.advance(INTERVAL_MS);
  assert.equal(await responders(world, 2), "bb", "one good response is not enough");
  await world.advance(INTERVAL_MS);
  assert.deepEqual(world.seen, ["unix:/a is down", "unix:/a is up"]);
  assert.equal([...await responders(world, 4)].toSorted().join(""), "aabb");
  await world.close();
});

test("A good response between failures begins the count anew", async () => {
  const { world, pings } = await healthWorld(["a", "b"]);
  const a = pings.get("a")!;
  a.answer = (request) =>
    a.count % 3 === 0 ? request.answer() : request.answer("", "Status: 503\n");
  await world.advance(10 * INTERVAL_MS);
  assert.equal(a.count, 10);
  assert.deepEqual(world.seen, []);
  await world.close();
});

const FAILURES: readonly [string, (request: ScriptedRequest) => void][] = [
  ["never answers", () => {}],
  ["closes", (request) => request.connection.close()],
  ["answers with status 404", (request) => request.answer("", "Status: 404\n")],
  ["is overloaded", (request) => request.end(ProtocolStatus.OVERLOADED)],
  ["ends without a header section", (request) => request.end()],
  ["does not finish its response", (request) => request.stdout("Status: 200\n\npong")],
  ["is not CGI", (request) => request.answer("", "no header\n")],
  ["is not FastCGI", (request) => request.connection.raw("HTTP/1.1 200 OK\r\n\r\n")],
];

for (const [what, answer] of FAILURES) {
  test(`A server whose script ${what} fails its check, and nothing is left of it`, async () => {
    const { world, pings } = await healthWorld(["a", "b"], { health: { ...HEALTH, fall: 1 } });
    pings.get("a")!.answer = answer;
    await world.advance(INTERVAL_MS + HEALTH.timeoutMs);
    assert.deepEqual(world.seen, ["unix:/a is down"]);
    await world.close();
  });
}

test("Without a script FCGI_GET_VALUES is asked, and any response is good", async () => {
  const { world, applications } = await healthWorld(["a", "b"], {
    health: { ...HEALTH, fall: 1, script: undefined },
  });
  await world.advance(3 * INTERVAL_MS);
  assert.deepEqual(world.seen, []);
  assert.equal(applications.get("a")!.questions, 3);
  applications.get("a")!.options = { values: "silence" };
  await world.advance(1.5 * INTERVAL_MS);
  assert.deepEqual(world.seen, ["unix:/a is down"]);
  await world.close();
});

test("A server whose queue of connections is full is not down", async () => {
  const { world } = await healthWorld(["a", "b"]);
  world.runtime.network.fail(parseAddress("unix:/a"), "full");
  await world.advance(6 * INTERVAL_MS);
  assert.deepEqual(world.seen, []);
  await world.close();
});

test("One that refuses is found down although no request ever went there", async () => {
  const { world } = await healthWorld(["a", "b"]);
  world.runtime.network.fail(parseAddress("unix:/a"), "refused");
  await world.advance(3 * INTERVAL_MS);
  assert.deepEqual(world.seen, ["unix:/a is down"]);
  await world.close();
});

test("With every server down a request is refused at once, also one that waits", async () => {
  const { world, pings, applications } = await healthWorld(["a"], {
    multiplex: "off",
    connections: { max: 1 },
  });
  const slow = world.send({ params: [["SCRIPT_NAME", "/slow"]] });
  await world.settle();
  await slow;
  const held = applications.get("a")!;
  pings.get("a")!.answer = (request) => request.answer("", "Status: 500\n");
  await world.advance(3 * INTERVAL_MS);
  const error = await errorOf(world.send());
  assert.equal(error.code, "servers_down");
  assert.equal(error.message, 'Every server of upstream "app" fails its health checks');
  assert.ok(held.connections.length > 0);
  pings.get("a")!.answer = (request) => request.answer();
  await world.advance(2 * INTERVAL_MS);
  assert.equal(await responders(world, 1), "a");
  await world.close();
});

test("A request in the queue learns that the last server went down", async () => {
  const world = new UpstreamWorld({
    multiplex: "off",
    connections: { max: 1 },
    health: { ...HEALTH, fall: 1 },
  });
  const application = await world.application();
  const first = world.send();
  const running = await application.next();
  const waiting = world.send();
  await world.settle();
  assert.equal(world.upstream.queueLength, 1);
  void application.next().then((ping) => ping.answer("", "Status: 500\n"));
  await world.advance(INTERVAL_MS);
  assert.equal(await codeOf(waiting), "servers_down");
  running.answer("done");
  assert.equal(await textOf(await first), "done", "what was in flight may finish");
  await world.close();
});

test("A backup stands in for a server that is down", async () => {
  const { world, pings } = await healthWorld(["a", "b"], {
    servers: [
      { address: parseAddress("unix:/a"), weight: 1, backup: false },
      { address: parseAddress("unix:/b"), weight: 1, backup: true },
    ],
  });
  assert.equal(await responders(world, 2), "aa");
  pings.get("a")!.answer = (request) => request.connection.close();
  await world.advance(3 * INTERVAL_MS);
  assert.equal(await responders(world, 2), "bb");
  await world.close();
});

test("Servers are asked at different moments, and draining stops a question under way", async () => {
  let calls = 0;
  const world = new UpstreamWorld({
    multiplex: "on",
    health: HEALTH,
    servers: ["unix:/a", "unix:/b"],
  }, {
    random: () => [0.2, 0.8][calls++] ?? 0.5,
  });
  const a = await world.application({ address: "unix:/a" });
  const b = await world.application({ address: "unix:/b" });
  await world.advance(250);
  assert.deepEqual([a.begun, b.begun], [1, 0]);
  await world.advance(300);
  assert.deepEqual([a.begun, b.begun], [1, 0]);
  await world.advance(300);
  assert.deepEqual([a.begun, b.begun], [1, 1]);
  await world.close();
  await a.connections[0]!.closed;
  await b.connections[0]!.closed;
});

test("A weight grows from a small share to the full one, and keeps its share when it is changed", () => {
  const weight = new ServerWeight(10, 1_000);
  assert.equal(weight.value, 10);
  weight.shrink();
  assert.equal(weight.value, 10 * SLOW_START_SHARE);
  assert.equal(weight.grow(5_000), true, "it does not grow before the server is back");
  assert.equal(weight.value, 10 * SLOW_START_SHARE);
  weight.startGrowing(5_000);
  assert.equal(weight.grow(5_500), true);
  assert.equal(weight.value, 5);
  weight.configure(20);
  assert.equal(weight.value, 10);
  weight.startGrowing(5_900);
  assert.equal(weight.grow(6_000), false, "a second beginning changes nothing");
  assert.equal(weight.value, 20);
});

test("With slow_start a server that was refused gets few requests at first, then its share", async () => {
  const { world } = await healthWorld(["a", "b"], {
    health: { intervalMs: 0 },
    slowStartMs: 20_000,
  });
  world.runtime.network.fail(parseAddress("unix:/a"), "refused");
  await responders(world, 2);
  world.runtime.network.fail(parseAddress("unix:/a"));
  await world.advance(FAILED_SERVER_REST_MS + 100);
  const share = async () => (await responders(world, 44)).split("a").length - 1;
  const early = await share();
  assert.ok(early >= 1 && early <= 3, `${early} of 44`);
  await world.advance(10_000);
  const middle = await share();
  assert.ok(middle >= 13 && middle <= 17, `${middle} of 44`);
  await world.advance(10_000);
  const late = await share();
  assert.ok(late >= 21 && late <= 23, `${late} of 44`);
  await world.close();
});

test("With slow_start a server that health checks brought back gets few requests at first", async () => {
  const { world, pings } = await healthWorld(["a", "b"], { slowStartMs: 60_000 });
  pings.get("a")!.answer = (request) => request.connection.close();
  await world.advance(3 * INTERVAL_MS);
  pings.get("a")!.answer = (request) => request.answer();
  await world.advance(2 * INTERVAL_MS);
  assert.deepEqual(world.seen, ["unix:/a is down", "unix:/a is up"]);
  const early = (await responders(world, 40)).split("a").length - 1;
  assert.ok(early <= 4, `${early} of 40`);
  await world.close();
});

test("After its rest one trial shows whether a server is back; others do not wait for it", async () => {
  const { world } = await healthWorld(["a", "b"], { health: { intervalMs: 0 } });
  world.runtime.network.fail(parseAddress("unix:/a"), "refused");
  await responders(world, 2);
  world.runtime.network.fail(parseAddress("unix:/a"));
  world.runtime.network.silence(parseAddress("unix:/a"));
  await world.advance(FAILED_SERVER_REST_MS + 100);
  const before = world.runtime.network.connectCount(parseAddress("unix:/a"));
  const names = Array.from({ length: 6 }, () => world.send());
  await world.settle();
  assert.equal(world.runtime.network.connectCount(parseAddress("unix:/a")) - before, 1);
  assert.equal(world.upstream.servers[0]!.streams, 1, "only one request is the trial");
  await world.advance(4_000);
  const texts = await Promise.all(names.map(async (response) => await textOf(await response)));
  assert.equal(texts.join(""), "bbbbbb");
  await world.close();
});
