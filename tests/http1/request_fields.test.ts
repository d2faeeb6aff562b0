import { test } from "node:test";
import assert from "node:assert/strict";
import { FIELD_NAMES_MAX, FieldNames } from "../../src/http1/field_names.ts";
import { LOOKED_THROUGH_MAX, RequestFields } from "../../src/http1/request_fields.ts";
import fc from "fast-check";

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

test("Few fields and many are the same to who asks", () => {
  const name = fc.integer({ min: 0, max: 2 * LOOKED_THROUGH_MAX }).map((count) => `x-${count}`);
  fc.assert(fc.property(
    fc.array(fc.tuple(name, fc.constantFrom("a", "")), { maxLength: 4 * LOOKED_THROUGH_MAX }),
    (added) => {
      const fields = new RequestFields();
      const expected = new Map<string, string>();
      for (const [name, value] of added) {
        const before = expected.get(name);
        assert.equal(fields.add(name, value), before === undefined);
        expected.set(name, before === undefined ? value : `${before}, ${value}`);
      }
      assert.deepEqual([...fields], [...expected]);
      assert.equal(fields.size, expected.size);
      for (let count = 0; count <= 2 * LOOKED_THROUGH_MAX; count++) {
        assert.equal(fields.get(`X-${count}`), expected.get(`x-${count}`) ?? null);
      }
      assert.deepEqual([...fields.with("x-1", "new")], [
        ...[...expected].map(([name, value]) => [name, name === "x-1" ? "new" : value]),
      ]);
    },
  ));
});

test("Many fields are found by name, and not looked through for each", () => {
  const fields = new RequestFields();
  let looks = 0;
  const { get } = Map.prototype;
  Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
    looks++;
    return get.call(this, key);
  };
  try {
    for (let count = 0; count < 1_000; count++) fields.add(`x-${count}`, "y");
    for (let count = 0; count < 1_000; count++) fields.get(`x-${count}`);
  } finally {
    Map.prototype.get = get;
  }
  assert.equal(looks, 2_000 - LOOKED_THROUGH_MAX);
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
