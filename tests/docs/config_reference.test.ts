/**
 * The page with every key is what the schema gives, and what it says of defaults holds for a file
 * that is read: whoever adds a key finds here what is missing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { parse } from "yaml";
import { toAppOptions } from "../../src/config/app_options.ts";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { configReference, EXPLAINED_IN, type JsonSchema } from "../../src/config/reference.ts";
import { configSchema } from "../../src/config/schema.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { memoryFiles } from "../config/memory_files.ts";
import { type Schema, schemaKeys } from "../config/mini_json_schema.ts";
import { EVERY_KEY } from "./every_key.ts";
import { anchorsOf, readText } from "./pages.ts";

const PAGE = "docs/config-reference.md";
const schema = configJsonSchema();
const keys = schemaKeys(schema as Schema) as { key: string; schema: JsonSchema }[];

test("docs/config-reference.md is what the schema gives", () => {
  assert.ok(readText(PAGE) === configReference(schema), `${PAGE} is stale: run "npm run docs"`);
});

test("Every key says what it does", () => {
  for (const { key, schema: { description } } of keys) {
    assert.ok(
      description,
      `"${key}" has no description: put described(…, "What it does") around it in src/config/`,
    );
    assert.doesNotMatch(description, /\.$/, `The description of "${key}" ends with a full stop`);
  }
});

/** Keys that may be left out and have no default: what holds then is for the description to say. */
function keysLeftOut(schema: JsonSchema): [key: string, schema: JsonSchema][] {
  const { properties = {}, required = [], oneOf = [], items, additionalProperties } = schema;
  const alternatives = oneOf.flatMap(({ required = [] }) => required);
  const inner = [...Object.values(properties), ...schema.anyOf ?? []];
  if (items) inner.push(items);
  if (additionalProperties) inner.push(additionalProperties);
  return [
    ...Object.entries(properties).filter(([key, { default: byDefault }]) =>
      byDefault === undefined && ![...required, ...alternatives].includes(key)
    ),
    ...inner.flatMap(keysLeftOut),
  ];
}

test("Every key that has no default says at its end what holds without it", () => {
  const leftOut = keysLeftOut(schema);
  assert.ok(leftOut.length > 50);
  for (const [key, { description = "" }] of leftOut) {
    assert.match(
      description,
      /; (?:default: [^;]+$|optional only )/,
      `Say in the description of "${key}", at its end: "…; default: …"`,
    );
  }
});

test("No two headings of the page have the same identifier", () => {
  const anchors = anchorsOf({ name: PAGE, text: readText(PAGE) });
  assert.deepEqual(anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index), []);
});

test("Every page that explains a map explains one that is there", () => {
  const page = readText(PAGE);
  for (const path of Object.keys(EXPLAINED_IN)) {
    assert.ok(page.includes(`\n## \`${path}\`\n`), `There is no map at "${path}"`);
  }
});

/** A key of {@link EVERY_KEY}, with the map that it stands in. */
interface WrittenKey {
  readonly key: string;
  readonly schema: JsonSchema;
  /** Reads {@link EVERY_KEY} after `change` was done to a copy of the map. */
  readonly readWith: (change: (map: Record<string, unknown>, name: string) => void) => unknown;
}

/** What aliases stand for is one map to the parser of YAML; here each is one of its own. */
const everyKeyJson = JSON.stringify(parse(EVERY_KEY));

type Step = string | number;

