/**
 * Our responder where each accept, read and write of its connections fails in its turn: every request of a
 * web server ends, the server takes new ones afterwards, and nothing is left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { COMPLETE, serve, streamOf, turns } from "../responder/setup.ts";
import type { WebServerClient, WebServerRequest } from "../responder/web_server_client.ts";
import { failEach, FailingNetwork, type Operations } from "../support/failing_operations.ts";

interface Scenario {
  readonly name: string;
  readonly handler: FastCgiHandler;
  readonly ask: (client: WebServerClient) => WebServerRequest[];
}

const LARGE = new Uint8Array(300_000);

const SCENARIOS: readonly Scenario[] = [
  {
    name: "a short response",
    handler: () => new Response("x"),
    ask: (client) => [client.begin()],
  },
  {
    name: "requests side by side, with bodies",
    handler: async (request) => new Response(await request.text()),
    ask: (client) => [
      client.begin({ method: "POST", body: "a" }),
      client.begin({ method: "POST", body: LARGE }),
      client.begin(),
    ],
  },
  {
    name: "a response in pieces",
    handler: () => new Response(streamOf([LARGE, LARGE.subarray(0, 1), LARGE])),
    ask: (client) => [client.begin()],
  },
  {
    name: "a connection that ends with its request",
    handler: () => new Response("x"),
    ask: (client) => [client.begin({ keepConnection: false })],
  },
];

/** None where the connection broke before. */
function ask(scenario: Scenario, client: WebServerClient): WebServerRequest[] {
  return client.closed ? [] : scenario.ask(client);
}

async function run(scenario: Scenario, operations: Operations): Promise<void> {
  const network = new FailingNetwork(operations, "server");
  const world = await serve(scenario.handler, {}, network);
  const client = await world.connect();
  const requests = ask(scenario, client);
  for (const request of requests) {
    const end = await request.ended();
    const isCut = operations.failed !== undefined && end === "lost";
    assert.ok(isCut || (end !== "lost" && end.appStatus === COMPLETE.appStatus), String(end));
  }
  if (operations.failed !== undefined) {
    const again = await world.connect();
    assert.deepEqual(await again.begin().ended(), COMPLETE, "a later request");
    await again.destroy();
  }
  await client.destroy();
  await turns();
  // Nothing is open, so nobody waits for the grace.
  await world.server.shutdown({ grace: 1_000_000 });
  assert.equal(world.runtime.clock.timerCount, 0, "a timer is left");
}

for (const scenario of SCENARIOS) {
  test(`Whichever accept, read or write fails, each request ends: ${scenario.name}`, async () => {
    const failures = await failEach((operations) => run(scenario, operations));
    for (const operation of ["accept", "read", "write"]) {
      assert.ok(failures.includes(operation), `no ${operation} has failed: ${failures}`);
    }
  });
}
