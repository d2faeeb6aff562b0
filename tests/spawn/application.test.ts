/** Workers in memory: started, started again, replaced, stopped. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpawnError } from "../../src/runtime/spawner.ts";
import { REPLACE_POLL_MS, REQUESTS_POLL_MS, SETTLE_MS } from "../../src/spawn/application.ts";
import { WELL_AFTER_MS } from "../../src/spawn/back_off.ts";
import { DRAIN_MS, turns, World } from "./world.ts";

/** From the start of a worker to the end of the one before it. */
const REPLACED_MS = REPLACE_POLL_MS + SETTLE_MS;

test("Each worker has a socket of its own as descriptor 0, and is a server at once", async () => {
  const world = new World({ command: ["app", "-x"], workers: 2, env: { WORD: "w" }, cwd: "/srv" });
  await world.application.start();
  await turns();
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/1.sock", "/tmp/afcgi-1/2.sock"]);
  assert.deepEqual(world.states, ["listening", "listening"]);
  const [first, second] = world.children.map(({ options }) => options);
  assert.deepEqual(first!.command, ["app", "-x"]);
  assert.deepEqual(first!.env, { PATH: "/bin", HOME: "/h", WORD: "w" });
  assert.equal(first!.cwd, "/srv");
  assert.notEqual(first!.input!.descriptor, second!.input!.descriptor);
  await world.application.stop();
});

test("A worker that is told its socket is a server once somebody listens there", async () => {
  const world = new World({ command: ["app", "--at={socket}"] });
  await world.application.start();
  await turns();
  assert.deepEqual(world.children[0]!.options.command, ["app", "--at=/tmp/afcgi-1/1.sock"]);
  assert.equal(world.children[0]!.options.input, undefined);
  await world.advance(1_000, 25);
  assert.deepEqual([world.servers, world.states], [[], ["starting"]]);
  const path = "/tmp/afcgi-1/1.sock";
  await world.runtime.listen({ transport: "unix", path }, (connection) => connection.destroy());
  await world.advance(50, 25);
  assert.deepEqual([world.servers, world.states], [[path], ["listening"]]);
  await world.application.stop();
});

test("A worker that does not listen in time is killed and started again", async () => {
  const world = new World({ command: ["app", "{socket}"], startTimeoutMs: 100 });
  await world.application.start();
  await world.advance(150, 25);
  assert.equal(world.children[0]!.isGroupKilled, true);
  assert.deepEqual(world.log, ["1.sock did not listen within 100 ms, 250"]);
  assert.deepEqual(world.states, ["waiting"]);
  await world.application.stop();
});

test("A worker that ends is no server, and is started again on the same socket", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await world.advance(WELL_AFTER_MS - 1);
  const input = world.children[0]!.options.input;
  world.children[0]!.end({ code: null, signal: "SIGKILL" });
  await turns();
  assert.deepEqual([world.servers, world.states], [[], ["waiting"]]);
  assert.equal(world.children[0]!.isGroupKilled, true);
  await world.advance(250);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/1.sock"]);
  assert.equal(world.children[1]!.options.input, input);
  assert.deepEqual(world.log, ["1.sock was ended by SIGKILL, 250"]);
  assert.equal(world.application.workers[0]!.restarts, 1);
  await world.application.stop();
});

test("Waits grow to their limit while a program cannot start, and are none once it was well", async () => {
  const restart = { backoffMs: 100, backoffMaxMs: 500 };
  const world = new World({ command: ["app"], restart });
  world.runtime.spawner.missing.add("app");
  await world.application.start();
  await world.advance(2_300, 100);
  const reason = 'Cannot start "app": there is no such program';
  assert.deepEqual(
    world.log,
    [100, 200, 400, 500, 500, 500, 500].map((waitMs) => `1.sock ${reason}, ${waitMs}`),
  );
  world.runtime.spawner.missing.clear();
  await world.advance(600, 100);
  assert.deepEqual(world.states, ["listening"]);
  await world.advance(WELL_AFTER_MS);
  world.children[0]!.end({ code: 0, signal: null });
  await turns();
  assert.equal(world.log.at(-1), "1.sock ended with status 0, 0");
  assert.deepEqual(world.states, ["listening"]);
  await world.application.stop();
});

test("What it writes is cut into lines of 8 KiB, by where it writes", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  const { onOutput } = world.children[0]!.options;
  const write = (source: "stdout" | "stderr", text: string) =>
    onOutput(source, new TextEncoder().encode(text));
  write("stderr", "half a ");
  write("stdout", "one\ntwo\n");
  write("stderr", "line\n");
  write("stderr", "x".repeat(8193) + "\nnext\n");
  assert.deepEqual(world.log, [
    "stdout: one",
    "stdout: two",
    "stderr: half a line",
    `stderr: ${"x".repeat(8192)} [cut]`,
    "stderr: next",
  ]);
  await world.application.stop();
});

