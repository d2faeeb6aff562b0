import { test } from "node:test";
import assert from "node:assert/strict";
import { FIELD_NAMES_MAX, FieldNames } from "../../src/http1/field_names.ts";
import { RequestFields } from "../../src/http1/request_fields.ts";

test("Repeated fields are joined, cookies by what separates cookies", () => {
  const fields = new RequestFields();
  for (const name of ["accept", "cookie", "constructor", "__proto__"]) {
    fields.add(name, "a");
    fields.add(name, "b");
  }
  assert.deepEqual([...fields], [
    ["accept", "a, b"],
    ["cookie", "a; b"],
    ["constructor", "a, b"],
    ["__proto__", "a, b"],
  ]);
});

test("Fields are asked for as those of Fetch are", () => {
  const fields = new RequestFields();
  fields.add("accept", "x");
  fields.add("empty", "");
  assert.deepEqual(
    [fields.get("Accept"), fields.get("empty"), fields.get("none"), fields.get("constructor")],
    ["x", "", null, null],
  );
  assert.deepEqual([fields.has("ACCEPT"), fields.has("none"), fields.size], [true, false, 2]);
  assert.deepEqual([[...fields.keys()], [...fields.values()]], [["accept", "empty"], ["x", ""]]);
  assert.deepEqual(fields.getSetCookie(), []);
  const seen: string[] = [];
  fields.forEach((value, name) => seen.push(`${name}=${value}`));
  assert.deepEqual(seen, ["accept=x", "empty="]);
});

test("Names come out in lower case, and what is no token is no name", () => {
  const names = new FieldNames();
  for (let time = 0; time < 2; time++) {
    assert.equal(names.read("X-Name"), "x-name");
    assert.equal(names.read("!#$%&'*+-.^_`|~09Az"), "!#$%&'*+-.^_`|~09az");
    for (const none of ["", "a b", "a ", "a:", "a/b", "\u00e9", "a\t", "(a)"]) {
      assert.equal(names.read(none), undefined, none);
    }
  }
});

test("Names that every client may invent do not fill the memory", () => {
  const names = new FieldNames();
  for (let count = 0; count < 3 * FIELD_NAMES_MAX; count++) {
    assert.equal(names.read(`X-${count}`), `x-${count}`);
    assert.ok(names.size <= FIELD_NAMES_MAX, `${names.size} names`);
  }
  const before = names.size;
  assert.equal(names.read("X".repeat(100_000)), "x".repeat(100_000));
  assert.equal(names.size, before);
});
