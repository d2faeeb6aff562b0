/** ClientConnection and ServerConnection wired to each other; see `wired_connections.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "./random.ts";
import { WiredConnections } from "./wired_connections.ts";

const SEEDS = 500;
const STEPS = 400;
const ENDINGS = [
  "complete",
  "aborted",
  "lost",
  "overloaded",
  "over its connection's limit",
  "cannot multiplex",
];

test("Both state machines, wired to each other, keep every request apart and whole in 500 seeds", () => {
  const endings = new Map<string, number>();
  for (let seed = 0; seed < SEEDS; seed++) {
    try {
      const result = new WiredConnections(new Random(seed)).run(STEPS);
      for (const [ending, count] of result.endings) {
        endings.set(ending, (endings.get(ending) ?? 0) + count);
      }
    } catch (error) {
      throw new Error(`Seed ${seed}: ${error instanceof Error ? error.message : error}`);
    }
  }
  // Where one way to end never happened, nothing was shown of it.
  for (const ending of ENDINGS) {
    assert.ok((endings.get(ending) ?? 0) > SEEDS / 20, `${endings.get(ending)} ended ${ending}`);
  }
});
