/** A bell of shared memory: whoever sleeps on it is woken once for what came together, until it ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createWords } from "../../src/shared/layout.ts";
import { listenToBell, ringBell } from "../../src/threads/bell.ts";
import { turn, until } from "../support/idle.ts";

const TURNS = 20;

async function someTurns(): Promise<void> {
  for (let count = 0; count < TURNS; count++) await turn();
}

test("Rings that come together wake once, and a ring of another bell does not", async () => {
  const words = createWords(2);
  let rung = 0;
  const end = listenToBell(words, 0, () => rung++);
  await someTurns();
  assert.equal(rung, 0, "nobody has rung");
  for (let count = 0; count < 3; count++) ringBell(words, 0);
  await until(() => rung > 0, "the bell");
  await someTurns();
  assert.equal(rung, 1);
  ringBell(words, 1);
  await someTurns();
  assert.equal(rung, 1);
  end();
});

test("A ring while the one before is heard is heard as well", async () => {
  const words = createWords(1);
  let rung = 0;
  const end = listenToBell(words, 0, () => {
    if (++rung < 5) ringBell(words, 0);
  });
  ringBell(words, 0);
  await until(() => rung === 5, "each ring");
  await someTurns();
  assert.equal(rung, 5);
  end();
});

test("Who has ended hears nothing, and sleeps on the bell no more", async () => {
  const words = createWords(1);
  let rung = 0;
  const end = listenToBell(words, 0, () => rung++);
  await someTurns();
  end();
  await someTurns();
  assert.equal(Atomics.notify(words, 0), 0, "nobody sleeps");
  ringBell(words, 0);
  await someTurns();
  assert.equal(rung, 0);
});
