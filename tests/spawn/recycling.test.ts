/** Workers that end well after their work, as PHP_FCGI_MAX_REQUESTS has it, and those that only seem to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { IDLE_ENDS_MAX } from "../../src/spawn/back_off.ts";
import { turns, World } from "./world.ts";

const PATH = "/tmp/afcgi-1/1.sock";
const GOOD = { code: 0, signal: null } as const;

/** Ends the process that runs, after it has begun this many requests in all. */
async function end(world: World, requests: number, code = 0): Promise<void> {
  world.requests.set(PATH, requests);
  world.children.at(-1)!.end({ code, signal: null });
  await turns();
}

test("One that ends with status 0 after requests is followed at once, time after time", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  for (let run = 1; run <= 20; run++) await end(world, run * 500);
  assert.equal(world.children.length, 21);
  assert.deepEqual(new Set(world.log), new Set(["1.sock ended with status 0, 0, as it should"]));
  assert.deepEqual(world.states, ["listening"]);
  await world.application.stop();
});

test("The server's count that begins anew with each run is told from none", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  await end(world, 500);
  world.requests.set(PATH, 0);
  await turns();
  await end(world, 499);
  assert.equal(world.children.length, 3);
  await world.application.stop();
});

test("What began before the last run had ended may be this one's, but not what is older", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  // Two at once: the second one waits in the socket for the next run.
  for (const requests of [2, 2, 4, 4, 6, 6]) await end(world, requests);
  assert.deepEqual(world.log, Array(6).fill("1.sock ended with status 0, 0, as it should"));
  await end(world, 6);
  assert.equal(world.log.at(-1), "1.sock ended with status 0, 250");
  await world.application.stop();
});

test("The back-off goes on where it was: a recycle neither lengthens nor shortens it", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  await end(world, 0, 1);
  await world.advance(250);
  await end(world, 10);
  await end(world, 10, 1);
  assert.deepEqual(world.log, [
    "1.sock ended with status 1, 250",
    "1.sock ended with status 0, 0, as it should",
    "1.sock ended with status 1, 500",
  ]);
  await world.application.stop();
});

test("Requests are no excuse for another status or a signal", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  await end(world, 10, 255);
  assert.deepEqual(world.log, ["1.sock ended with status 255, 250"]);
  await world.advance(250);
  world.requests.set(PATH, 20);
  world.children.at(-1)!.end({ code: null, signal: "SIGSEGV" });
  await turns();
  assert.equal(world.log.at(-1), "1.sock was ended by SIGSEGV, 500");
  await world.application.stop();
});

test("A program that ends at once on a socket that was there before it waits", async () => {
  const world = new World({ command: ["true"] });
  await world.application.start();
  await turns();
  await end(world, 0);
  assert.deepEqual(world.log, ["1.sock ended with status 0, 250"]);
  await world.application.stop();
});

test("One that has listened and ends without a request is followed at once a few times", async () => {
  const world = new World({ command: ["app", "{socket}"] });
  await world.runtime.listen({ transport: "unix", path: PATH }, (peer) => peer.destroy());
  await world.application.start();
  await turns();
  for (let run = 0; run <= IDLE_ENDS_MAX; run++) {
    world.children.at(-1)!.end(GOOD);
    await turns();
  }
  const atOnce = "1.sock ended with status 0, 0, as it should";
  assert.deepEqual(world.log, [
    ...Array.from({ length: IDLE_ENDS_MAX }, () => atOnce),
    "1.sock ended with status 0, 250",
  ]);
  await world.application.stop();
});
