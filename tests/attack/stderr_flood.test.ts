/** An application that writes to its STDERR without end: the log has a part of it, and the count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestInfo } from "../../src/responder/options.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { STDERR_BURST, STDERR_RATE, StderrBudget } from "../../src/upstream/stderr_budget.ts";
import { StderrLines } from "../../src/upstream/stderr_lines.ts";
import { withGateway } from "../support/gateway.ts";

test("A flood is logged at its rate, the rest is counted and told each second", () => {
  const clock = new ManualClock();
  const told: [string, number, number][] = [];
  const budget = new StderrBudget(clock, (...what) => told.push(what));
  const line = "x".repeat(1000);
  let logged = 0;
  const flood = () => {
    for (let count = 0; count < 10_000; count++) if (budget.take("app", line)) logged++;
  };
  flood();
  const atOnce = Math.ceil(STDERR_BURST / (line.length + 256));
  assert.equal(logged, atOnce);
  assert.ok(budget.take("other", line), "another application's is its own");
  assert.equal(told.length, 0);
  clock.advance(1000);
  assert.deepEqual(told, [["app", 10_000 - atOnce, (10_000 - atOnce) * 1000]]);
  logged = 0;
  flood();
  assert.ok(logged <= Math.ceil(STDERR_RATE / (line.length + 256)) + 1, `${logged}`);
  assert.ok(logged > 100);
  clock.advance(1000);
  assert.equal(told.length, 2);
  clock.advance(60_000);
  assert.equal(told.length, 2, "nothing more to tell");
});

test("What is over the rate is counted, neither decoded nor split, and the log goes on with a whole line", () => {
  const clock = new ManualClock();
  const told: [number, number][] = [];
  const budget = new StderrBudget(clock, (_, lines, bytes) => told.push([lines, bytes]));
  const logged: string[] = [];
  const stderr = new StderrLines(
    (line) => {
      if (budget.take("app", line)) logged.push(line);
    },
    (...what) => budget.leavesOut("app", ...what),
  );
  const push = (text: string) => stderr.push(new TextEncoder().encode(text));
  const line = `${"x".repeat(8000)}\n`;
  let pushed = 0;
  while (!budget.leavesOut("app", new Uint8Array(), 0)) {
    push(line);
    pushed++;
  }
  assert.equal(logged.length, pushed);
  push("a line and ");
  push("its end\nthe next, ha");
  clock.advance(1000);
  assert.deepEqual(told, [[1, "a line and its end\nthe next, ha".length]]);
  push("lf\nwhole\nhalf, ");
  const before = logged.slice(pushed);
  assert.deepEqual(before, ["whole"], "not the second half of one that was left out");
  push("and half\n");
  assert.equal(logged.at(-1), "half, and half");
});

test("An application that floods holds nobody up, and the log tells how much is left out", async () => {
  let isOver = false;
  const line = `${"flood ".repeat(1000)}\n`.repeat(10);
  const application = async (request: Request, info: RequestInfo) => {
    if (new URL(request.url).pathname !== "/flood") return new Response("calm");
    while (!isOver) await info.stderr.write(line);
    return new Response("flooded");
  };
  await withGateway({ application }, async (gateway) => {
    const flood = gateway.send("/flood");
    const { lines, upstream } = await gateway.log.find(({ code }) => code === "stderr_left_out");
    assert.ok(Number(lines) > 0 && upstream === "app");
    for (let count = 0; count < 50; count++) {
      assert.equal((await gateway.send("/calm")).body.toString(), "calm");
    }
    isOver = true;
    assert.equal((await flood).body.toString(), "flooded");
    const logged = gateway.log.lines.filter(({ msg }) => String(msg).startsWith("flood "));
    const { length } = JSON.stringify(logged);
    assert.ok(length > STDERR_BURST / 2 && length < 8 * STDERR_BURST, `${length} bytes`);
  });
});