test("Stopping asks each worker, kills those that stay, and leaves no socket", async () => {
  const world = new World({ command: ["app"], workers: 2, stopTimeoutMs: 1_000 });
  await world.application.start();
  await turns();
  world.children[1]!.obeys = false;
  const stopped = world.application.stop();
  await turns();
  assert.deepEqual(world.children.map(({ signals }) => signals), [["SIGTERM"], ["SIGTERM"]]);
  assert.equal(world.children[1]!.isGroupKilled, false);
  await world.advance(1_000);
  await stopped;
  assert.equal(world.children[1]!.isGroupKilled, true);
  assert.deepEqual(world.states, ["stopped", "stopped"]);
  assert.equal(world.runtime.spawner.sockets.size, 0);
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("Stopping while a worker waits for its restart starts nothing more", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  world.children[0]!.end({ code: 1, signal: null });
  await turns();
  await world.application.stop();
  await world.advance(1_000);
  assert.equal(world.children.length, 1);
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("Workers are replaced one by one, the old one after its requests", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  const drained = Promise.withResolvers<void>();
  world.drained = drained.promise;
  const replaced = world.application.replaceWorkers();
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  // The first has its successor, and is told nothing while it has requests.
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/3.sock", "/tmp/afcgi-1/2.sock"]);
  assert.deepEqual(world.children.map(({ signals }) => signals), [[], [], []]);
  drained.resolve();
  await turns();
  assert.deepEqual(world.children[0]!.signals, ["SIGTERM"]);
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  await replaced;
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/3.sock", "/tmp/afcgi-1/4.sock"]);
  assert.deepEqual(world.children.map(({ signals }) => signals.length), [1, 1, 0, 0]);
  assert.equal(world.runtime.spawner.sockets.size, 2);
  await world.application.stop();
});

test("A replaced worker whose requests do not end is stopped after the drain's time", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  world.drained = new Promise(() => {});
  const replaced = world.application.replaceWorkers();
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  await world.advance(DRAIN_MS - 1);
  assert.deepEqual(world.children[0]!.signals, []);
  await world.advance(1);
  await replaced;
  assert.deepEqual(world.children[0]!.signals, ["SIGTERM"]);
  await world.application.stop();
});

test("A worker stays when its successor does not stay up", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  const replaced = world.application.replaceWorkers();
  await turns();
  world.children[1]!.end({ code: 1, signal: null });
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  await replaced;
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/1.sock"]);
  assert.equal(world.log.at(-1), "1.sock: the new worker did not stay up");
  assert.deepEqual(world.children[0]!.signals, []);
  await world.application.stop();
});

test("A worker makes way after max_requests", async () => {
  const world = new World({ command: ["app"], workers: 2, maxRequests: 10 });
  await world.application.start();
  await turns();
  world.requests.set("/tmp/afcgi-1/1.sock", 9);
  world.requests.set("/tmp/afcgi-1/2.sock", 10);
  await world.advance(REQUESTS_POLL_MS);
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/1.sock", "/tmp/afcgi-1/3.sock"]);
  await world.application.stop();
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("php-fpm gets a configuration, counts as one worker, and is stopped with SIGQUIT", async () => {
  const world = new World({ command: ["php-fpm8.2", "-d", "a=b"], workers: 7, maxRequests: 50 });
  await world.application.start();
  await turns();
  const [child] = world.children;
  assert.equal(world.children.length, 1);
  assert.deepEqual(child!.options.command.slice(0, 3), ["php-fpm8.2", "-d", "a=b"]);
  assert.deepEqual(child!.options.command.slice(-2), ["--fpm-config", "/tmp/afcgi-1/1.conf"]);
  const config = world.runtime.spawner.files.get("/tmp/afcgi-1/1.conf")!;
  for (
    const line of [
      "daemonize = no",
      "listen = /tmp/afcgi-1/1.sock",
      "pm.max_children = 7",
      "pm.max_requests = 50",
      "clear_env = no",
    ]
  ) assert.ok(config.split("\n").includes(line), line);
  assert.doesNotMatch(config, /^user/m);
  await world.application.stop();
  assert.deepEqual(child!.signals, ["SIGQUIT"]);
  assert.equal(world.runtime.spawner.files.size, 0);
});

test("A user that is not there, or whom only root may be, is an error at the start", async () => {
  const start = (user: string) => {
    const world = new World({ command: ["app"], user });
    world.runtime.spawner.users.set("web", { name: "web", user: 33, group: 33 });
    return world.application.start();
  };
  const says = (message: string) => (error: unknown) => {
    assert.ok(error instanceof SpawnError);
    assert.equal(error.message, message);
    return true;
  };
  await assert.rejects(
    start("nobody"),
    says('Cannot start upstream "app": there is no user "nobody" (name one with spawn.user)'),
  );
  await assert.rejects(
    start("web"),
    says(
      'Cannot start upstream "app" as user "web": only root may ' +
        "(start afcgi as root, or leave spawn.user out)",
    ),
  );
});
