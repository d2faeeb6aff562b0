/**
 * The table of the states of a connection to an application: each transition is taken, in simulated
 * worlds or by the scripts here; an event that it lacks is an error, which ends the connection and is
 * told.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextState, TransitionError } from "../../src/protocol/transitions.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { UpstreamConnection } from "../../src/upstream/connection.ts";
import { CONNECTION_TRANSITIONS as TRANSITIONS } from "../../src/upstream/connection_state.ts";
import { Deadlines } from "../../src/upstream/deadlines.ts";
import { SILENT_OBSERVER } from "../../src/upstream/observer.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { ROOM_TRANSITIONS } from "../../src/upstream/room_notice.ts";
import { simulate } from "../simulation/simulation.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { codeOf, UpstreamWorld } from "../support/upstream_world.ts";
import { watchTransitions, withoutTransition } from "../support/watched_transitions.ts";
import { untilIdle } from "../support/idle.ts";

const SEEDS = 100;
const STEPS = 80;

/** A connection of its own to an application that accepts, or does not even say no. */
async function connectionTo(kind: "accepts" | "is silent") {
  const runtime = new MemoryRuntime();
  const address = parseAddress("127.0.0.1:9000");
  if (kind === "accepts") await runtime.listen(address, () => {});
  else runtime.network.silence(address);
  const deadlines = new Deadlines(runtime.clock);
  const failures: unknown[] = [];
  let ended = 0;
  const connection = new UpstreamConnection({
    runtime,
    deadlines,
    owner: {
      hasWaiting: false,
      onOpen: () => {},
      onBegan: () => {},
      onRoom: () => {},
      onSwitched: () => {},
      onClosed: () => void ended++,
    },
    observer: { ...SILENT_OBSERVER, onFailure: (_, error) => void failures.push(error) },
    server: { address, weight: 1, backup: false },
    options: { ...UPSTREAM_DEFAULTS, name: "app", servers: [] },
    multiplexed: true,
    keeps: true,
    number: 1,
  });
  return { connection, runtime, failures, ended: () => ended };
}

/** A step for a connection, and the state it must be in then. */
type Step = readonly ["drain" | "close" | "timeout" | "settle", string];

/** What seldom happens in simulated worlds, or never. */
const SCRIPTS: readonly (readonly ["accepts" | "is silent", readonly Step[]])[] = [
  ["is silent", [
    ["drain", "connecting_last"],
    ["drain", "connecting_last"],
    ["close", "called_off"],
    ["close", "called_off"],
    ["drain", "called_off"],
    ["settle", "dropped"],
  ]],
  ["is silent", [["close", "called_off"], ["timeout", "called_off"], ["settle", "dropped"]]],
  ["is silent", [
    ["timeout", "timed_out"],
    ["drain", "timed_out"],
    ["close", "timed_out"],
    ["settle", "refused"],
  ]],
  ["accepts", [
    ["settle", "open"],
    ["close", "closing"],
    ["close", "closing"],
    ["drain", "closing"],
    ["settle", "closed"],
    ["drain", "closed"],
    ["close", "closed"],
  ]],
];

async function play(kind: "accepts" | "is silent", steps: readonly Step[]): Promise<void> {
  const { connection, runtime, failures, ended } = await connectionTo(kind);
  // One that has nothing to do closes when it drains.
  const { life } = connection;
  for (const [index, [step, state]] of steps.entries()) {
    if (step === "settle") await untilIdle();
    else if (step === "timeout") runtime.clock.advance(UPSTREAM_DEFAULTS.timeouts.connectMs + 100);
    else if (step === "drain" && !life.isOver) life.take("drain");
    else if (step === "drain") connection.drain();
    else connection.close();
    assert.equal(life.state, state, `step ${index + 1}, ${step}`);
    assert.equal(connection.canBegin, state === "open", `step ${index + 1}, ${step}`);
  }
  assert.deepEqual(failures, []);
  assert.equal(ended(), 1);
}

test("Every transition of a connection to an application is taken", async () => {
  const watched = [watchTransitions(TRANSITIONS), watchTransitions(ROOM_TRANSITIONS)];
  try {
    for (let seed = 0; seed < SEEDS; seed++) await simulate(seed, STEPS);
    for (const [kind, steps] of SCRIPTS) await play(kind, steps);
    assert.deepEqual(watched.map((one) => one.missing()), [[], []]);
  } finally {
    for (const one of watched) one.restore();
  }
});

test("An event that the table of a connection to an application lacks is an error", () => {
  let refused = 0;
  for (const state of Object.keys(TRANSITIONS) as (keyof typeof TRANSITIONS)[]) {
    for (const event of ["opened", "timeout", "drain", "close", "ended"] as const) {
      if (event in TRANSITIONS[state]) continue;
      assert.throws(() => nextState(TRANSITIONS, state, event, "a test"), TransitionError);
      refused++;
    }
  }
  assert.equal(refused, 5 * 11 - Object.values(TRANSITIONS).flatMap(Object.keys).length);
});

test("A connection ends and says so when the table lacks what happens", async () => {
  for (const event of ["opened", "timeout", "ended"] as const) {
    const kind = event === "timeout" ? "is silent" : "accepts";
    const { connection, runtime, failures, ended } = await connectionTo(kind);
    const state = event === "ended" ? "closing" : "connecting";
    await withoutTransition(TRANSITIONS, state, event as "ended", async () => {
      if (event === "timeout") {
        runtime.clock.advance(UPSTREAM_DEFAULTS.timeouts.connectMs + 100);
      }
      await untilIdle();
      if (event === "ended") connection.close();
      await untilIdle();
    });
    const error = new TransitionError("a connection to an application", state, event);
    assert.deepEqual(failures.map(String), [String(error)], event);
    assert.equal(ended(), 1, event);
    runtime.clock.advance(100);
    assert.equal(runtime.clock.timerCount, 0, event);
  }
});

test("Who waits for a connection that ends by a slip of ours gets an error", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const application = await world.application();
  const failures: unknown[] = [];
  const sent = world.send({ method: "POST" });
  const request = await application.next();
  world.onFailure = (error) => void failures.push(error);
  await withoutTransition(ROOM_TRANSITIONS, "quiet", "dispatch", async () => {
    request.answer("never seen");
    await world.settle();
  });
  assert.equal(await codeOf(sent), "connection_lost");
  assert.match(String(failures[0]), /^TransitionError: Cannot take "dispatch" for the room/);
  await world.close();
});

test("In a test an event that the table lacks is thrown", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  world.runtime.network.silence(parseAddress(ADDRESS));
  void world.send();
  await withoutTransition(TRANSITIONS, "connecting", "timeout", async () => {
    await world.settle();
    assert.throws(() => world.runtime.clock.advance(60_000), TransitionError);
    await world.settle();
  });
});
