/**
 * The JSON Schema is one (every keyword known and of the right kind) and agrees with the reader about
 * what is right. What it says of each key is tested with docs/config-reference.md.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { EXAMPLE } from "./example.ts";
import { accepts, checkKeywords, type Schema, schemaKeys } from "./mini_json_schema.ts";

const schema = configJsonSchema() as Schema;

test("The schema names its dialect and uses that dialect's keywords", () => {
  assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  assert.deepEqual(checkKeywords(schema), []);
});

test("The schema can be written as JSON and read again", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema);
});

test("The schema accepts the example", () => {
  assert.ok(accepts(schema, parse(EXAMPLE)));
});

test("The schema accepts its own defaults", () => {
  for (const { key, schema: inner } of schemaKeys(schema)) {
    if ("default" in inner) assert.ok(accepts(inner, inner["default"]), key);
  }
});

const NINE = Array.from({ length: 9 }, () => "10.0.0.53");
const SITES = [{ routes: [{ respond: {} }] }];

test("The schema refuses what the reader refuses", () => {
  const refused: unknown[] = [
    {},
    { sites: [] },
    { sites: SITES, lisen: [] },
    { sites: SITES, upstreams: { app: { servers: [] } } },
    { sites: SITES, upstreams: { app: { servers: ["h:1"], balance: "random" } } },
    { sites: SITES, upstreams: { app: { servers: ["h:1"], health: { script: "ping" } } } },
    { sites: SITES, upstreams: { app: { servers: ["h:1"], resolve: { servers: NINE } } } },
    { sites: SITES, shutdown: { grace: 30 } },
    { sites: SITES, limits: { spill: "1 GB" } },
    { sites: SITES, listen: [8080] },
    { sites: [{ routes: [{ path: "/a" }] }] },
    { sites: [{ routes: [{ respond: {}, redirect: { to: "/" } }] }] },
    { sites: [{ routes: [{ path: "/a**", respond: {} }] }] },
  ];
  const gemini = [{
    hosts: ["a"],
    tls: { self_signed: true, store: "/tls" },
    routes: [{ respond: { code: 51, meta: "" } }],
  }];
  refused.push({ gemini: [{ ...gemini[0], routes: [{ path: "/a" }] }] });
  for (const value of refused) assert.ok(!accepts(schema, value), JSON.stringify(value));
  assert.ok(accepts(schema, { sites: SITES }));
  assert.ok(accepts(schema, { gemini }));
});
