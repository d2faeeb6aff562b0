/**
 * The configuration's schema as JSON Schema 2020-12, for editors. What the file's text must look
 * like is all there; what its parts say about each other is not (see `references.ts`).
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import { GEMINI_HANDLER_NAMES, geminiRouteSchema } from "./gemini_schema.ts";
import type { JsonSchema } from "./reference.ts";
import { HANDLER_NAMES, routeSchema } from "./route_schema.ts";
import { configSchema } from "./schema.ts";

/** What `afcgi schema` prints. */
export function configJsonSchema(): JsonSchema & Record<string, unknown> {
  const schema = toJsonSchema(configSchema, {
    target: "draft-2020-12",
    typeMode: "input",
    // These look at values in ways that a schema cannot say.
    ignoreActions: ["raw_transform", "raw_check", "transform"],
    overrideSchema: ({ valibotSchema, jsonSchema }) =>
      withAlternatives(jsonSchema, alternativesOf(valibotSchema)),
  });
  const { $schema, ...rest } = schema;
  return { $schema, title: "Configuration of afcgi", ...rest as JsonSchema };
}

/** Keys of which one is there: a route has one handler, a file serves over one of both or both. */
function alternativesOf(schema: object): Alternatives | undefined {
  if (!("entries" in schema)) return undefined;
  if (schema.entries === routeSchema.entries) return ["oneOf", HANDLER_NAMES, "rewrite"];
  if (schema.entries === geminiRouteSchema.entries) return ["oneOf", GEMINI_HANDLER_NAMES];
  if (schema.entries === configSchema.entries) return ["anyOf", ["sites", "gemini"]];
  return undefined;
}

/** `instead` may be there where none of the others is. */
type Alternatives = readonly [how: "oneOf" | "anyOf", keys: readonly string[], instead?: string];

function withAlternatives(jsonSchema: object, alternatives: Alternatives | undefined) {
  if (alternatives === undefined) return undefined;
  const [how, keys, instead] = alternatives;
  const required = keys.map((name) => ({ required: [name] }));
  const others = instead === undefined ? [] : [{ required: [instead], not: { anyOf: required } }];
  return { ...jsonSchema, [how]: [...required, ...others] };
}
