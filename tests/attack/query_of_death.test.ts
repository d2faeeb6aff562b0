/**
 * A request that kills the application that gets it: it must not be carried from worker to worker,
 * nor take those down that share its connection once it is suspected.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScriptedRequest } from "../support/scripted_application.ts";
import { bodyOf, codeOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const SECOND = "tcp://127.0.0.2:9000";
const METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST"] as const;

for (const multiplex of ["on", "off"] as const) {
  for (const method of METHODS) {
    test(`A ${method} that kills its worker runs once on a single server (multiplex ${multiplex})`, async () => {
      const world = new UpstreamWorld({ multiplex, retry: { delayMs: 0 } });
      const application = await world.application({ multiplex: multiplex === "on" });
      // Once on a new connection, and once on a kept one.
      for (const isKept of [false, true]) {
        if (isKept) {
          const before = world.send();
          (await application.next()).answer();
          await before;
        }
        const response = world.send({ method });
        (await application.next()).connection.close();
        assert.equal(await codeOf(response), "connection_lost");
        await world.advance(1_000);
        assert.equal(application.begun, 0, "it was not sent again");
      }
      await world.close();
    });
  }
}

test("Of those on a lost connection each is tried alone elsewhere, and the killer takes nobody along", async () => {
  const world = new UpstreamWorld({ multiplex: "on", servers: ["tcp://127.0.0.1:9000", SECOND] });
  const first = await world.application();
  const second = await world.application({ address: SECOND });
  const responses = new Map<string, Promise<unknown>>();
  const requests: ScriptedRequest[] = [];
  for (const name of ["death", "a", "b", "c", "d", "e"]) {
    responses.set(name, world.send({ params: [["N", name]] }));
  }
  await world.settle();
  for (const application of [first, second]) {
    while (application.begun > 0) requests.push(await application.next());
  }
  const death = requests.find(({ params }) => params.get("N") === "death")!;
  const together = requests.filter(({ connection }) => connection === death.connection);
  assert.ok(together.length > 1, "it shares its connection at first");
  for (const request of requests) if (!together.includes(request)) request.answer("fine");
  const other = first.connections.includes(death.connection) ? second : first;
  death.connection.close();
  await world.settle();
  const again: ScriptedRequest[] = [];
  while (other.begun > 0) again.push(await other.next());
  assert.equal(again.length, together.length);
  assert.equal(new Set(again.map(({ connection }) => connection)).size, again.length, "each alone");
  for (const request of again) {
    if (request.params.get("N") === "death") request.connection.close();
    else request.answer("fine");
  }
  for (const [name, response] of responses) {
    if (name === "death") assert.equal(await codeOf(response), "connection_lost");
    else assert.ok(await response);
  }
  await world.advance(1_000);
  assert.equal(first.begun + second.begun, 0, "one run on each server, and no more");
  await world.close();
});

test("A suspect that finds every connection busy makes room for itself, and others go on", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    servers: ["tcp://127.0.0.1:9000", SECOND],
    connections: { max: 1 },
    balance: "round_robin",
  });
  const first = await world.application();
  const second = await world.application({ address: SECOND });
  const [suspect, busy] = [world.send(), world.send()];
  const [one, two] = [await first.next(), await second.next()];
  one.connection.close();
  await world.settle();
  assert.equal(second.begun, 0, "the only connection is another's");
  two.answer("done");
  assert.equal(await textOf(await busy), "done");
  const again = await second.next();
  assert.notEqual(again.connection, two.connection);
  again.answer("innocent");
  assert.equal(await textOf(await suspect), "innocent");
  await world.close();
});

test("POSTs of which nothing was sent are sent again when their connection is lost", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    connections: { max: 1 },
    retry: { delayMs: 0 },
  });
  const application = await world.application();
  const length = 3 * 1024 * 1024;
  const death = world.send({ method: "PUT", body: bodyOf("x".repeat(length), length) });
  const request = await application.next();
  request.connection.stopReading();
  await world.settle();
  // The system takes nothing: these wait where they can be taken back.
  const innocent = [world.send({ method: "POST" }), world.send({ method: "DELETE" })];
  await world.settle();
  request.connection.close();
  await world.advance(100);
  for (let count = 0; count < 2; count++) (await application.next()).answer("once");
  for (const response of innocent) assert.equal(await textOf(await response), "once");
  assert.equal(await codeOf(death), "connection_lost");
  await world.close();
});
