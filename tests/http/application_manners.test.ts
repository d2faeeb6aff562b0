/**
 * What applications say of themselves is obeyed, and what they do in spite of it is learnt: through the
 * whole gateway, over real sockets.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { freshSocket, type Gateway, runtime, withGateway } from "../support/gateway.ts";
import { ManneredApplication, type Manners } from "../support/mannered_application.ts";
import { waitUntil } from "../support/places.ts";

interface Case {
  readonly gateway: Gateway;
  readonly application: ManneredApplication;
}

async function withApplication(manners: Manners, use: (world: Case) => Promise<void>) {
  const server = freshSocket();
  const application = await ManneredApplication.start(runtime, server, manners);
  try {
    const { connections, retry } = UPSTREAM_DEFAULTS;
    const upstream = { multiplex: "auto", connections, retry } as const;
    await withGateway({ server, upstream }, (gateway) => use({ gateway, application }));
  } finally {
    application.stop();
  }
}

async function statuses(gateway: Gateway, count: number, method = "GET"): Promise<number[]> {
  const requests = Array.from({ length: count }, () => gateway.send({ method, target: "/" }));
  return (await Promise.all(requests)).map(({ status }) => status);
}

const all = (count: number) => Array.from({ length: count }, () => 200);

function codes({ log }: Gateway, code: string): number {
  return log.lines.filter((line) => line["code"] === code).length;
}

const LIMITED: Record<string, Manners> = {
  "10 requests on shared connections": { multiplex: true, requestsMax: 10 },
  "10 requests, one on each connection": { multiplex: false, requestsMax: 10 },
  "10 connections, one request on each": { multiplex: false, connectionsMax: 10 },
  "3 shared connections": { multiplex: true, connectionsMax: 3 },
  "1 request": { multiplex: false, requestsMax: 1 },
  "1 request on a shared connection": { multiplex: true, requestsMax: 1, connectionsMax: 1 },
};

for (const [name, manners] of Object.entries(LIMITED)) {
  test(`50 at once to one that takes ${name} wait in the queue, and none is refused`, async () => {
    await withApplication(manners, async ({ gateway, application }) => {
      // Until it has said so, nobody knows: what comes sooner may be refused and sent again.
      await waitUntil(() => application.questions === 1, "the question");
      await waitUntil(() => application.connections === 0, "the end of its connection");
      assert.deepEqual(await statuses(gateway, 50), all(50));
      // On Deno a POST takes a new connection in the place of a kept one, whose end the application
      // may see after the new one: see docs/runtimes.md.
      const method = "Deno" in globalThis && manners.connectionsMax === 10 ? "GET" : "POST";
      assert.deepEqual(await statuses(gateway, 50, method), all(50));
      assert.equal(application.refused, 0);
      assert.ok(application.requestsMax <= (manners.requestsMax ?? 50));
      assert.ok(application.connectionsMax <= (manners.connectionsMax ?? 50));
      assert.equal(application.requestsBegun, 100);
      assert.equal(application.questions, 1);
    });
  });
}

for (const responseMs of [0, 5, 40]) {
  test(`12 at once to one that multiplexes and closes after each response of ${responseMs} ms`, async () => {
    const manners = { multiplex: true, closes: true, responseMs };
    await withApplication(manners, async ({ gateway, application }) => {
      await waitUntil(() => application.questions === 1, "the question");
      assert.deepEqual(await statuses(gateway, 12), all(12));
      assert.deepEqual(await statuses(gateway, 12), all(12));
      assert.deepEqual(await statuses(gateway, 12, "POST"), all(12));
      assert.ok(codes(gateway, "connections_not_kept") <= 1, "it is told once");
      assert.equal(application.questions, 1);
    });
  });
}

test("A GET that breaks a shared connection right after a first response is not sent again", async () => {
  const server = freshSocket();
  let deaths = 0;
  const application = await ManneredApplication.start(runtime, server, {
    multiplex: true,
    responseMs: 0,
    dies: () => void deaths++,
  });
  try {
    await withGateway({ server, upstream: { multiplex: "on" } }, async (gateway) => {
      assert.equal((await gateway.send("/")).status, 200);
      assert.equal((await gateway.send("/die")).status, 502);
      assert.equal(deaths, 1);
    });
  } finally {
    application.stop();
  }
});

test("One that closes after each response, one after the other, is not kept after three", async () => {
  await withApplication({ multiplex: false, closes: true }, async ({ gateway }) => {
    for (let count = 0; count < 6; count++) {
      assert.deepEqual(await statuses(gateway, 1, "POST"), all(1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(codes(gateway, "connections_not_kept"), 1);
  });
});

test("One that dies of the question is asked once, and everything is served", async () => {
  await withApplication({ multiplex: false, asked: "dies" }, async ({ gateway, application }) => {
    assert.deepEqual(await statuses(gateway, 12), all(12));
    for (let count = 0; count < 3; count++) assert.deepEqual(await statuses(gateway, 4), all(4));
    assert.ok(application.questions <= 2, `asked ${application.questions} times`);
  });
});

test("The question is asked at start, before any request", async () => {
  await withApplication({ multiplex: true }, async ({ gateway, application }) => {
    await waitUntil(() => application.questions === 1, "the question");
    assert.deepEqual(await statuses(gateway, 1), all(1));
    assert.equal(application.questions, 1);
  });
});

test("Requests do not wait for a response to the question that never comes", async () => {
  const manners = { multiplex: false, asked: "is_silent" } as const;
  await withApplication(manners, async ({ gateway, application }) => {
    const begunMs = performance.now();
    assert.deepEqual(await statuses(gateway, 5), all(5));
    const tookMs = performance.now() - begunMs;
    assert.ok(tookMs < 700, `${tookMs} ms`);
    await gateway.log.find((line) => line["code"] === "values_unanswered");
    assert.deepEqual(await statuses(gateway, 5), all(5));
    assert.equal(application.questions, 1);
  });
});
