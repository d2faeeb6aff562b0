/**
 * Bytes that an application does not take count as memory while they wait, and no longer: however the
 * connection ends that they wait for.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScriptedRequest } from "../support/scripted_application.ts";
import { fedBody, UpstreamWorld } from "../support/upstream_world.ts";

const ENDS: Readonly<
  Record<
    string,
    (world: UpstreamWorld, request: ScriptedRequest, client: AbortController) => unknown
  >
> = {
  "the application closes it": (_world, { connection }) => connection.close(),
  "the application ends its side": (_world, { connection }) => connection.end(),
  "the application sends nonsense": (_world, { connection }) =>
    connection.raw("nonsense".repeat(9)),
  "the client leaves": (_world, _request, client) => client.abort(),
  "the application is too slow": (world) => world.advance(40_000),
  "all is drained": (world) => world.upstream.drain(0),
};

for (const multiplex of ["on", "off"] as const) {
  for (const [end, act] of Object.entries(ENDS)) {
    test(`Unsent bytes hold no memory when ${end}, multiplex ${multiplex}`, async () => {
      const world = new UpstreamWorld({
        multiplex,
        timeouts: { firstByteMs: 20_000, abortMs: 5_000 },
        retry: { attemptsMax: 0 },
      });
      const application = await world.application({ multiplex: multiplex === "on" });
      const client = new AbortController();
      const length = 4_000_000;
      const { body, feed } = fedBody(length);
      void world.send({
        method: "POST",
        body: { ...body, memoryMax: 1_000 },
        signal: client.signal,
      });
      const begun = application.next();
      for (let sent = 0; sent < length; sent += 100_000) feed.enqueue(new Uint8Array(100_000));
      feed.close();
      const request = await begun;
      request.connection.stopReading();
      await world.settle();
      assert.ok(world.memory.used > 0, "some of it waits");
      await act(world, request, client);
      await world.advance(10_000);
      assert.equal(world.connectionCount, 0);
      assert.equal(world.memory.used, 0);
      await world.close();
    });
  }
}