function writtenKeys(
  value: any,
  schema: JsonSchema,
  names: readonly string[] = [],
  steps: readonly Step[] = [],
): WrittenKey[] {
  if (schema.anyOf !== undefined && schema.properties === undefined) {
    return schema.anyOf.flatMap((inner) => writtenKeys(value, inner, names, steps));
  }
  if (Array.isArray(value) && schema.items !== undefined) {
    return value.flatMap((item, index) =>
      writtenKeys(item, schema.items!, names, [...steps, index])
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const { properties = {}, additionalProperties } = schema;
  return Object.entries(value).flatMap(([name, inner]): WrittenKey[] => {
    const at = [...steps, name];
    const known = properties[name];
    if (known === undefined) {
      return additionalProperties
        ? writtenKeys(inner, additionalProperties, [...names, "NAME"], at)
        : [];
    }
    const path = [...names, name];
    const readWith: WrittenKey["readWith"] = (change) => {
      const root = JSON.parse(everyKeyJson);
      change(steps.reduce((map, step) => map[step], root), name);
      return optionsOf(root);
    };
    return [
      { key: path.join("."), schema: known, readWith },
      ...writtenKeys(inner, known, path, at),
    ];
  });
}

/** What the program would be told, without what `references.ts` says to it. */
function optionsOf(root: unknown): unknown {
  const config = v.safeParse(configSchema, root);
  if (!config.success) return config.issues.map(({ message }) => message);
  try {
    return toAppOptions(config.output, "/etc/afcgi");
  } catch (error) {
    // A path that is not there: references.ts tells of it before.
    assert.ok(error instanceof TypeError);
    return "an error";
  }
}

const written = writtenKeys(JSON.parse(everyKeyJson), schema);
const withDefault = written.filter(({ schema }) => schema.default !== undefined);

test("The file with every key has every key, and no error", () => {
  const missing = new Set(keys.map(({ key }) => key));
  for (const { key } of written) missing.delete(key);
  assert.deepEqual([...missing], [], "Add these to tests/docs/every_key.ts, not at their defaults");
  assert.ok(!Array.isArray(optionsOf(JSON.parse(everyKeyJson))));
});

test("Every key is read: a file without it says something else", () => {
  const all = optionsOf(JSON.parse(everyKeyJson));
  for (const { key, readWith } of written) {
    const without = readWith((map, name) => delete map[name]);
    assert.notDeepEqual(without, all, `"${key}" changes nothing, or is at its default`);
  }
});

test("A short form has the defaults of the long one", () => {
  const forms: readonly [short: string, long: string][] = [
    ["listen: [':80']", "listen: [{ address: ':80' }]"],
    [
      "upstreams: { app: { servers: ['h:1'] } }",
      "upstreams: { app: { servers: [{ address: h:1 }] } }",
    ],
    [
      "sites: [{ compression: true, routes: [{ static: {} }] }]",
      "sites: [{ compression: {}, routes: [{ static: {} }] }]",
    ],
  ];
  const rest = parse("sites: [{ routes: [{ respond: {} }] }]");
  for (const [short, long] of forms) {
    const [a, b] = [short, long].map((text) => optionsOf({ ...rest, ...parse(text) }));
    assert.ok(!Array.isArray(a));
    assert.deepEqual(a, b, short);
  }
});

test("Flags alone have the defaults of a file", async () => {
  const files = memoryFiles({
    "/a.yaml": "upstreams: { app: { servers: ['h:1'] } }\nsites: [{ routes: [{ respond: {} }] }]\n",
  });
  const parts = { files, readVariable: () => undefined, cwd: "/" };
  const [flags, file] = await Promise.all(
    [{ upstream: "h:1" }, { config: "/a.yaml" }].map(async (given) => {
      const { options } = await loadConfig(given, parts);
      const { listen, upstreams, log, limits, shutdownGraceMs, admin } = options;
      const httpTimeouts = options.httpTimeouts ?? CONNECTION_TIMEOUTS;
      return { listen, upstreams, log, limits, shutdownGraceMs, admin, httpTimeouts };
    }),
  );
  assert.deepEqual(flags, file);
});

test("Every default is what holds without the key", () => {
  assert.ok(withDefault.length > 80);
  for (const { key, schema, readWith } of withDefault) {
    const atDefault = readWith((map, name) => map[name] = schema.default);
    const without = readWith((map, name) => delete map[name]);
    assert.deepEqual(without, atDefault, `"${key}" has another default than the schema states`);
  }
});
