/** A file that is found good quickly is what it would be by a slow look, and no error is missed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import { parse } from "yaml";
import { QUICK, remembered } from "../../src/config/quick_section.ts";
import { configSchema } from "../../src/config/schema.ts";
import { optional, section, wholeNumber } from "../../src/config/schema_parts.ts";
import { EVERY_KEY } from "../docs/every_key.ts";

type Plain = Record<string, unknown>;

const every = parse(EVERY_KEY) as Plain;

/** Every map in a value, the value itself among them. */
function mapsIn(value: unknown): Plain[] {
  if (Array.isArray(value)) return value.flatMap(mapsIn);
  if (typeof value !== "object" || value === null) return [];
  return [value as Plain, ...Object.values(value).flatMap(mapsIn)];
}

function assertSame(input: unknown): boolean {
  const slow = v.safeParse(configSchema, input);
  const quick = v.safeParse(configSchema, input, QUICK);
  assert.equal(quick.success, slow.success);
  if (slow.success) assert.deepEqual(quick.output, slow.output);
  return slow.success;
}

test("A quick look at a file with every key makes what a slow one does", () => {
  assert.ok(assertSame(every));
});

test("A quick look misses no key that is left out, unknown, or of another kind", () => {
  // To make their hashes takes long, and is not what this is about.
  for (const map of mapsIn(every)) delete map["basic_auth"];
  const changes = ["leave out", "misspell", null, 7, "text", [], {}];
  let refused = 0;
  let count = 0;
  for (let at = 0; at < mapsIn(every).length; at++) {
    for (const key of Object.keys(mapsIn(every)[at]!)) {
      const change = changes[count++ % changes.length];
      const copy = structuredClone(every);
      const map = mapsIn(copy)[at]!;
      if (change === "leave out" || change === "misspell") delete map[key];
      else map[key] = change;
      if (change === "misspell") map[`${key}x`] = 1;
      if (!assertSame(copy)) refused++;
    }
  }
  assert.ok(refused > count / 2, `${refused} of ${count} were refused`);
});

test("property: of a section a quick look makes what a slow one does", () => {
  const inner = section({ a: optional(wholeNumber(0, 9), "A", 3), b: wholeNumber(0, 9) });
  const outer = section({
    c: optional(inner, "C"),
    d: optional(inner, "D", { b: 1 }),
    e: optional(v.array(inner), "E", []),
    f: wholeNumber(0, 9),
  });
  const numbers = fc.constantFrom<unknown>(0, 5, 12, "5", null, undefined);
  const inners = fc.record({ a: numbers, b: numbers, x: numbers }, { requiredKeys: [] });
  const outers = fc.record({
    c: fc.oneof(inners, numbers),
    d: inners,
    e: fc.array(inners, { maxLength: 2 }),
    f: fc.constant(1),
  }, { requiredKeys: [] });
  fc.assert(
    fc.property(outers, (input) => {
      const slow = v.safeParse(outer, input);
      const quick = v.safeParse(outer, input, QUICK);
      assert.equal(quick.success, slow.success);
      if (slow.success) assert.deepEqual(quick.output, slow.output);
    }),
    { numRuns: 1_000 },
  );
});

test("Of many maps a quick look reads the keys that are there, and each default once", () => {
  let read = 0;
  const counted = v.pipe(v.number(), v.check(() => ++read > 0));
  const names = Array.from({ length: 60 }, (_, at) => `k${at}`);
  const one = section(
    Object.fromEntries(names.map((name) => [name, optional(counted, "Key", 1)])),
  );
  const many = Array.from({ length: 1_000 }, () => ({ k7: 2 }));
  const result = v.safeParse(v.array(one), many, QUICK);
  assert.ok(result.success);
  assert.equal(read, names.length + many.length);
});

test("A quick look reads each of equal maps once, and what is wrong with one each time", () => {
  let read = 0;
  const counted = v.pipe(wholeNumber(0, 9), v.check(() => ++read > 0));
  const one = remembered(section({ a: optional(counted, "A") }));
  const many = Array.from({ length: 1_000 }, (_, at) => ({ a: at % 3 }));
  const quick = v.safeParse(v.array(one), many, QUICK);
  assert.ok(quick.success);
  assert.equal(read, 3);
  assert.deepEqual(quick.output, v.parse(v.array(one), many));
  assert.ok(!v.safeParse(v.array(one), [...many, { a: 12 }], QUICK).success);
  assert.ok(!v.safeParse(v.array(one), [{ a: 12 }, { a: 12 }], QUICK).success);
  assert.ok(!v.safeParse(one, undefined, QUICK).success);
});
