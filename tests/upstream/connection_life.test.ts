/** What is known of a connection to an application by what it has lived through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionLife } from "../../src/upstream/connection_life.ts";
import type { ConnectionEvent } from "../../src/upstream/connection_state.ts";
import type { Transport } from "../../src/upstream/transport.ts";

/** A life with what the system tells of the other end. */
function lifeOf({ keeps = true, accepted = undefined as boolean | undefined } = {}) {
  const transport: Pick<Transport, "peerProgress" | "isAccepted"> = {
    peerProgress: (mustBeOpen) => mustBeOpen ? "caught_up" : "behind",
    isAccepted: () => accepted,
  };
  const clock = { at: 0, nowMs: () => clock.at };
  const life = new ConnectionLife(transport as Transport, keeps);
  const take = (...events: ConnectionEvent[]): void => events.forEach((event) => life.take(event));
  return { life, clock, take };
}

test("How a connection ended is told by how it began and who closed it", () => {
  const cases: [events: ConnectionEvent[], refused: boolean, byUs: boolean, stood: boolean][] = [
    [["ended"], true, false, false],
    [["timeout", "ended"], true, false, false],
    [["close", "ended"], false, true, false],
    [["opened", "ended"], false, false, true],
    [["opened", "drain", "ended"], false, false, true],
    [["opened", "close", "ended"], false, true, true],
  ];
  for (const [events, refused, byUs, stood] of cases) {
    const { life, take } = lifeOf();
    assert.deepEqual([life.takesRequests, life.isOver, life.hasStood], [true, false, false]);
    take(...events);
    assert.deepEqual(
      [life.wasRefused, life.wasClosedByUs, life.hasStood, life.isOver, life.takesRequests],
      [refused, byUs, stood, true, false],
      events.join(),
    );
    assert.equal(life.shownState, "closed");
  }
  const { life, take } = lifeOf();
  take("opened");
  assert.deepEqual([life.state, life.shownState, life.takesRequests], ["open", "open", true]);
  take("drain");
  assert.deepEqual([life.shownState, life.takesRequests, life.isOver], ["draining", false, false]);
});

test("A close within 20 ms of the first response, and of no other, is the application's habit", () => {
  const cases: [
    ended: number,
    afterMs: number,
    options: { keeps?: boolean },
    byUs: boolean,
    is: boolean,
  ][] = [
    [1, 0, {}, false, true],
    [1, 19.9, {}, false, true],
    [1, 20, {}, false, false],
    [0, 0, {}, false, false],
    [2, 0, {}, false, false],
    [1, 0, { keeps: false }, false, false],
    [1, 0, {}, true, false],
  ];
  for (const [ended, afterMs, options, byUs, is] of cases) {
    const { life, clock, take } = lifeOf(options);
    take("opened");
    clock.at = 1_000;
    for (let count = 0; count < ended; count++) {
      life.requestBegan(count + 1);
      life.requestEnded(clock);
    }
    if (byUs) take("close");
    take("ended");
    life.lost(3, 1_000 + afterMs);
    assert.equal(life.closedWithResponse, is, `${ended} ${afterMs}`);
    assert.deepEqual([life.requestsBegun, life.requestsEnded, life.requestsLost], [
      ended,
      ended,
      3,
    ]);
  }
});

test("A later response does not move the time of the first", () => {
  const { life, clock, take } = lifeOf();
  take("opened");
  life.requestBegan(1);
  life.requestEnded(clock);
  clock.at = 10;
  take("ended");
  life.lost(1, 15);
  assert.equal(life.closedWithResponse, true);
});

test("A request is lost by habit unless it alone has begun since the response", () => {
  const lost = (lostCount: number) => {
    const { life, clock, take } = lifeOf();
    take("opened");
    life.requestBegan(1);
    life.requestBegan(2);
    life.requestEnded(clock);
    life.requestBegan(3);
    take("ended");
    life.lost(lostCount, 0);
    return [2, 3].map((id) => life.isLostByHabit(id));
  };
  assert.deepEqual(lost(1), [true, false]);
  assert.deepEqual(lost(2), [true, true]);
  const { life, clock, take } = lifeOf();
  take("opened");
  for (const id of [1, 2]) {
    life.requestBegan(id);
    life.requestEnded(clock);
  }
  take("ended");
  life.lost(1, 0);
  assert.deepEqual([life.isLostByHabit(2), life.isLostByHabit(2, true)], [false, true]);
  const first = lifeOf().life;
  assert.equal(first.isLostByHabit(1, true), false, "it was never used before");
});

test("What anything has come from was accepted, whatever the system tells", () => {
  for (const accepted of [true, false, undefined]) {
    const { life } = lifeOf({ accepted });
    assert.equal(life.isAccepted(), accepted);
    assert.equal(life.canTellAccepted, accepted !== undefined);
    assert.deepEqual([life.peerProgress(true), life.peerProgress(false)], ["caught_up", "behind"]);
    life.received();
    assert.equal(life.isAccepted(), true);
    assert.equal(life.canTellAccepted, accepted !== undefined);
  }
});
