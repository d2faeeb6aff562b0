/** When an application is asked what it can do, and when once more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, parseAddress } from "../../src/runtime/address.ts";
import { ServerQuestion } from "../../src/upstream/server_question.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import type { MemoryConnection } from "../support/memory/memory_connection.ts";
import { MemoryNetwork } from "../support/memory/memory_network.ts";
import {
  ADDRESS,
  type ApplicationOptions,
  ScriptedApplication,
} from "../support/scripted_application.ts";

async function world(options: ApplicationOptions | undefined = {}, network?: MemoryNetwork) {
  const runtime = new MemoryRuntime(network === undefined ? {} : { network });
  const seen: string[] = [];
  const application = new ScriptedApplication(options);
  const question = new ServerQuestion({
    runtime,
    address: parseAddress(ADDRESS),
    connectTimeoutMs: 3_000,
    onLong: () => seen.push("long"),
    onReply: ({ outcome }) => seen.push(outcome),
    onFailed: () => seen.push("failed"),
    onAgain: () => seen.push("again"),
  });
  await untilIdle();
  const advance = async (durationMs: number): Promise<void> => {
    runtime.clock.advance(durationMs);
    await untilIdle();
  };
  return { runtime, clock: runtime.clock, seen, application, question, advance };
}

test("A question is open until its reply, and long after 50 ms", async () => {
  const { question, application, runtime, seen, advance, clock } = await world({
    values: "silence",
  });
  await application.listen(runtime);
  void question.ask();
  await untilIdle();
  assert.deepEqual([question.isOpen, question.isLong], [true, false]);
  await advance(49);
  assert.deepEqual([question.isLong, seen], [false, []]);
  await advance(1);
  assert.deepEqual([question.isLong, seen], [true, ["long"]]);
  await advance(950);
  assert.deepEqual([question.isOpen, question.isLong, seen], [false, false, ["long", "silent"]]);
  assert.equal(clock.timerCount, 0, "it is not asked again");
  application.options = {};
  await question.ask();
  assert.deepEqual([seen.at(-1), question.isOpen, clock.timerCount], ["answered", false, 0]);
});

test("Where nobody takes the connection it has failed", async () => {
  const { question, seen, clock } = await world();
  await question.ask();
  assert.deepEqual([seen, question.isOpen, question.isLong, clock.timerCount], [
    ...[["failed"], false, false, 0],
  ]);
});

test("What cannot be asked now is asked after 10 s, unless the server leaves", async () => {
  const { question, seen, advance, clock } = await world();
  question.askLater();
  await advance(9_999);
  assert.deepEqual(seen, []);
  await advance(1);
  assert.deepEqual(seen, ["again"]);
  question.askLater();
  question.forget();
  assert.equal(clock.timerCount, 0);
  question.askLater();
  assert.equal(clock.timerCount, 0, "it has left");
  await advance(100_000);
  assert.deepEqual(seen, ["again"]);
  question.remember();
  await advance(1);
  assert.deepEqual(seen, ["again", "again"], "its time was over when it came back");
  question.askLater();
  await advance(9_999);
  assert.equal(seen.length, 2);
  await advance(1);
  assert.equal(seen.length, 3, "it was not asked, so nothing doubles");
  question.askLater();
  assert.equal(clock.timerCount, 1);
  question.stop();
  assert.equal(clock.timerCount, 0);
});

/** Every worker is too busy to read. */
class BusyNetwork extends MemoryNetwork {
  override async connect(
    address: Address,
    options?: { signal?: AbortSignal },
  ): Promise<MemoryConnection> {
    return Object.assign(await super.connect(address, options), {
      peerProgress: () => "behind" as const,
    });
  }
}

test("The time until a busy one is asked again doubles up to ten minutes, however often it leaves", async () => {
  const { question, application, runtime, seen, advance } = await world(
    { values: "silence" },
    new BusyNetwork(),
  );
  await application.listen(runtime);
  for (const waitMs of [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000]) {
    void question.ask();
    await untilIdle();
    await advance(1_000);
    assert.equal(seen.at(-1), "unread");
    await advance(waitMs / 2);
    question.forget();
    question.remember();
    await advance(waitMs / 2 - 1);
    assert.equal(seen.at(-1), "unread", `before ${waitMs}`);
    await advance(1);
    assert.equal(seen.at(-1), "again", `after ${waitMs}`);
  }
});

test("One that is stopped while it is open is not asked again, and says how it came out", async () => {
  const { question, application, runtime, seen, clock } = await world({ values: "silence" });
  await application.listen(runtime);
  const asking = question.ask();
  await untilIdle();
  question.askLater();
  question.forget();
  assert.equal(question.isOpen, true);
  question.stop();
  await asking;
  assert.deepEqual([question.isOpen, clock.timerCount], [false, 0]);
  assert.equal(seen.length, 1);
});
