import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest } from "../../src/config/nearest.ts";

const KEYS = ["listen", "upstreams", "sites", "admin", "log", "limits", "shutdown"];

test("The nearest word is found over a letter added, left out, replaced or swapped", () => {
  assert.equal(nearest("listenn", KEYS), "listen");
  assert.equal(nearest("lisen", KEYS), "listen");
  assert.equal(nearest("lixten", KEYS), "listen");
  assert.equal(nearest("lsiten", KEYS), "listen");
  assert.equal(nearest("UPSTREAM", KEYS), "upstreams");
});

test("Of several near words the nearest is taken", () => {
  assert.equal(nearest("limit", ["listen", "limits"]), "limits");
});

test("A word that is like no other has no nearest", () => {
  assert.equal(nearest("database", KEYS), undefined);
  assert.equal(nearest("php", ["app"]), undefined);
  assert.equal(nearest("a".repeat(65), ["a".repeat(64)]), undefined);
  assert.equal(nearest("x", []), undefined);
});

test("A remedy names the nearest word, or else all of them", () => {
  assert.equal(didYouMean("lgo", KEYS), 'did you mean "log"?');
  assert.equal(didYouMean("zzzz", ["a", "b", "c"]), "use a, b or c");
  assert.equal(didYouMean("zzzz", ["only"]), "use only");
});
