/** What an application shows of itself, seen alone: each trait is told once, and forgotten with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ApplicationTraits,
  CLOSED_AFTER_MS,
  CLOSED_IN_ROW,
  type EndedConnection,
  type Trait,
} from "../../src/upstream/application_traits.ts";

function traits() {
  const told: Trait[] = [];
  return { told, traits: new ApplicationTraits((trait) => told.push(trait)) };
}

function ended(
  life: Partial<EndedConnection["life"]> = {},
  multiplexed = false,
): EndedConnection {
  return {
    multiplexed,
    life: {
      keeps: true,
      wasClosedByUs: false,
      requestsEnded: 1,
      requestsLost: 0,
      closedWithResponse: false,
      ...life,
    },
  };
}

test("One that is silent is not kept, until it answers", () => {
  const { told, traits: seen } = traits();
  assert.equal(seen.keeps, true);
  seen.asked("silent");
  seen.asked("silent");
  assert.equal(seen.keeps, false);
  assert.deepEqual(told, ["values_unanswered"]);
  seen.asked("answered");
  assert.equal(seen.keeps, true);
  // Every worker was busy: that says nothing.
  seen.asked("unread");
  assert.equal(seen.keeps, true);
});

test("It died of the question if it closed and then takes no connection, and only then", () => {
  for (const outcome of ["answered", "refused", "silent", "unread"] as const) {
    const { traits: seen } = traits();
    seen.asked(outcome);
    seen.connectFailed();
    assert.equal(seen.diesWhenAsked, false, outcome);
  }
  const alive = traits().traits;
  alive.asked("closed");
  alive.connected();
  alive.connectFailed();
  assert.equal(alive.diesWhenAsked, false, "it took a connection after the question");
  const { told, traits: dead } = traits();
  dead.asked("closed");
  dead.connectFailed();
  dead.connectFailed();
  assert.equal(dead.diesWhenAsked, true);
  assert.deepEqual(told, ["died_when_asked"]);
});

test("Connections that are closed soon after their first response, three in a row, are a habit", () => {
  const { told, traits: seen } = traits();
  for (let count = 1; count < CLOSED_IN_ROW; count++) seen.closed(ended(), CLOSED_AFTER_MS - 1);
  assert.equal(seen.closes, false);
  // One that lasted breaks the row.
  seen.closed(ended({ requestsEnded: 2 }), CLOSED_AFTER_MS - 1);
  for (let count = 1; count < CLOSED_IN_ROW; count++) seen.closed(ended(), CLOSED_AFTER_MS - 1);
  assert.equal(seen.closes, false);
  seen.closed(ended(), CLOSED_AFTER_MS - 1);
  assert.equal(seen.closes, true);
  assert.equal(seen.keeps, false);
  assert.deepEqual(told, ["connections_not_kept"]);
  seen.connectFailed();
  assert.equal(seen.keeps, true, "it may be another application now");
});

test("What is no habit: late, closed by us, not kept, before any response, or with a request", () => {
  const { traits: seen } = traits();
  const harmless: [EndedConnection, number | undefined][] = [
    [ended(), CLOSED_AFTER_MS],
    [ended({ wasClosedByUs: true }), 0],
    [ended({ keeps: false }), 0],
    [ended({ requestsEnded: 0 }), undefined],
    // It died of a request that came after the first response.
    [ended({ requestsLost: 1 }), undefined],
    [ended({ requestsLost: 3 }, true), undefined],
  ];
  for (const [connection, restedMs] of harmless) {
    for (let count = 0; count < CLOSED_IN_ROW; count++) seen.closed(connection, restedMs);
    assert.equal(seen.closes, false);
  }
});

test("A shared connection that is closed with its first response is enough, if it cost a request", () => {
  const { traits: seen } = traits();
  seen.closed(ended({ closedWithResponse: true }, true), undefined);
  assert.equal(seen.closes, false);
  seen.closed(ended({ closedWithResponse: true, requestsLost: 1 }, true), undefined);
  assert.equal(seen.closes, true);
});
