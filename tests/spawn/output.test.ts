/** What processes of an application write: no line is lost or changes hands where one of them ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutputSource } from "../../src/runtime/spawner.ts";
import { turns, World } from "./world.ts";

const SOURCES: readonly OutputSource[] = ["stdout", "stderr"];

function write(world: World, child: number, source: OutputSource, text: string): void {
  world.children[child]!.options.onOutput(source, new TextEncoder().encode(text));
}

test("A last line without its end is told when its process ends, from either output", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  for (const source of SOURCES) write(world, 0, source, `of ${source}\nthe end of ${source}`);
  world.children[0]!.end({ code: 1, signal: null });
  await turns();
  assert.deepEqual(world.log, [
    "stdout: of stdout",
    "stderr: of stderr",
    "stdout: the end of stdout",
    "stderr: the end of stderr",
    "1.sock ended with status 1, 250",
  ]);
  await world.application.stop();
});

test("A line is told with the process that has written it, also when the next one runs", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  const pids = world.children.map(({ pid }) => pid);
  for (const source of SOURCES) for (const child of [0, 1]) write(world, child, source, "begins\n");
  assert.deepEqual(world.writers, [...pids, ...pids]);
  world.children[0]!.end({ code: 1, signal: null });
  await world.advance(250);
  assert.equal(world.children.length, 3);
  world.writers.length = 0;
  // Read only now, as a pipe may be.
  write(world, 0, "stderr", "why it ended\n");
  write(world, 2, "stderr", "begins\n");
  assert.deepEqual(world.writers, [pids[0], world.children[2]!.pid]);
  await world.application.stop();
});

test("A half line of one process is not the beginning of the next one's", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  write(world, 0, "stderr", "half");
  world.children[0]!.end({ code: 1, signal: null });
  await world.advance(250);
  write(world, 1, "stderr", "whole\n");
  assert.deepEqual(world.log.filter((line) => line.startsWith("stderr")), [
    "stderr: half",
    "stderr: whole",
  ]);
  await world.application.stop();
});
