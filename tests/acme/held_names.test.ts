/**
 * Certificates on demand that are held are so many and no more: the name that was used longest ago
 * makes way, and nobody looks after its certificate any more, until it is asked for again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AcmeWorld, DAY_MS, hello, HOUR_MS, SECOND_MS } from "../support/acme_world.ts";

const NAMES_MAX = 2;

/** Behind the time at which a certificate of 90 days is renewed. */
const RENEWED_MS = 70 * DAY_MS;

test("A name on demand that makes way is not renewed any more, and keeps nothing", async () => {
  const world = new AcmeWorld();
  world.namesMax = NAMES_MAX;
  world.elsewhere = () => Promise.resolve({ status: 200, headers: new Headers(), body: "" });
  const onDemand = { ask: "http://ask.test/may", rateCount: 9, ratePeriodMs: HOUR_MS };
  const { source } = await world.start([[]], { onDemand });
  const find = async (name: string): Promise<boolean> => {
    const found = Promise.resolve(source.find(name, hello(name)));
    await world.pass(10 * SECOND_MS);
    return await found !== undefined;
  };
  const held = () => source.held().map(({ name }) => name).sort();
  /** Names of the certificates that come to be in that time. */
  const issuedIn = async (timeMs: number): Promise<string[]> => {
    const { orders } = world.authority;
    const before = orders.length;
    await world.pass(timeMs, 6 * HOUR_MS);
    return orders.slice(before).flatMap(({ names }) => names).sort();
  };

  assert.equal(await find("a.example"), true);
  const timersOfOne = world.clock.timerCount;
  assert.equal(await find("b.example"), true);
  const timersOfAll = world.clock.timerCount;
  assert.ok(timersOfAll > timersOfOne);
  // Of the two it is the one that was used last.
  assert.equal(await find("a.example"), true);
  assert.equal(await find("c.example"), true);
  assert.deepEqual(held(), ["a.example", "c.example"]);
  assert.equal(world.clock.timerCount, timersOfAll, "a timer of the one that made way is left");
  assert.deepEqual(await issuedIn(RENEWED_MS), ["a.example", "c.example"]);
  // It lies in the store, as old as it is by now.
  assert.equal(await find("b.example"), true);
  assert.deepEqual(held(), ["b.example", "c.example"]);
  await world.stop();
});
