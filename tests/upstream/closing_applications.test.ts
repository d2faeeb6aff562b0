/**
 * An application that says it multiplexes and closes the connection with its first response, as
 * node-fastcgi does: what it has shown by that, and what becomes of the requests beside it, by how many
 * there were and when they began.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScriptedRequest } from "../support/scripted_application.ts";
import { textOf, UpstreamWorld } from "../support/upstream_world.ts";

/** Requests that began before the first response, and behind it. */
const BESIDE = [[0, 0], [1, 0], [0, 1], [1, 1], [2, 0], [0, 2]] as const;

for (const method of ["GET", "POST"] as const) {
  for (const [before, behind] of BESIDE) {
    test(`A close with the first response, ${method}: ${before} from before it and ${behind} behind it are lost`, async () => {
      const world = new UpstreamWorld({ multiplex: "auto" });
      const application = await world.application();
      const first = world.send();
      const others = Array.from({ length: before }, () => world.send({ method }));
      const begun: ScriptedRequest[] = [];
      for (let count = 0; count <= before; count++) begun.push(await application.next());
      begun[0]!.answer("first");
      assert.equal(await textOf(await first), "first");
      for (let count = 0; count < behind; count++) {
        others.push(world.send({ method }));
        begun.push(await application.next());
      }
      const { connection } = begun[0]!;
      assert.ok(begun.every((request) => request.connection === connection), "all on one");
      connection.close();
      await world.settle();

      const lost = before + behind;
      assert.deepEqual(world.traits, lost > 0 ? ["connections_not_kept"] : []);
      // The only one that began behind the response may have broken the connection itself.
      const isHabit = (index: number) => method === "GET" && (lost > 1 || index < before);
      for (let index = 0; index < lost; index++) {
        if (isHabit(index)) (await application.next()).answer("again");
      }
      const outcomes = await Promise.all(
        others.map((response) => response.then(textOf, ({ code }) => code)),
      );
      assert.deepEqual(
        outcomes,
        others.map((_, index) => isHabit(index) ? "again" : "connection_lost"),
      );
      await world.close();
    });
  }
}
