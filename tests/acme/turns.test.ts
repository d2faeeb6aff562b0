/** Turns of orders: no more at a time than may, first come first served, and none that is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Turns } from "../../src/acme/turns.ts";
import { turn } from "../support/idle.ts";

interface Order {
  readonly stop: AbortController;
  readonly end: PromiseWithResolvers<void>;
  state: "waiting" | "running" | "done" | "given up";
}

type Act = { readonly kind: "begin" } | { readonly kind: "end" | "stop"; readonly at: number };

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  fc.constant<Act>({ kind: "begin" }),
  fc.record({ kind: fc.constantFrom("end" as const, "stop" as const), at: fc.nat(9) }),
);

function begin(turns: Turns): Order {
  const order: Order = {
    stop: new AbortController(),
    end: Promise.withResolvers(),
    state: "waiting",
  };
  turns.take(async () => {
    order.state = "running";
    await order.end.promise;
    order.state = "done";
  }, order.stop.signal).catch(() => order.state = "given up");
  return order;
}

test("Whoever ends or gives up, the next one in line has the turn, and nobody else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyAct, { maxLength: 25 }), async (acts) => {
      const max = 2;
      const turns = new Turns(max);
      const orders: Order[] = [];
      const of = (state: Order["state"]) => orders.filter((order) => order.state === state);
      for (const act of acts) {
        if (act.kind === "begin") orders.push(begin(turns));
        else {
          const from = of(act.kind === "end" ? "running" : "waiting");
          const chosen = from[act.at % Math.max(1, from.length)];
          if (act.kind === "end") chosen?.end.resolve();
          else chosen?.stop.abort(new Error("given up"));
        }
        const line = of("waiting");
        await turn();
        assert.ok(of("running").length <= max);
        assert.ok(of("waiting").length === 0 || of("running").length === max, "a turn is lost");
        // Those that have it now stood before those that still wait.
        const rest = of("waiting");
        assert.deepEqual(
          rest,
          line.filter((order) => order.state !== "given up").slice(
            line.filter((order) => order.state !== "given up").length - rest.length,
          ),
        );
      }
      for (const order of orders) order.end.resolve();
      for (let round = 0; round < orders.length; round++) await turn();
      assert.equal(of("waiting").length + of("running").length, 0);
    }),
    { numRuns: 200 },
  );
});
