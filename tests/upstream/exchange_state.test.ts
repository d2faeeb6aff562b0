/**
 * The table of an attempt's states: each transition is taken, in simulated worlds or by the scripts
 * here; an event that it lacks is an error, which ends the attempt and is told.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextState, TransitionError } from "../../src/protocol/transitions.ts";
import { EXCHANGE_TRANSITIONS as TRANSITIONS } from "../../src/upstream/exchange_state.ts";
import { simulate } from "../simulation/simulation.ts";
import { errorOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";
import { watchTransitions, withoutTransition } from "../support/watched_transitions.ts";

const SEEDS = 50;
const STEPS = 80;
const NO_RETRIES = { multiplex: "on", retry: { attemptsMax: 0 } } as const;

test("Every transition of an attempt is taken", async () => {
  const watched = watchTransitions(TRANSITIONS);
  try {
    for (let seed = 0; seed < SEEDS; seed++) await simulate(seed, STEPS);
    assert.deepEqual(watched.missing(), []);
  } finally {
    watched.restore();
  }
});

test("An event that the table of an attempt lacks is an error", () => {
  let refused = 0;
  for (const state of Object.keys(TRANSITIONS) as (keyof typeof TRANSITIONS)[]) {
    for (const event of ["placed", "placed_early", "connected", "headers", "done"] as const) {
      if (event in TRANSITIONS[state]) continue;
      assert.throws(() => nextState(TRANSITIONS, state, event, "a test"), TransitionError);
      refused++;
    }
  }
  assert.equal(refused, 5 * 5 - Object.values(TRANSITIONS).flatMap(Object.keys).length);
});

test("An attempt ends with an error when the table lacks what its connection tells", async () => {
  for (const [state, event] of [["connect", "connected"], ["first_byte", "headers"]] as const) {
    const world = new UpstreamWorld(NO_RETRIES);
    const application = await world.application();
    const failures: unknown[] = [];
    world.onFailure = (error) => void failures.push(error);
    await withoutTransition(TRANSITIONS, state, event as "done", async () => {
      const sent = world.send({ method: "POST" });
      if (event === "headers") (await application.next()).answer("never seen");
      const error = await errorOf(sent);
      assert.equal(error.code, "connection_lost");
    });
    const expected = new TransitionError("an exchange", state, event);
    assert.equal(String(failures[0]), String(expected), event);
    // The application and the connections behind it are none the worse for it.
    const next = world.send();
    (await application.next()).answer("seen");
    assert.equal(await textOf(await next), "seen");
    await world.close();
  }
});

test("An attempt ends with an error when the table lacks what its limits lead to", async () => {
  for (const state of ["first_byte", "queue"] as const) {
    const world = new UpstreamWorld({
      ...NO_RETRIES,
      queue: { timeoutMs: 1_000 },
      connections: { max: 1, streamsMax: 1 },
    });
    const application = await world.application();
    const failures: unknown[] = [];
    world.onFailure = (error) => void failures.push(error);
    const first = world.send();
    await application.next();
    const second = world.send();
    await world.settle();
    assert.equal(world.upstream.queueLength, 1);
    await withoutTransition(TRANSITIONS, state, "done", async () => {
      world.runtime.clock.advance(state === "queue" ? 2_000 : 200_000);
      await world.settle();
    });
    const error = await errorOf(state === "queue" ? second : first);
    assert.equal(error.code, "connection_lost", state);
    assert.equal(error.fault, "local", state);
    assert.equal(world.upstream.queueLength, 0, state);
    const expected = new TransitionError("an exchange", state, "done");
    assert.equal(String(failures[0]), String(expected), state);
  }
});
