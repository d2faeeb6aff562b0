import assert from "node:assert/strict";
import { test } from "node:test";
import { IdTable } from "../../src/protocol/id_table.ts";

test("IdTable finds what was added, by its id", () => {
  const table = new IdTable<string>();
  table.add(1, "one");
  table.add(70, "seventy");
  assert.equal(table.get(1), "one");
  assert.equal(table.get(70), "seventy");
  assert.equal(table.get(2), undefined);
  assert.equal(table.get(65_535), undefined);
  assert.equal(table.size, 2);
  assert.deepEqual(table.items(), ["one", "seventy"]);
});

test("IdTable gives an item out once", () => {
  const table = new IdTable<string>();
  table.add(3, "three");
  assert.equal(table.take(3), "three");
  assert.equal(table.take(3), undefined);
  assert.equal(table.size, 0);
  assert.deepEqual(table.items(), []);
});

test("IdTable refuses a second item for an id in use, and takes one when it is free again", () => {
  const table = new IdTable<string>();
  table.add(3, "first");
  assert.throws(() => table.add(3, "second"), /id 3 is in use/);
  table.take(3);
  table.add(3, "second");
  assert.equal(table.get(3), "second");
});

test("IdTable holds the highest id that the protocol has", () => {
  const table = new IdTable<number>();
  table.add(65_535, 1);
  assert.equal(table.get(65_535), 1);
  assert.equal(table.size, 1);
});
